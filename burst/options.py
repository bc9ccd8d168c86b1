"""Options that several commands share: settings, reading, machine."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from burst.command import positive
from burst.files.read import ReadOptions
from burst.machine import DEVICES

DEFAULT_PIPELINE = "turbulence"
AXES = ("frames-first", "frames-last")


def add_settings(group: argparse._ArgumentGroup) -> None:
    """Declare which stages run, with which settings and random numbers."""
    add_pipeline(group)
    group.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")


def add_pipeline(group: argparse._ArgumentGroup) -> None:
    """Declare which stages run, with which settings."""
    group.add_argument(
        "--pipeline", default=DEFAULT_PIPELINE, metavar="NAME|FILE",
        help="which stages, with which settings (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--set", action="append", default=[], metavar="STAGE.KEY=VALUE",
        help="override one setting of a stage; may be repeated",
    )  # fmt: skip


def add_reading(group: argparse._ArgumentGroup) -> None:
    """Declare what a person may say of a stack over what its file says."""
    group.add_argument("--black-level", type=float, metavar="DN", help="DN at zero signal")
    group.add_argument(
        "--white-level", type=float, metavar="DN", help="DN at saturation; 4095 for 12 bit"
    )
    for kind, what in (("dark", "without light"), ("flat", "of an even bright surface")):
        group.add_argument(
            f"--{kind}", type=Path, metavar="PATH", help=f"frames {what}, in a file or a folder"
        )
    group.add_argument("--axis", choices=AXES, help="which axis of an array counts the frames")


def add_machine(group: argparse._ArgumentGroup) -> None:
    """Declare what of the machine is used."""
    group.add_argument("--device", choices=DEVICES, default="auto", help="default: %(default)s")
    group.add_argument("--threads", type=positive, help="in all (default: every processor)")
    group.add_argument(
        "--jobs", type=positive, default=1, metavar="N", help="stacks at the same time (default: 1)"
    )


def size_in_bytes(text: str) -> int:
    """Return the bytes of a size such as 2G, 1.5GiB or 800M, in steps of 1024."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([KMGT]?)(?:I?B)?\s*", text.upper())
    if found is None or not float(found[1]):
        raise argparse.ArgumentTypeError(f"expected a size such as 2G or 800M, found '{text}'")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2] or " "))


def reading_of(args: argparse.Namespace) -> ReadOptions:
    """Return what was said of the stacks."""
    return ReadOptions(
        args.black_level, args.white_level, args.axis, dark=args.dark, flat=args.flat
    )
