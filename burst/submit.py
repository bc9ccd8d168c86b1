"""Restore the stacks of a challenge and pack what is handed in; check or verify such a package."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from burst.command import Exit, main_of
from burst.jobs.restore import Job
from burst.machine import cpu_count, resolve_device
from burst.options import add_machine, add_reading, add_settings, reading_of
from burst.pipeline import load
from burst.settings import ConfigError
from burst.submission import build, check, verify
from burst.submission.challenge import Challenge, find_challenge, read_challenge
from burst.submission.restore import Submission
from burst.submission.stacks import find_challenge_stacks

RESTORED = "restored"  # the folder of results within that of a submission
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `burst submit`."""
    parser.add_argument("--stacks", metavar="DIR", help="the folder of all stacks, or of folders")
    parser.add_argument(
        "--challenge", metavar="NAME|FILE", help="what is wanted, such as ug2-coded-target"
    )
    parser.add_argument("--name", help="of the submission: it is written to OUT/NAME/")
    parser.add_argument("--out", default="submissions", metavar="OUT", help="default: %(default)s")
    other = parser.add_mutually_exclusive_group()
    other.add_argument(
        "--check", metavar="FILE.zip", help="restore nothing; list all that is wrong with a zip"
    )
    other.add_argument(
        "--verify", metavar="FILE.zip",
        help="repeat a submission from its verification package and compare the images",
    )  # fmt: skip
    add_settings(parser.add_argument_group("settings"))
    add_reading(parser.add_argument_group("reading"))
    add_machine(parser.add_argument_group("machine"))
    parser.add_argument("--quiet", action="store_true", help="only warnings and errors on stderr")


def execute(args: argparse.Namespace) -> int:
    """Do one of the three; exit 3 for a zip with faults, 4 where some stacks failed."""
    if args.check:
        return _check(args)
    if args.verify:
        return _verify(args)
    return _build(args)


def _check(args: argparse.Namespace) -> Exit:
    challenge = _challenge(args, "--check")
    images = None
    if args.stacks:
        images = [
            source.image for source in find_challenge_stacks(_root(args, "--check"), challenge)
        ]
    count = check.check(Path(args.check), challenge, images)
    print(f"{args.check}: {count} images as {args.challenge} wants them")
    return Exit.DONE


def _verify(args: argparse.Namespace) -> Exit:
    repeat = verify.VerifyOptions(
        device=None if args.device == "auto" else resolve_device(args.device),
        threads=max(1, args.threads // args.jobs) if args.threads else None,
        workers=args.jobs,
        quiet=args.quiet,
    )
    verdict = verify.verify(Path(args.verify), _root(args, "--verify"), repeat)
    words = f"{verdict.same} images are the same bytes"
    if verdict.close:
        words += (
            f", {verdict.close} differ by at most {verdict.largest}, where {verdict.tolerance} is"
            f" allowed ({'; '.join(verdict.differences)})"
        )
    print(f"{args.verify}: {words}")
    return Exit.DONE


def _of_one_size(pipeline: str) -> tuple[str, ...]:
    """Return the setting that keeps the size of a frame, however far the camera moved."""
    aligned = any(step.name == "align" for step in load(pipeline).steps)
    return ("align.field=frame",) if aligned else ()


def _build(args: argparse.Namespace) -> Exit:
    challenge = _challenge(args, "burst submit")
    if not args.name:
        raise ConfigError("burst submit: expected --name, found none. Pass a name for the zip.")
    if not NAME.fullmatch(args.name):
        raise ConfigError(
            f"--name {args.name}: expected letters, digits, '.', '_' and '-', a letter or digit"
            " first. Choose such a name."
        )
    root, folder = _root(args, "burst submit"), Path(args.out) / args.name
    plan = Job(
        path=root,
        folder=folder / RESTORED,
        pipeline=args.pipeline,
        assignments=(*_of_one_size(args.pipeline), *args.set),
        reading=reading_of(args),
        seed=args.seed,
        device=resolve_device(args.device),
        threads=max(1, (args.threads or cpu_count()) // args.jobs),
        resume=True,
    )
    submission = Submission(
        name=args.name,
        root=root,
        challenge_file=find_challenge(args.challenge),
        challenge=challenge,
        plan=plan,
        folder=folder,
        workers=args.jobs,
    )
    return build.build(submission, args.quiet)


def _challenge(args: argparse.Namespace, what: str) -> Challenge:
    if not args.challenge:
        raise ConfigError(f"{what}: expected --challenge, found none. Pass a name or a file.")
    return read_challenge(find_challenge(args.challenge))


def _root(args: argparse.Namespace, what: str) -> Path:
    if not args.stacks:
        raise ConfigError(f"{what}: expected --stacks, found none. Pass the folder of the stacks.")
    return Path(args.stacks).absolute()


if __name__ == "__main__":
    sys.exit(main_of("submit", add_arguments, execute))
