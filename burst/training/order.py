"""Carry out a training command: make trainers from it and run them."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tomli_w
import torch
from torch import nn

from burst.data.samples.collection import Collection, keys_of
from burst.data.samples.mix import Mix
from burst.data.samples.turbulence import Sample, StackSampleSettings, stages_before_network
from burst.models.restorer import Restorer, add_blocks
from burst.models.spec import RestorerSpec
from burst.network.card import Card, LevelRange
from burst.network.checkpoint import Loaded, load
from burst.network.preparation import Preparation, scalars_of
from burst.progress import part
from burst.settings import ConfigError
from burst.training.batches import Pool
from burst.training.loop import Trainer
from burst.training.pairs import MARGIN, PairPool
from burst.training.ranks import Ranks, joined
from burst.training.recipe import Recipe, of_one_level, with_parent
from burst.training.run import NETWORK, Run, State, network_of
from burst.training.workers import Workers

# Quantiles of the samples' levels that bound a network's range, so that rare wrong measurements do
# not widen it.
LOWEST, HIGHEST = 0.01, 0.99
LEAST_CONTRAST = 0.02  # std, encoded


@dataclass(frozen=True)
class Order:
    """A requested run; `images` are folders of scenes, `parent` is a run or a checkpoint."""

    recipe: Recipe
    levels: tuple[str, ...]
    collection: Collection
    images: tuple[str, ...]
    folder: Path
    parent: str | None = None
    resume: bool = False
    device: str = "cpu"
    workers: int = 1

    def settings(self) -> str:
        """Return the settings of the run as TOML."""
        table = {**self.recipe.tables(), "levels": self.levels, "images": self.images}
        return tomli_w.dumps({**table, "parent": self.parent or ""})


def carry_out(order: Order, log: Callable[[str], None]) -> list[Path]:
    """Train as requested and return the files of the networks.

    ConfigError, CheckpointError or TrainingError where that is not possible.
    """
    orders = (order, *each_level(order))
    budgets = [one.recipe.training.seconds or one.recipe.training.steps for one in orders]
    ends = [sum(budgets[: i + 1]) / sum(budgets) for i in range(len(budgets))]
    networks = []
    with joined(order.device) as ranks:
        for one, begin, end in zip(orders, [0.0, *ends], ends, strict=False):
            with part("training" if len(one.levels) > 1 else one.levels[0], begin, end):
                networks.append(_train(one, ranks, log))
    return networks


def each_level(order: Order) -> list[Order]:
    """Return the runs after a run on several noise levels: one more run for each level, in a folder
    within the first run's. There are none if the recipe gives them no share of its budget."""
    if len(order.levels) == 1 or not order.recipe.training.each:
        return []
    recipe, parent = of_one_level(order.recipe), str(order.folder)
    return [
        replace(order, recipe=recipe, levels=(level,), folder=order.folder / level, parent=parent)
        for level in order.levels
    ]


def _train(order: Order, ranks: Ranks, log: Callable[[str], None]) -> Path:
    parent = load(network_of(order.parent), "cpu") if order.parent else None
    order = replace(order, recipe=_complete(order.recipe, parent))
    if ranks.first:
        log(f"{order.folder}: recipe {order.recipe.name}, {', '.join(order.levels)}")
    trainer = _trainer(order, parent, ranks, log)
    try:
        trainer.train()
    finally:
        trainer.workers.stop()
    return order.folder / NETWORK


def _complete(recipe: Recipe, parent: Loaded | None) -> Recipe:
    if parent:
        return with_parent(recipe, parent.card.spec, parent.card.preparation)
    if recipe.network is None:
        raise ConfigError(
            f"--recipe {recipe.name}: expected a network to go on from. Pass --parent with a run"
            " or a checkpoint."
        )
    return recipe


def _trainer(
    order: Order, parent: Loaded | None, ranks: Ranks, log: Callable[[str], None]
) -> Trainer:
    settings, network = order.recipe.training, order.recipe.network
    assert network is not None
    run = Run(order.folder, partial(make_card, order, ranks, parent.card if parent else None))
    if ranks.first:
        run.begin(order.settings(), order.resume)
    ranks.wait_for_all()
    state = run.latest()
    keys = keys_of(order.levels, settings.samples, settings.held_out)
    workers = Workers(order.collection, keys)
    if ranks.first:
        workers.start(order.workers)
    of_pairs = not order.recipe.samples.truth
    pool, held_out = (
        (PairPool if of_pairs else Pool)(
            order.collection,
            [key for key in keys if key.held_out == held_out],
            order.recipe.preparation,
            ranks.device,
        )
        for held_out in (False, True)
    )
    model = make_network(network, settings.seed, parent).to(ranks.device)
    taught = parent is not None and (of_pairs or parent.card.spec.teacher)
    teacher = parent.model.to(ranks.device) if parent and taught else None
    if isinstance(pool, PairPool) and teacher:
        pool.margin = MARGIN
    trainer = Trainer(model, teacher, settings, pool, held_out, workers, run, ranks, log)
    if parent and not parent.card.spec.teacher:
        trainer.parent = parent.model.to(ranks.device)
    if state:
        trainer.restore(state)
        log(f"{order.folder}: goes on after step {state.step}")
    return trainer


