"""Restore stacks: frames of one scene in, one sharp image and a report out, for each."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from burst.batch import Outcome, log_stage, run_all
from burst.command import Exit, main_of, positive
from burst.files.find import find_stacks
from burst.files.read import ReadOptions
from burst.machine import DEVICES, available_memory, cpu_count, resolve_device
from burst.pipeline import load
from burst.restore import Job, Watch

LOG = logging.getLogger("burst")
DEFAULT_PIPELINE = "turbulence"
AXES = ("frames-first", "frames-last")
BAR = "{desc} {n_fmt}/{total_fmt} |{bar}| {elapsed}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `burst run`."""
    parser.add_argument(
        "--stack", nargs="+", required=True, metavar="PATH",
        help="a file, a folder that is one stack, a folder of stacks, or a glob",
    )  # fmt: skip
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="results go to DIR/<stem>/ for each stack"
    )
    _add_settings(parser.add_argument_group("settings"))
    _add_reading(parser.add_argument_group("reading"))
    _add_machine(parser.add_argument_group("machine"))
    _add_output(parser.add_argument_group("output"))


def execute(args: argparse.Namespace) -> int:
    """Restore every stack; return 0, the code of a lone failure, 4 if some of a batch failed."""
    pipeline = load(args.pipeline, args.set)
    if args.until:
        pipeline = pipeline.until(args.until)
    jobs = _make_jobs(args, resolve_device(args.device))
    workers = min(args.jobs, len(jobs))
    progress = _make_progress(args.quiet or workers > 1, len(pipeline.steps))
    outcomes = []
    for outcome in run_all(jobs, workers, args.quiet, progress):
        outcomes.append(outcome)
        _tell(outcome)
    outcomes.sort(key=lambda outcome: jobs.index(outcome.job))
    code = _exit_code(outcomes)
    if args.json:
        print(json.dumps({"exit": code, "stacks": [_as_json(o) for o in outcomes]}, indent=1))
    else:
        for outcome in outcomes:
            _print_paths(outcome)
    if len(outcomes) > 1:
        LOG.info(_table(outcomes))
    return code


def name_folders(paths: Sequence[Path]) -> list[str]:
    """Return one folder name per stack: its stem, made longer where two stacks share it.

    First the suffix is added (`a.npy`, `a.ser`: `a-npy`, `a-ser`), then folders (`monday-a-npy`).
    Upper and lower case count as the same, as they do on many disks.
    """
    lengths = [0] * len(paths)
    for _ in range(1 + max(len(path.resolve().parts) for path in paths)):
        names = [_name(path, length) for path, length in zip(paths, lengths, strict=True)]
        counts = Counter(name.casefold() for name in names)
        clashing = [i for i, name in enumerate(names) if counts[name.casefold()] > 1]
        for i in clashing:
            lengths[i] += 1
    # Names that differ in case alone are told apart by their place.
    return [f"{name}-{i + 1}" if i in clashing else name for i, name in enumerate(names)]


def _add_settings(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--pipeline", default=DEFAULT_PIPELINE, metavar="NAME|FILE",
        help="which stages, with which settings (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--set", action="append", default=[], metavar="STAGE.KEY=VALUE",
        help="override one setting of a stage; may be repeated",
    )  # fmt: skip
    group.add_argument("--until", metavar="STAGE", help="stop after this stage and keep all stages")
    group.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")


