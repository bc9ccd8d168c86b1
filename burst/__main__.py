"""The `burst` command: one parser for all verbs."""

from __future__ import annotations

import argparse
import atexit
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import takewhile

from burst.about import __version__
from burst.lazy import Lazy

# What they import takes a while, in which an interrupt must be one line, too.
command, completion = Lazy("burst.command"), Lazy("burst.completion")

# `burst.simulate` and some others are functions, so modules are imported by their names.
VERBS = {
    "run": "run",
    "info": "info",
    "unroll": "unroll",
    "simulate": "simulate",
    "score": "score",
    "report": "overview",
    "submit": "submit",
    "bench": "bench",
    "train": "train",
    "export": "export",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb that the command line names and return its exit code.

    Without a word it is help; stacks alone are restored into a folder beside them.
    """
    try:
        if "_ARGCOMPLETE" in os.environ:
            completion.answer(make_parser())
        words = _with_verb(sys.argv[1:] if argv is None else list(argv))
        if not words:
            make_parser().print_help()
            return 0
        args = make_parser(words[0]).parse_args(words)
        return int(command.carry_out(args.execute, args))
    except KeyboardInterrupt:
        print("burst: error: interrupted", file=sys.stderr)
        return 130  # `Exit.INTERRUPTED`


def run_as_process() -> int:
    """Run `main` as a process of its own, which ends at once when it is done: to take torch apart
    module by module would take half as long as to import it."""
    codes: list[int] = []

    def end() -> None:
        if codes:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(codes[0])

    # What is registered first is called last: whatever cleans up at exit does so before.
    atexit.register(end)
    codes.append(main())
    return codes[0]


def _with_verb(words: list[str]) -> list[str]:
    """Return the words of a command line; where stacks stand in place of a verb, with `run`."""
    stacks = list(takewhile(lambda word: not word.startswith("-"), words))
    if not stacks or stacks[0] in VERBS:
        return words
    if not (os.path.exists(stacks[0]) or any(sign in stacks[0] for sign in "./\\*?[")):
        return words
    return ["run", *words[len(stacks) :], "--stack", *stacks]


def make_parser(verb: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of a verb, or of all if it is none of them; a run need not import what the
    others do."""
    parser = argparse.ArgumentParser(
        prog="burst",
        description="Many bad frames of one scene in, one sharp image out."
        " `burst moon.ser` alone restores it into a folder beside it.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"burst {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name in [verb] if verb in VERBS else VERBS:
        module = import_module(f"burst.{VERBS[name]}")
        summary = (module.__doc__ or "").partition("\n")[0]
        added = verbs.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        module.add_arguments(added)
        added.set_defaults(execute=module.execute)
    return parser


if __name__ == "__main__":
    sys.exit(run_as_process())
