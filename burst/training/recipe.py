"""Recipes of training: network, preparation, samples, steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from burst.config import PipelineText, find_settings, merge, override, read_toml
from burst.data.levels import read_levels
from burst.data.samples.collection import SampleSettings
from burst.data.samples.handheld import HandheldSampleSettings
from burst.data.samples.rolling import ShutterSampleSettings
from burst.data.samples.turbulence import StackSampleSettings
from burst.models.spec import RestorerSpec
from burst.network.preparation import Preparation, evidence_of, scalars_of
from burst.settings import ConfigError, build, did_you_mean

FOLDER = "pipelines/training"
TABLES = ("network", "preparation", "samples", "training")
ALL_LEVELS = "all"
FINE = "finetune"
# px at each side of a sample, where frames do not overlap: neither learnt nor scored
BORDER = 8
# Image and velocity, where pairs are learnt from without a truth; or colours of a photograph.
MORE_CHANNELS = 3

Share = Annotated[float, Field(ge=0, lt=1)]
Loss = Literal["absolute", "squared", "decibels", "likelihood"]


@dataclass(frozen=True)
class Training:
    """How a network is trained.

    steps, seconds  the budget: so many steps, or so many seconds where that is above 0
    samples         of each noise level, to train on; `held_out` more are only checked with
    batch, crop     crops in a step (of each process), and their side in px
    rate            the learning rate's peak; `warm_up` is the share of the budget that leads to it
    decay, clip     of weights; of the gradient's norm
    average         decay of the running average of the weights
    loss            absolute, which learns faster; squared, as PSNR counts errors, for the end;
                    decibels, where images differ widely in difficulty; likelihood, which leaves
                    the parent's image as it is and learns how far it is off
    prior           weight of the error of a student's prior against its teacher's
    bfloat16        compute in 16 bits, as on a GPU in any case; where a processor has AMX, a step
                    takes three quarters of the time
    check_every     steps between two looks at the samples held out
    jitter          std of what is added to the scalars of a crop, which are of the order of 1: few
                    samples could be told apart by their scalars, and be learnt by heart
    each            where several noise levels are trained, the share of the budget that each of
                    them then gets to go on by itself
    """

    steps: PositiveInt = 8000
    seconds: NonNegativeFloat = 0.0
    samples: PositiveInt = 500
    held_out: PositiveInt = 6
    batch: PositiveInt = 8
    crop: Annotated[int, Field(ge=16)] = 96
    rate: PositiveFloat = 1e-3
    warm_up: Share = 0.02
    decay: NonNegativeFloat = 1e-4
    clip: PositiveFloat = 1.0
    average: Share = 0.999
    loss: Loss = "absolute"
    prior: NonNegativeFloat = 0.1
    bfloat16: bool = False
    check_every: PositiveInt = 1000
    jitter: NonNegativeFloat = 0.0
    each: Share = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Recipe:
    """A recipe with all its settings; without a network of its own it trains its parent's."""

    name: str
    title: str
    network: RestorerSpec | None
    preparation: Preparation
    samples: SampleSettings
    training: Training

    def tables(self) -> dict[str, Any]:
        """Return all settings, defaults included, as they stand in a file."""
        tables = {name: getattr(self, name) for name in TABLES}
        return {"title": self.title, **{k: asdict(part) for k, part in tables.items() if part}}