def _add_reading(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--black-level", type=float, metavar="DN", help="DN at zero signal")
    group.add_argument(
        "--white-level", type=float, metavar="DN", help="DN at saturation; 4095 for 12 bit"
    )
    group.add_argument("--axis", choices=AXES, help="which axis of an array counts the frames")


def _add_machine(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--device", choices=DEVICES, default="auto", help="default: %(default)s")
    group.add_argument("--threads", type=positive, help="in all (default: every processor)")
    group.add_argument(
        "--jobs", type=positive, default=1, metavar="N", help="stacks at the same time (default: 1)"
    )


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--keep-stages", action="store_true", help="keep what every stage gave in stages/*.npz"
    )
    group.add_argument(
        "--resume", action="store_true",
        help="skip stacks that are done and start after the last kept stage that is still valid",
    )  # fmt: skip
    group.add_argument("--json", action="store_true", help="print one JSON document to stdout")
    group.add_argument("--quiet", action="store_true", help="only warnings and errors on stderr")


def _make_jobs(args: argparse.Namespace, device: str) -> list[Job]:
    paths = list({path.resolve(): path for path in find_stacks(args.stack)}.values())
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    workers = min(args.jobs, len(paths))
    memory = available_memory()
    return [
        Job(
            path=path,
            folder=out / name,
            pipeline=args.pipeline,
            assignments=tuple(args.set),
            until=args.until,
            reading=ReadOptions(args.black_level, args.white_level, args.axis),
            device=device,
            threads=max(1, (args.threads or cpu_count()) // workers),
            seed=args.seed,
            keep_stages=args.keep_stages or args.until is not None,
            resume=args.resume,
            memory=None if memory is None else memory // workers,
        )
        for path, name in zip(paths, name_folders(paths), strict=True)
    ]


def _name(path: Path, length: int) -> str:
    """Return a name of growing length: the stem, with the suffix, with one folder more each."""
    whole = path.resolve()
    stem = whole.name if whole.is_dir() else whole.stem
    if length == 0:
        return stem
    suffix = "" if whole.is_dir() else whole.suffix.replace(".", "-")
    folders = whole.parts[1:-1][-(length - 1) :] if length > 1 else ()
    return "-".join((*folders, stem + suffix))


@dataclass
class _Bar:
    """A progress bar per stack: `watch` of `restore`, drawn on a terminal."""

    total: int
    stack: str = ""
    bar: Any = field(default=None)

    def __call__(self, stack: str, stage: str, seconds: float) -> None:
        from tqdm import tqdm

        if stack != self.stack:
            self.stack = stack
            self.bar = tqdm(total=self.total, file=sys.stderr, bar_format=BAR)
        self.bar.set_description(f"{stack}: {stage}")
        self.bar.update()
        if self.bar.n >= self.total:
            self.bar.close()


def _make_progress(lines: bool, stages: int) -> Watch:
    return log_stage if lines or not sys.stderr.isatty() else _Bar(stages)


def _tell(outcome: Outcome) -> None:
    if outcome.result is None:
        LOG.error(outcome.message)
        return
    for warning in outcome.result.warnings:
        LOG.warning("%s: %s", outcome.job.path, warning)
    LOG.info("%s: %s, %.1f s", outcome.job.path, outcome.status, outcome.seconds)


def _exit_code(outcomes: Sequence[Outcome]) -> Exit:
    if len(outcomes) == 1:
        return outcomes[0].exit
    return Exit.DONE if all(o.exit is Exit.DONE for o in outcomes) else Exit.SOME_FAILED


def _as_json(outcome: Outcome) -> dict[str, Any]:
    result = outcome.result
    return {
        "stack": str(outcome.job.path),
        "folder": str(outcome.job.folder),
        "status": outcome.status,
        "exit": outcome.exit,
        "seconds": round(outcome.seconds, 3),
        "files": [str(path) for path in result.files] if result else [],
        "warnings": list(result.warnings) if result else [],
        "message": outcome.message,
    }


def _print_paths(outcome: Outcome) -> None:
    for path in outcome.result.files if outcome.result else ():
        print(path)


def _table(outcomes: Sequence[Outcome]) -> str:
    """Return one line per stack: what became of it, how long it took, where it came from."""
    lines = [
        f"{o.status:8} {o.seconds:7.1f} s  {o.job.path}" + (f"  {o.message}" if o.message else "")
        for o in sorted(outcomes, key=lambda o: o.status)
    ]
    done = sum(o.exit is Exit.DONE for o in outcomes)
    return "\n".join([*lines, f"{done} of {len(outcomes)} stacks done"])


if __name__ == "__main__":
    sys.exit(main_of("run", add_arguments, execute))
