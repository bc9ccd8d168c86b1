"""The `burst` command: one parser for all verbs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from burst import __version__
from burst.command import carry_out

# `burst.simulate` and some others are functions, so modules are imported by their names.
VERBS = {
    verb: import_module(f"burst.{module}")
    for verb, module in {
        "run": "run",
        "info": "info",
        "simulate": "simulate",
        "score": "score",
        "report": "overview",
        "submit": "submit",
        "bench": "bench",
        "train": "train",
        "export": "export",
    }.items()
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb that the command line names and return its exit code."""
    args = make_parser().parse_args(argv)
    return carry_out(args.execute, args)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs; importing them costs little, so help comes at once."""
    parser = argparse.ArgumentParser(
        prog="burst",
        description="Many bad frames of one scene in, one sharp image out.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"burst {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, module in VERBS.items():
        summary = (module.__doc__ or "").partition("\n")[0]
        verb = verbs.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        module.add_arguments(verb)
        verb.set_defaults(execute=module.execute)
    return parser


if __name__ == "__main__":
    sys.exit(main())
