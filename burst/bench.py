"""Measure the pipeline on simulated stacks, beside baselines, peers and an oracle."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from burst.command import Exit, main_of, positive
from burst.log import LOG
from burst.machine import cpu_count, set_up
from burst.measure import page as measure_page
from burst.measure.results import Results
from burst.measure.suite import Options, Suite, find_suite, suites
from burst.network import checkpoint
from burst.options import add_pipeline
from burst.settings import ConfigError

LEVELS = ("low", "medium", "high", "very-high")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `burst bench`."""
    known = suites()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "suites:\n" + "\n".join(f"  {name:10} {text}" for name, text in known.items())
    parser.add_argument(
        "--suite", choices=tuple(known), default="quick", metavar="NAME",
        help="one of those below (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--out", default="out/bench", metavar="DIR",
        help="raw numbers as JSON, one file per suite; what is known there is not measured again"
        " (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--write",
        metavar="FILE.md",
        help="write the page from all suites in DIR, plots beside it; of gpu, its own",
    )
    parser.add_argument(
        "--record", action="store_true", help="quick: make the figures those to be held"
    )
    _add_stacks(parser.add_argument_group("stacks"))
    _add_methods(parser.add_argument_group("methods"))
    parser.add_argument("--quiet", action="store_true", help="only warnings and errors on stderr")


def execute(args: argparse.Namespace) -> int:
    """Measure one suite, print its tables, and write the page where that is asked for."""
    suite, options = find_suite(args.suite), _options(args)
    _check(args.suite, suite, options)
    _measure(args.suite, suite, options)
    if args.write:
        # The page on which the suite stands: its own, or that of all the others.
        (suite.page or measure_page.write_page)(Path(args.write), Path(args.out))
        print(args.write)
    return Exit.DONE


def _add_stacks(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--images", nargs="+", default=[], metavar="DIR",
        help="folders of images to simulate from, of boards to read, or of"
        " rolling-shutter sequences (default: images that scikit-image carries)",
    )  # fmt: skip
    group.add_argument("--levels", nargs="+", choices=LEVELS, default=LEVELS, help="default: all")
    group.add_argument(
        "--per-level", type=positive, default=12, metavar="N", help="images (default: 12)"
    )
    group.add_argument(
        "--targets", type=int, default=2, metavar="N", help="coded targets a level (default: 2)"
    )
    group.add_argument("--frames", type=positive, default=100, help="default: 100")
    group.add_argument("--size", type=positive, default=271, help="rows and columns (default: 271)")
    group.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")


def _add_methods(group: argparse._ArgumentGroup) -> None:
    add_pipeline(group)
    group.add_argument(
        "--peers", action="store_true", help="other programs beside ours, where installed"
    )
    group.add_argument("--threads", type=positive, help="in all (default: every processor)")


def _options(args: argparse.Namespace) -> Options:
    said = {f.name: getattr(args, f.name) for f in fields(Options) if f.name in args}
    said |= {name: tuple(value) for name, value in said.items() if isinstance(value, list)}
    said |= {"settings": tuple(args.set), "threads": args.threads or cpu_count()}
    return Options(**said)


def _check(name: str, suite: Suite, options: Options) -> None:
    """Find what is wrong with the settings before hours of measuring begin."""
    suite.settings(options)
    if options.size < suite.smallest or options.frames < 2:
        raise ConfigError(
            f"--size {options.size} --frames {options.frames}: expected at least"
            f" {suite.smallest} pixels and 2 frames."
        )
    if options.record and name != "quick":
        raise ConfigError(f"--record: expected --suite quick, found {name}.")


def _measure(name: str, suite: Suite, options: Options) -> None:
    """Measure all cases of a suite into its file, print its tables, and warn of what is too bad."""
    if not suite.separate_processes:
        set_up(options.threads)
    cases = suite.cases(options)
    path, networks = Path(options.out) / f"{name}.json", checkpoint.digests(options.settings)
    results = Results(path, name, suite.settings(options), options.threads, networks)
    if not suite.cached:
        results.ignore_earlier()
    records = results.measure(cases, suite.measure(options), LOG.info)
    print(suite.tables(records))
    for doubt in suite.finish(options, records):
        LOG.warning("%s: %s", name, doubt)


if __name__ == "__main__":
    sys.exit(main_of("bench", add_arguments, execute))
