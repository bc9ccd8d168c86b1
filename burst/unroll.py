"""Straighten clips of a rolling shutter: a video in, the same video without wobble and skew out."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from burst.clips import unroll as clips_unroll
from burst.command import Exit, main_of, positive
from burst.files.clip_write import CONTAINERS
from burst.files.folder import stem_of
from burst.lazy import tqdm
from burst.log import LOG
from burst.machine import cpu_count, set_up
from burst.progress import LOG_EVERY
from burst.records import StackError
from burst.settings import ConfigError

SCANS = ("top", "bottom", "left", "right")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `burst unroll`."""
    parser.add_argument("clip", metavar="CLIP", help="a video, such as clip.mp4")
    parser.add_argument(
        "--out", metavar="FILE", help="the new video (default: <stem>-straight.mp4 beside the clip)"
    )
    parser.add_argument(
        "--readout", metavar="SHARE|MS",
        help="how long a frame is read: a share of the frame time such as 0.8, or 16ms (default:"
        " found by itself)",
    )  # fmt: skip
    parser.add_argument(
        "--scan", choices=SCANS, help="the side that is read first (default: found by itself)"
    )
    parser.add_argument(
        "--edges", choices=("fill", "crop"), default="fill",
        help="fill what a frame lacks at an edge from its neighbours, or crop it"
        " (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--bands", choices=("remove", "keep"), default="remove",
        help="what becomes of bands of lamps that flicker (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--threads", type=positive, help="in all (default: every processor)")
    parser.add_argument("--quiet", action="store_true", help="only warnings and errors on stderr")


def execute(args: argparse.Namespace) -> int:
    """Straighten a clip; print the paths of the new one and of its report."""
    source = Path(args.clip)
    out = Path(args.out) if args.out else source.parent / f"{stem_of(source)}-straight.mp4"
    if out.suffix.lower() not in CONTAINERS:
        raise ConfigError(f"--out {out}: expected a name in {', '.join(CONTAINERS)}.")
    if out.resolve() == source.resolve():
        raise ConfigError(f"--out {out}: expected another file than the clip itself.")
    wish = clips_unroll.Wish()
    if args.readout:
        try:
            wish = clips_unroll.share_or_seconds(args.readout)
        except ValueError as error:
            raise ConfigError(
                f"--readout {args.readout}: expected a share of the frame time above 0 and at most"
                " 1, such as 0.8, or a time such as 16ms."
            ) from error
    if not source.is_file():
        found = "a folder" if source.is_dir() else "nothing there"
        raise StackError(f"{source}: expected a video, found {found}. Check the path.")
    wish = replace(wish, scan=args.scan, edges=args.edges, bands=args.bands)
    set_up(args.threads or cpu_count())
    with _shown(source.name, args.quiet) as tell:
        for path in clips_unroll.unroll_clip(source, out, wish, tell):
            print(path)
    return Exit.DONE


@contextmanager
def _shown(name: str, quiet: bool) -> Iterator[Callable[[int, int, float], None]]:
    """Yield a function of frames done, of all (0 if unknown), and of those done in a second."""
    if not quiet and sys.stderr.isatty():
        with tqdm.tqdm(desc=name, unit=" frames", file=sys.stderr, dynamic_ncols=True) as bar:

            def draw(done: int, total: int, rate: float) -> None:
                bar.total = total or None
                if not bar.n:
                    bar.initial = done - 1
                bar.update(done - bar.n)

            yield draw
        return
    logged = time.monotonic()

    def say(done: int, total: int, rate: float) -> None:
        nonlocal logged
        if time.monotonic() > logged + LOG_EVERY:
            logged = time.monotonic()
            left = f", {max(total - done, 0) / rate:.0f} s left" if total else ""
            LOG.info("%s: frame %d of %d, %.1f frames a second%s", name, done, total, rate, left)

    yield say


if __name__ == "__main__":
    sys.exit(main_of("unroll", add_arguments, execute))
