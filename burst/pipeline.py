"""Load a pipeline file, check that its stages fit together, run and time them."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

import tomli_w

import burst.stages
from burst.config import (
    ConfigError,
    PipelineText,
    build,
    did_you_mean,
    find_pipeline,
    override,
    read_pipeline,
)
from burst.progress import part
from burst.records import Burst, Stack

# About the seconds of each stage for 100 frames of 271 x 271 px on one processor; a stage that is
# not named counts as 1. Only the bar and its time left depend on them.
USUAL_SECONDS = {"screen": 3.5, "align": 9.0, "fuse": 4.5, "unroll": 3.0}


class Stage(Protocol):
    """A module of `burst.stages`: what it needs and gives, its settings, and its one function."""

    NEEDS: tuple[str, ...]
    GIVES: tuple[str, ...]
    Config: type[Any]

    def run(self, burst: Burst, config: Any) -> Burst:
        """Return a burst that knows what `GIVES` names."""
        ...


@dataclass(frozen=True)
class Step:
    """One stage of a pipeline with its settings."""

    name: str
    stage: Stage
    config: Any

    def files(self) -> list[Path]:
        """Return what the stage reads besides the stack, if it has a function `files` that says."""
        files = getattr(self.stage, "files", None)
        return files(self.config) if files else []

    def memory(self, stack: Stack) -> int:
        """Return how many bytes what the stage makes takes beside the stack, if it has a function
        `memory` that says."""
        memory = getattr(self.stage, "memory", None)
        return memory(stack, self.config) if memory else 0


@dataclass(frozen=True)
class Pipeline:
    """Steps that fit together: every step's NEEDS are given by the steps before it."""

    title: str
    steps: tuple[Step, ...]

    @property
    def colour(self) -> bool:
        """Whether a stage takes the colours of a stack, and says so by `COLOUR = True`."""
        return any(getattr(step.stage, "COLOUR", False) for step in self.steps)

    def before(self, name: str) -> Pipeline:
        """Return the steps that come before the named one."""
        return replace(self, steps=self.steps[: self._index(name)])

    def until(self, name: str) -> Pipeline:
        """Return the steps up to and including the named one."""
        return replace(self, steps=self.steps[: self._index(name) + 1])

    def run(self, burst: Burst, watch: Callable[[Step, Burst], None] | None = None) -> Burst:
        """Run all steps, timing each; `watch` is told of every step that is done."""
        for step, (begin, end) in zip(self.steps, self._shares(), strict=True):
            with part(step.name, begin, end):
                burst = run_step(step, burst)
            if watch:
                watch(step, burst)
        return burst

    def _shares(self) -> list[tuple[float, float]]:
        """Return where each step begins and ends, as shares of the usual time of all."""
        seconds = [USUAL_SECONDS.get(step.name, 1.0) for step in self.steps]
        ends = [sum(seconds[: i + 1]) / sum(seconds) for i in range(len(seconds))]
        return list(zip([0.0, *ends], ends, strict=False))

    def to_toml(self) -> str:
        """Write all settings, defaults included: loading the text gives the same pipeline."""
        table: dict[str, Any] = {"title": self.title, "stages": [s.name for s in self.steps]}
        table.update({s.name: asdict(s.config) for s in self.steps if asdict(s.config)})
        return tomli_w.dumps(table)

    def _index(self, name: str) -> int:
        names = [step.name for step in self.steps]
        if name not in names:
            raise ConfigError(f"'{name}': no such stage in {names}.{did_you_mean(name, names)}")
        return names.index(name)


def load(name: str, assignments: Sequence[str] = ()) -> Pipeline:
    """Load a pipeline by name or path, with `stage.key=value` overrides; ConfigError if unfit."""
    text = override(read_pipeline(find_pipeline(name)), assignments)
    # All names first: a wrong one is told before any stage is imported.
    for stage_name in text.stages:
        _check_exists(stage_name, text)
    steps = []
    known = {"stack"}
    for stage_name in text.stages:
        stage = cast(Stage, importlib.import_module(f"burst.stages.{stage_name}"))
        _check_needs(stage_name, stage, known, text.where)
        known.update(stage.GIVES)
        table = text.settings.get(stage_name, {})
        config = build(stage.Config, table, f"{text.where} [{stage_name}]")
        steps.append(Step(stage_name, stage, config))
    return Pipeline(text.title, tuple(steps))


def run_step(step: Step, burst: Burst) -> Burst:
    """Run one step: open its entry in the report, run it, record its seconds."""
    started = time.perf_counter()
    burst = replace(burst, report=burst.report.begin(step.name, asdict(step.config)))
    burst = step.stage.run(burst, step.config)
    return replace(burst, report=burst.report.end(time.perf_counter() - started))


def _check_exists(name: str, text: PipelineText) -> None:
    if name.isidentifier() and importlib.util.find_spec(f"burst.stages.{name}") is not None:
        return
    known = [module.name for module in pkgutil.iter_modules(burst.stages.__path__)]
    raise ConfigError(
        f"{text.where}: no stage '{name}'. Expected a file burst/stages/{name}.py."
        f"{did_you_mean(name, known)} Known are {', '.join(known)}."
    )


def _check_needs(name: str, stage: Stage, known: set[str], where: str) -> None:
    for need in stage.NEEDS:
        if need not in known:
            raise ConfigError(f"{where}: '{name}' needs '{need}', which no earlier stage gives.")
