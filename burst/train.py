"""Train a network on simulated stacks."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from burst.command import Exit, main_of, positive
from burst.data.samples import collection as samples_collection
from burst.jobs.bar import bar_of
from burst.log import LOG
from burst.machine import DEVICES, cpu_count, drawing_device, resolve_device, set_up
from burst.progress import listening_to, part
from burst.settings import ConfigError
from burst.training import loop
from burst.training import order as training_order
from burst.training import recipe as training_recipe
from burst.training import workers as training_workers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `burst train`."""
    parser.add_argument(
        "--recipe", default="student", metavar="NAME|FILE",
        help="what is trained and how: teacher, student, plain, finetune, worlds, deviation,"
        " diffir, rolling, global_reset, dual_reversed, dual_reversed_twin, handheld"
        " (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE",
        help="override one setting of the recipe, such as training.steps=500; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--noise-level", nargs="+", default=["all"], metavar="LEVEL",
        help="some of low, medium, high, very-high, or all (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--parent", metavar="RUN|CHECKPOINT",
        help="a run or a checkpoint to go on from; a teacher guides a student's prior",
    )  # fmt: skip
    parser.add_argument("--out", metavar="DIR", help="the run's folder, such as runs/high")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in DIR where it was cut"
    )
    _add_samples(parser.add_argument_group("samples"))
    _add_machine(parser.add_argument_group("machine"))


def execute(args: argparse.Namespace) -> int:
    """Make samples, and train on them; print the path of the trained network."""
    if not (args.out or args.prepare_only):
        raise ConfigError("--out: expected the folder of the run, found none.")
    recipe = training_recipe.load_recipe(args.recipe, args.set)
    levels = training_recipe.choose_levels(args.noise_level)
    if args.pairs:
        recipe, levels = training_recipe.with_pairs(recipe)
    set_up(args.threads or cpu_count())
    device, folders = resolve_device(args.device), args.pairs or args.images
    collection = samples_collection.open_collection(
        Path(args.samples), recipe.samples, folders, drawing_device(device)
    )
    try:
        if args.prepare_only:
            _prepare(args, recipe, levels, collection)
            print(collection.folder)
            return Exit.DONE
        order = training_order.Order(
            recipe=recipe,
            levels=levels,
            collection=collection,
            images=tuple(folders),
            folder=Path(args.out),
            parent=args.parent,
            resume=args.resume,
            device=device,
            workers=args.workers,
        )
        with _shown(args, order.folder):
            networks = training_order.carry_out(order, LOG.info)
        for path in networks:
            print(path)
    except (training_workers.SamplesError, loop.TrainingError) as error:
        # Nobody's mistake, and nothing that a traceback would explain.
        LOG.error(error)
        return Exit.PROCESSING_FAILED
    return Exit.DONE


def _add_samples(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--images", nargs="+", default=[], metavar="DIR",
        help="folders of images to simulate from; each folder is drawn from equally often"
        " (default: images that scikit-image carries)",
    )  # fmt: skip
    group.add_argument(
        "--pairs", nargs="+", default=[], metavar="DIR",
        help="folders of recordings to learn from, in place of images: with truths for rolling,"
        " global_reset and dual_reversed_twin; dual_reversed needs pairs alone",
    )  # fmt: skip
    group.add_argument(
        "--samples", default="runs/samples", metavar="DIR",
        help="where samples are kept, and found again by other runs (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--workers", type=int, default=max(1, cpu_count() - 1), metavar="N",
        help="processes that make missing samples meanwhile (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--prepare-only", type=positive, metavar="N",
        help="make N samples of each level, and those to check with, and stop; this may be done"
        " by several processes at once",
    )  # fmt: skip


def _add_machine(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--device", choices=DEVICES, default="auto", help="default: %(default)s")
    group.add_argument("--threads", type=positive, help="default: every processor")
    group.add_argument("--quiet", action="store_true", help="only warnings and errors on stderr")


@contextmanager
def _shown(args: argparse.Namespace, what: Path) -> Iterator[None]:
    """Show on a terminal how far the work is, by the first process of `torchrun`."""
    first = os.environ.get("RANK", "0") == "0"
    with (
        bar_of(1, args.quiet or not first) as show,
        listening_to(partial(show, what) if show else None),
    ):
        yield


def _prepare(
    args: argparse.Namespace,
    recipe: training_recipe.Recipe,
    levels: Sequence[str],
    collection: samples_collection.Collection,
) -> None:
    """Make the samples of a collection that are missing."""
    keys = samples_collection.keys_of(levels, args.prepare_only, recipe.training.held_out)
    there = len(collection.present(keys))
    LOG.info("%s: %d of %d samples are there", collection.folder, there, len(keys))
    workers = training_workers.Workers(collection, keys)
    workers.start(max(1, args.workers))
    try:
        with _shown(args, collection.folder), part("samples"):
            workers.wait(keys, LOG.info)
    finally:
        workers.stop()


if __name__ == "__main__":
    sys.exit(main_of("train", add_arguments, execute))