def make_network(spec: RestorerSpec, seed: int, parent: Loaded | None) -> Restorer:
    """Return a network to train: new, its parent's, or with a teacher's backbone.

    Blocks that the parent has not got add nothing at first.
    """
    # Weights are drawn from torch's own generator, whatever module draws them.
    torch.manual_seed(seed)
    model = Restorer(spec)
    if parent:
        same = parent.card.spec.teacher == spec.teacher
        taken: nn.Module = model if same else model.backbone
        given: nn.Module = parent.model if same else parent.model.backbone
        taken.load_state_dict(add_blocks(given.state_dict(), taken.state_dict()))
    return model


def make_card(
    order: Order,
    ranks: Ranks,
    parent: Card | None,
    state: State,
    samples: Sequence[Sample],
) -> Card:
    """Return the card of an order's network after a state, trained on samples."""
    recipe = order.recipe
    assert recipe.network is not None
    t = recipe.training
    # In samples without contrast no displacement is measured.
    seen = [sample for sample in samples if float(sample.base.std()) > LEAST_CONTRAST] or samples
    noise = _range([sample.level.noise for sample in seen])
    mixed = isinstance(recipe.samples, StackSampleSettings) and recipe.samples.mix != Mix()
    if parent and mixed:
        # A file's history takes noise away; the camera's is what the network is chosen by.
        noise = parent.level.noise
    scenes = zip(order.images or ("scikit-image",), order.collection.scenes, strict=True)
    made: dict[str, Any] = {
        "recipe": recipe.name,
        "noise levels": list(order.levels),
        "steps": state.step,
        "seconds": round(state.seconds),
        "batch": t.batch * ranks.count,
        "crop": t.crop,
        "rate": t.rate,
        "loss": t.loss,
        "jitter": t.jitter,
        "seed": t.seed,
        "samples": len(samples),
        "frames": list(recipe.samples.frames),
        "data": [f"{Path(name).name} ({len(folder)} images)" for name, folder in scenes],
        "device": _device_name(ranks.device),
        # Sums of gradients on a GPU have no fixed order and round differently in every run.
        "repeats to the bit": not ranks.on_gpu,
    }
    if parent and t.loss == "likelihood":
        # The image is its parent's, and so is all that the card says of it.
        return replace(
            parent,
            name=order.folder.name,
            spec=recipe.network,
            training={**parent.training, "deviation": made},
        )
    if parent:
        made["runs before"] = lineage(parent)
        made |= {k: v for k, v in parent.training.items() if k == "deviation"}  # stays its head
    return Card(
        name=order.folder.name,
        spec=recipe.network,
        preparation=recipe.preparation,
        pipeline=stages_before_network(recipe.samples.pipeline).to_toml(),
        level=LevelRange(noise, _range([sample.level.displacement for sample in seen])),
        training=made,
        # PSNR is quoted to a hundredth of a dB.
        scores={k: {n: round(v, 2) for n, v in one.items()} for k, one in state.scores.items()},
        parent=parent.name if parent else None,
        priors=_by_score(recipe.network, state.scores),
        ranges=_ranges(recipe.preparation, samples),
    )


def _ranges(preparation: Preparation, samples: Sequence[Sample]) -> dict[str, tuple[float, float]]:
    """Return the range of each scalar that a network is given, in its samples."""
    known = scalars_of(preparation.kind)
    values = {name: [float(s.scalars[known.index(name)]) for s in samples] for name in known}
    return {name: _range(values[name]) for name in preparation.scalars}


def lineage(card: Card) -> list[str]:
    """Return the runs that led to a network in words, the first one first."""
    said = card.training
    words = [said.get("recipe", "unknown"), " and ".join(said.get("noise levels", ["unknown"]))]
    words += [f"{said[unit]} {unit}" for unit in ("samples", "steps", "seconds") if unit in said]
    if mixed := said.get("mean of weights with"):
        words.append(f"mean of weights with {' and '.join(mixed)}")
    return [*said.get("runs before", []), ", ".join(words)]


def _by_score(
    spec: RestorerSpec, scores: dict[str, dict[str, float]]
) -> tuple[Literal["truth", "encoder", "diffusion", "none"], ...]:
    """Return the sources of priors, the one with the best score first."""
    if spec.prior == "none":
        return ("none",)
    if spec.teacher:
        return ("truth",)
    better = sum(images["diffusion"] - images["encoder"] for images in scores.values())
    return ("diffusion", "encoder") if better > 0 else ("encoder", "diffusion")


def _range(values: list[float]) -> tuple[float, float]:
    low, high = torch.tensor(values).quantile(torch.tensor([LOWEST, HIGHEST])).tolist()
    return (low, high)


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"