def load_recipe(
    name: str, assignments: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> Recipe:
    """Load a recipe by name or path, with overrides; ConfigError if unfit.

    Overrides are texts `table.key=value`, or `settings` {"table": {"key": value}}.
    """
    path = find_settings("recipe", name, FOLDER)
    tables = read_toml(path)
    title = tables.pop("title", path.stem)
    for key in tables:
        if key not in TABLES:
            raise ConfigError(
                f"{path}: unknown table '{key}'. Expected {', '.join(TABLES)}."
                f"{did_you_mean(key, TABLES)}"
            )
    text = override(PipelineText(str(path), str(title), TABLES, tables), assignments)
    tables = dict(merge(text, settings or {}).settings)
    taken = tables.get("samples", {})
    kinds: dict[str, type[SampleSettings]] = {
        "turbulence": StackSampleSettings,
        "handheld": HandheldSampleSettings,
    }
    kind = kinds.get(taken.get("kind", "turbulence"), ShutterSampleSettings)
    samples = build(kind, taken, f"{path} [samples]")
    preparation = _preparation(samples, tables.get("preparation", {}), f"{path} [preparation]")
    recipe = Recipe(
        path.stem,
        str(title),
        _network(tables, preparation, f"{path} [network]"),
        preparation,
        samples,
        build(Training, tables.get("training", {}), f"{path} [training]"),
    )
    return _checked(recipe, str(path))


def choose_levels(names: Sequence[str]) -> tuple[str, ...]:
    """Return the noise levels that `--noise-level` means; ConfigError lists those there are."""
    levels = tuple(read_levels())
    for name in names:
        if name not in (*levels, ALL_LEVELS):
            raise ConfigError(
                f"--noise-level {name}: expected {ALL_LEVELS} or some of {', '.join(levels)}."
                f"{did_you_mean(name, levels)}"
            )
    return tuple(level for level in levels if ALL_LEVELS in names or level in names)


def of_one_level(recipe: Recipe) -> Recipe:
    """Return the recipe that trains the network of several noise levels further on one of them."""
    fine, whole = load_recipe(FINE), recipe.training
    training = replace(
        whole,
        steps=math.ceil(whole.each * whole.steps),
        seconds=whole.each * whole.seconds,
        rate=fine.training.rate,
        loss=fine.training.loss,
        each=0.0,
    )
    return replace(fine, preparation=recipe.preparation, samples=recipe.samples, training=training)


def with_pairs(recipe: Recipe) -> tuple[Recipe, tuple[str, ...]]:
    """Return a recipe that learns from recordings, and what stands for their noise level, which
    nobody knows; ConfigError where it is not of a shutter."""
    if not isinstance(recipe.samples, ShutterSampleSettings):
        raise ConfigError(
            f"--pairs: expected a recipe of a shutter, found '{recipe.name}'. Pass --recipe"
            " rolling, global_reset, dual_reversed or dual_reversed_twin."
        )
    return replace(recipe, samples=replace(recipe.samples, recorded=True)), ("recorded",)


def with_parent(recipe: Recipe, spec: RestorerSpec, preparation: Preparation) -> Recipe:
    """Return a recipe that goes on with its parent's network, where it has none of its own.

    ConfigError where network or preparation do not fit those of the parent; a deeper network does.
    """
    network = recipe.network
    if recipe.training.loss == "likelihood":
        spec = replace(spec, deviation=True)
    if network is None:
        return replace(recipe, network=spec, preparation=preparation)
    fits = replace(network, teacher=spec.teacher).extends(spec)
    if recipe.preparation != preparation or not fits:
        raise ConfigError(
            f"--parent: expected the network and preparation of recipe '{recipe.name}', or one less"
            f" deep, found {spec} from {preparation}. Train the parent with the same settings."
        )
    return recipe


def _preparation(settings: SampleSettings, table: Mapping[str, Any], where: str) -> Preparation:
    """Return the planes and scalars that are taken, by default all of the samples' kind."""
    kind = settings.kind
    known = {"evidence": evidence_of(kind), "scalars": scalars_of(kind)}
    return build(Preparation, {**known, **table, "kind": kind}, where)


def _network(
    tables: Mapping[str, Mapping[str, Any]], preparation: Preparation, where: str
) -> RestorerSpec | None:
    if "network" not in tables:
        return None
    inputs = {"evidence": len(preparation.evidence), "scalars": len(preparation.scalars)}
    return build(RestorerSpec, {**tables["network"], **inputs}, where)


def _checked(recipe: Recipe, where: str) -> Recipe:
    size, crop = recipe.samples.size, recipe.training.crop
    if recipe.training.loss in ("squared", "decibels") and not recipe.samples.truth:
        raise ConfigError(
            f"{where} [training] loss: expected absolute with samples.truth = false, found"
            f" {recipe.training.loss}, which asks for a truth."
        )
    if recipe.training.loss == "likelihood" and (recipe.network or not recipe.samples.truth):
        raise ConfigError(
            f"{where} [training] loss: expected absolute, squared or decibels in a recipe with a"
            " network of its own or without truths, found likelihood, which learns how far a"
            " parent's image is off."
        )
    of_one = recipe.samples.truth and recipe.samples.kind != "handheld"
    wanted = 1 if of_one else MORE_CHANNELS
    if recipe.network and recipe.network.channels != wanted:
        raise ConfigError(
            f"{where} [network] channels: expected {wanted} with samples.kind ="
            f" {recipe.samples.kind} and truth = {str(recipe.samples.truth).lower()},"
            f" found {recipe.network.channels}."
        )
    if crop > size - 2 * BORDER:
        raise ConfigError(
            f"{where} [training] crop: expected at most {size - 2 * BORDER}, the size of the"
            f" samples less a border of {BORDER} px on each side, found {crop}."
        )
    return recipe
