"""Measure the pipeline on simulated stacks, beside baselines, peers and an oracle."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from burst.command import Exit, main_of, positive
from burst.config import ConfigError
from burst.machine import cpu_count, resolve_device, set_up
from burst.pipeline import load

if TYPE_CHECKING:
    from burst.measure.peers.find import Peer
    from burst.measure.results import Record, S
    from burst.measure.stacks import Plan

LOG = logging.getLogger("burst")

DEFAULT_PIPELINE = "turbulence"
GPU_PIPELINES = (
    "turbulence", "classical", "rolling", "rolling_geometry", "dual_reversed",
    "dual_reversed_geometry", "global_reset", "global_reset_geometry",
)  # fmt: skip
LEVELS = ("low", "medium", "high", "very-high")
SMALLEST = 64  # px; less leaves no image within the border that scores leave out
SMALLEST_CHART = 184  # px; in less, what is looked at beside an edge reaches beyond the chart


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `burst bench`."""
    parser.add_argument(
        "--suite", choices=tuple(SUITES), default="quick", help="default: %(default)s"
    )
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
    _check(args)
    SUITES[args.suite](args)
    if args.write:
        _write_page(args)
        print(args.write)
    return Exit.DONE


def _write_page(args: argparse.Namespace) -> None:
    """Write the page of the suite: that of the GPU stands alone, all others share one."""
    if args.suite == "gpu":
        from burst.measure.gpu_page import write_gpu_page

        write_gpu_page(Path(args.write), Path(args.out))
        return
    from burst.measure.page import write_page

    write_page(Path(args.write), Path(args.out))


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
    group.add_argument(
        "--pipeline", default=DEFAULT_PIPELINE, metavar="NAME|FILE", help="default: %(default)s"
    )
    group.add_argument(
        "--set", action="append", default=[], metavar="STAGE.KEY=VALUE",
        help="override one setting of a stage; may be repeated",
    )  # fmt: skip
    group.add_argument(
        "--peers", action="store_true", help="other programs beside ours, where installed"
    )
    group.add_argument("--threads", type=positive, help="in all (default: every processor)")


def _check(args: argparse.Namespace) -> None:
    """Find what is wrong with the settings before hours of measuring begin."""
    load("rolling" if args.suite in ("shutter", "instants", "drawn") else args.pipeline, args.set)
    smallest = SMALLEST_CHART if args.suite == "sharpness" else SMALLEST
    if args.size < smallest or args.frames < 2:
        raise ConfigError(
            f"--size {args.size} --frames {args.frames}: expected at least {smallest} pixels"
            " and 2 frames."
        )
    if args.record and args.suite != "quick":
        raise ConfigError(f"--record: expected --suite quick, found {args.suite}.")
    args.threads = args.threads or cpu_count()


def _synthetic(args: argparse.Namespace) -> None:
    """Score every method on the same stacks."""
    from burst.measure.suites.synthetic import Bench

    bench = Bench(load(args.pipeline, args.set), _find_peers() if args.peers else {})
    settings = "\n".join([bench.pipeline.to_toml(), *bench.peers])
    _measure(args, settings, _plan(args).cases(), bench.measure)


def _stages(args: argparse.Namespace) -> None:
    """Hold every stage against the truth."""
    from burst.measure.suites.synthetic import Bench

    bench = Bench(load(args.pipeline, args.set), {})
    _measure(args, bench.pipeline.to_toml(), _plan(args).cases(), bench.measure_stages)


def _sharpness(args: argparse.Namespace) -> None:
    """Take MTF50 from slanted edges and Siemens stars: --per-level says through how many airs."""
    from burst.measure.suites.sharpness import SharpnessBench, chart_cases

    bench = SharpnessBench(load(args.pipeline, args.set))
    cases = chart_cases(args.levels, args.per_level, args.seed, args.frames, args.size)
    _measure(args, bench.pipeline.to_toml(), cases, bench.measure)


def _ablation(args: argparse.Namespace) -> None:
    """Change one thing at a time."""
    from burst.measure.suites.ablation import Ablation

    ablation = Ablation.of(args.pipeline, tuple(args.set))
    settings = load(args.pipeline, args.set).to_toml()
    _measure(args, settings, _plan(args).cases(), ablation.measure)


def _quick(args: argparse.Namespace) -> None:
    """Score small stacks and hold them against the recorded figures; --record replaces these."""
    from burst.measure.suites import quick

    pipeline = load(args.pipeline, args.set)
    cases = quick.quick_plan().cases()
    measure = partial(quick.measure_quick, pipeline)
    records = _measure(args, pipeline.to_toml(), cases, measure)
    if args.record:
        quick.record(records)
    for level, drop in quick.drops(records).items():
        LOG.warning("quick: %s is %.2f dB below its recorded figure", level, drop)


def _scaling(args: argparse.Namespace) -> None:
    """Time whole processes."""
    from burst.measure.suites.scaling import Scaling, scaling_cases

    words = ["--pipeline", args.pipeline, *(w for s in args.set for w in ("--set", s))]
    cases = scaling_cases("medium", args.seed)
    settings = f"{load(args.pipeline, args.set).to_toml()}\nthreads {args.threads}"
    _measure(args, settings, cases, Scaling(words, args.threads).measure)


def _soak(args: argparse.Namespace) -> None:
    """Kill a batch of 200 small stacks, some of them broken, 20 times, and see what is left."""
    from burst.measure.suites.soak import Wear, soak_cases

    words = ["--pipeline", args.pipeline, *(w for s in args.set for w in ("--set", s))]
    settings = load(args.pipeline, args.set).to_toml()
    _measure(args, settings, soak_cases(args.seed), Wear(words).measure)


