"""Train a network and load one: `train`, `load_network`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from burst.api.words import check_device, in_words_of_python
from burst.data.samples import collection
from burst.lazy import torch
from burst.log import LOG
from burst.machine import as_before, cpu_count, drawing_device, resolve_device, set_up
from burst.network import checkpoint
from burst.network.checkpoint import Loaded
from burst.training import order as training_order
from burst.training import recipe as training_recipe


def train(
    out: str | Path,
    recipe: str = "student",
    *,
    levels: str | Sequence[str] = "all",
    images: Sequence[str | Path] = (),
    pairs: Sequence[str | Path] = (),
    parent: str | Path | None = None,
    samples_in: str | Path = "runs/samples",
    resume: bool = False,
    workers: int | None = None,
    device: str = "auto",
    threads: int | None = None,
    **settings: Any,
) -> list[Path]:
    """Train a network on simulated stacks, or on recordings; return the files of networks.

    out         the folder of the run
    recipe      a name of docs/training.md, or the path of a TOML file
    levels      "all", or some of low, medium, high, very-high
    images      folders of images to simulate from; those of scikit-image if there is none
    pairs       folders of recordings of a shutter, in place of images; with truths, unless the
                recipe is dual_reversed
    parent      a run or a checkpoint to go on from
    samples_in  the folder where samples are kept, and found again by other runs
    resume      go on with the run in `out` where it was cut
    workers     processes that make samples meanwhile: all processors but one if None; with 0 all
                samples are made first, by this process, as scripts without a main guard need it
    settings    of the recipe by their tables: training={"steps": 500}

    ConfigError, SamplesError or TrainingError say what is wrong. What `burst train` does.

    >>> import burst
    >>> burst.train("runs/mine", "studnet")
    Traceback (most recent call last):
    burst.settings.ConfigError: ... Did you mean 'student'?
    """
    with in_words_of_python(), as_before():
        wanted = training_recipe.load_recipe(str(recipe), (), settings)
        chosen = training_recipe.choose_levels([levels] if isinstance(levels, str) else levels)
        if pairs:
            wanted, chosen = training_recipe.with_pairs(wanted)
        set_up(threads or torch.get_num_threads())
        folders, there = [str(folder) for folder in pairs or images], resolve_device(device)
        order = training_order.Order(
            recipe=wanted,
            levels=chosen,
            collection=collection.open_collection(
                Path(samples_in), wanted.samples, folders, drawing_device(there)
            ),
            images=tuple(folders),
            folder=Path(out),
            parent=None if parent is None else str(parent),
            resume=resume,
            device=there,
            workers=max(1, cpu_count() - 1) if workers is None else workers,
        )
        if workers == 0:
            keys = collection.keys_of(chosen, wanted.training.samples, wanted.training.held_out)
            for _ in order.collection.fill(keys):
                LOG.info("a sample is made")
        return training_order.carry_out(order, LOG.info)


def load_network(name: str | Path, device: str = "cpu") -> Loaded:
    """Load a trained network by name or path: `model`, `card` and the digest of its file.

    The card says on what it was trained, and for which stacks.

    >>> import burst
    >>> network = burst.load_network("turbulence-medium")
    >>> network.card.preparation.kind
    'turbulence'
    """
    with in_words_of_python():
        check_device(device)
        return checkpoint.load(checkpoint.find(str(name)), resolve_device(device))