def _submit(args: argparse.Namespace) -> None:
    """Time whole submissions of coded targets, the final of 192 stacks among them."""
    from burst.measure.suites.submit import Submitting, entries

    words = ["--pipeline", args.pipeline, *(w for s in args.set for w in ("--set", s))]
    settings = load(args.pipeline, args.set).to_toml()
    _measure(args, settings, entries(args.seed), Submitting(words).measure)


def _boards(args: argparse.Namespace) -> None:
    """Read real text boards: --images are their folders."""
    from burst.measure.suites.boards import Board, BoardBench

    if not args.images:
        raise ConfigError("--suite boards: expected folders of boards, found none. Pass --images.")
    bench = BoardBench(load(args.pipeline, args.set), _find_peers() if args.peers else {})
    settings = "\n".join([bench.pipeline.to_toml(), *bench.peers])
    _measure(args, settings, [Board(folder) for folder in args.images], bench.measure)


def _shutter(args: argparse.Namespace) -> None:
    """Restore what rolling shutters recorded: --images are folders of sequences with truths."""
    from burst.measure.suites.shutter import ShutterBench, moments_in

    if not args.images:
        raise ConfigError(
            "--suite shutter: expected folders of sequences, found none. Pass --images."
        )
    bench = ShutterBench(load, tuple(args.set))
    _measure(args, load("rolling", args.set).to_toml(), moments_in(args.images), bench.measure)


def _instants(args: argparse.Namespace) -> None:
    """Restore simulated recordings at nine instants, and find readouts and offsets."""
    from burst.measure.stacks import choose_images
    from burst.measure.suites.instants import InstantBench, recordings

    cases = recordings(choose_images(args.images, args.per_level), args.seed)
    bench = InstantBench(load, tuple(args.set))
    _measure(args, load("rolling", args.set).to_toml(), cases, bench.measure)


def _drawn(args: argparse.Namespace) -> None:
    """Hold networks of shutters against their geometry on recordings drawn like their samples."""
    from burst.measure.stacks import choose_images
    from burst.measure.suites.drawn import drawn
    from burst.measure.suites.shutter import ShutterBench

    cases = drawn(choose_images(args.images, args.per_level), args.seed)
    bench = ShutterBench(load, tuple(args.set))
    _measure(args, load("rolling", args.set).to_toml(), cases, bench.measure)


def _sound(args: argparse.Namespace) -> None:
    """Hold spoilt stacks against the same stacks without the trouble."""
    from burst.measure.stacks import choose_images
    from burst.measure.suites.sound import FRAMES, SIZE, SoundBench, too_much, troubles

    pipeline = load(args.pipeline, args.set)
    images = choose_images(args.images, args.per_level)
    cases = troubles(images, args.levels, args.seed, FRAMES, SIZE)
    records = _measure(args, pipeline.to_toml(), cases, SoundBench(pipeline).measure)
    for what, loss in too_much(records).items():
        LOG.warning("sound: %s costs %.2f dB", what.replace("_", " "), loss)


def _gpu(args: argparse.Namespace) -> None:
    """Hold a GPU against the CPU: images, bytes, seconds, memory, training."""
    from burst.measure.suites.gpu import SIDES, GpuBench, tasks

    resolve_device("cuda")
    cases = tasks(GPU_PIPELINES, (args.size, *SIDES), args.frames, args.seed)
    settings = "\n".join(load(name).to_toml() for name in GPU_PIPELINES)
    _measure(args, settings, cases, GpuBench().measure)


def _gallery(args: argparse.Namespace) -> None:
    """Draw a sheet of pictures for each level, in DIR."""
    from burst.measure.suites.gallery import draw_sheet

    set_up(args.threads)
    pipeline = load(args.pipeline, args.set)
    for case in _plan(args).cases():
        print(draw_sheet(case, pipeline, Path(args.out)))


SUITES: dict[str, Callable[[argparse.Namespace], None]] = {
    "quick": _quick,
    "synthetic": _synthetic,
    "stages": _stages,
    "sharpness": _sharpness,
    "ablation": _ablation,
    "scaling": _scaling,
    "submit": _submit,
    "soak": _soak,
    "boards": _boards,
    "shutter": _shutter,
    "instants": _instants,
    "drawn": _drawn,
    "sound": _sound,
    "gpu": _gpu,
    "gallery": _gallery,
}


def _plan(args: argparse.Namespace) -> Plan:
    from burst.measure.stacks import Plan, choose_images

    images = choose_images(args.images, args.per_level)
    return Plan(tuple(args.levels), images, args.targets, args.seed, args.frames, args.size)


def _measure(
    args: argparse.Namespace,
    settings: str,
    cases: Sequence[S],
    measure: Callable[[S], Record],
) -> list[Record]:
    """Measure all cases into the suite's file and print its tables."""
    from burst.measure.results import Book
    from burst.measure.tables import tables
    from burst.network import checkpoint

    if args.suite not in ("scaling", "submit"):
        # Processes of their own are measured there; this one stays small.
        set_up(args.threads)
    path = Path(args.out) / f"{args.suite}.json"
    book = Book(path, args.suite, settings, args.threads, checkpoint.digests(args.set))
    records = book.measure(cases, measure, LOG.info)
    print(tables(args.suite, records))
    return records


def _find_peers() -> dict[str, Peer]:
    from burst.measure.peers.find import find_peers

    peers, missing = find_peers()
    for reason in missing:
        LOG.warning("--peers: left out: %s", reason)
    return peers


if __name__ == "__main__":
    sys.exit(main_of("bench", add_arguments, execute))
