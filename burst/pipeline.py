"""Load a pipeline file, check that its stages fit together, run and time them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from burst.config import PipelineText, find_pipeline, merge, override, read_pipeline
from burst.find_stage import Stage, check_exists, checked_stage, find_stage, stages_that_give
from burst.progress import part
from burst.records import Burst, NotGivenError, Report, Stack, StackError
from burst.settings import ConfigError, build, did_you_mean

# About the seconds of each stage for 100 frames of 271 x 271 px on one processor; a stage that is
# not named counts as 1. Only the bar and its time left depend on them.
USUAL_SECONDS = {"screen": 3.5, "align": 9.0, "fuse": 4.5, "unroll": 3.0}


@dataclass(frozen=True)
class Step:
    """One stage of a pipeline with its settings; of one that is no part of burst, its source and
    the package that offers it, None for a file of one's own."""

    name: str
    stage: Stage
    config: Any
    source: tuple[Path, ...] = ()
    package: str | None = None

    @property
    def written(self) -> str:
        """The stage as a pipeline names it beside which a file of one's own lies."""
        own = self.source and not self.package
        return f"{self.source[0].name}:{self.name}" if own else self.name

    def files(self) -> list[Path]:
        """Return what the stage reads besides the stack, if it has a function `files` that says."""
        files = getattr(self.stage, "files", None)
        return files(self.config) if files else []

    def memory(self, stack: Stack) -> int:
        """Return the bytes of what the stage makes beside the stack, by its function `memory`."""
        memory = getattr(self.stage, "memory", None)
        return memory(stack, self.config) if memory else 0


@dataclass(frozen=True)
class Pipeline:
    """Steps that fit together: every step's NEEDS are given by the steps before it."""

    title: str
    steps: tuple[Step, ...]

    @property
    def takes_colours(self) -> bool:
        """Whether a stage takes the colours of a stack together, and says so by `COLOUR = True`."""
        return any(getattr(step.stage, "COLOUR", False) for step in self.steps)

    @property
    def takes_mosaics(self) -> bool:
        """Whether every stage takes a colour mosaic whole, and says so by `MOSAIC = True`."""
        return all(getattr(step.stage, "MOSAIC", False) for step in self.steps)

    @property
    def colour(self) -> bool:
        """Whether a result is in colour where the stack is: stages take the colours together, or
        find what holds for each of them (`SHARED = True`)."""
        shared = any(getattr(step.stage, "SHARED", False) for step in self.steps)
        return self.takes_colours or shared

    def own_files(self) -> dict[str, Path]:
        """Return the files of one's own stages by name, as `to_toml` names them."""
        return {s.source[0].name: s.source[0] for s in self.steps if s.source and not s.package}

    def before(self, name: str) -> Pipeline:
        """Return the steps that come before the named one."""
        return replace(self, steps=self.steps[: self._index(name)])

    def until(self, name: str) -> Pipeline:
        """Return the steps up to and including the named one."""
        return replace(self, steps=self.steps[: self._index(name) + 1])

    def with_settings(self, settings: Mapping[str, Any]) -> Pipeline:
        """Return the pipeline with some settings changed, {"stage": {"key": value}}."""
        said = {step.name: asdict(step.config) for step in self.steps}
        text = merge(PipelineText(self.title, self.title, tuple(said), said), settings)
        return replace(
            self,
            steps=tuple(
                replace(step, config=build(step.stage.Config, text.settings[step.name], step.name))
                for step in self.steps
            ),
        )

    def with_stage(
        self, name: str, stage: Stage, after: str | None = None, **settings: Any
    ) -> Pipeline:
        """Return the pipeline with a stage of one's own after the named one, or at the end.

        A stage is a module, or any object, that has `NEEDS`, `GIVES`, `Config` and `run`.
        ConfigError unless the steps fit together.
        """
        checked_stage(stage, name)
        step = Step(name, stage, build(stage.Config, settings, name))
        place = len(self.steps) if after is None else self._index(after) + 1
        steps = (*self.steps[:place], step, *self.steps[place:])
        known = {"stack"}
        for each in steps:
            _check_needs(each.name, each.stage, known, self.title)
            known.update(each.stage.GIVES)
        return replace(self, steps=steps)

    def run(
        self,
        burst: Burst,
        on_step: Callable[[Step, Burst], None] | None = None,
        led: Report | None = None,
    ) -> Burst:
        """Run all steps and time each; `on_step` is called after every step.

        A channel is `led` by the stack of all channels: what shared steps found is in the burst,
        and their entries are taken from that report.

        StackError for a colour mosaic, whose channels `burst.restore` takes one by one, unless all
        stages take it whole.
        """
        stack = burst.stack
        if stack.sensor.cfa != "mono" and not self.takes_mosaics:
            raise StackError(
                f"{stack.source or stack.name}: expected frames of one colour, found a mosaic of"
                f" {stack.sensor.cfa}. Pass it to burst.restore, which restores its four planes."
            )
        for step, (begin, end) in zip(self.steps, self._shares(), strict=True):
            with part(step.name, begin, end):
                burst = run_step(step, burst, led)
            if on_step:
                on_step(step, burst)
        return burst

    def _shares(self) -> list[tuple[float, float]]:
        """Return where each step begins and ends, as shares of the usual time of all."""
        seconds = [USUAL_SECONDS.get(step.name, 1.0) for step in self.steps]
        ends = [sum(seconds[: i + 1]) / sum(seconds) for i in range(len(seconds))]
        return list(zip([0.0, *ends], ends, strict=False))

    def to_toml(self) -> str:
        """Write all settings, defaults included: loading the text gives the same pipeline."""
        table: dict[str, Any] = {"title": self.title, "stages": [s.written for s in self.steps]}
        table.update({s.name: asdict(s.config) for s in self.steps if asdict(s.config)})
        return tomli_w.dumps(table)

    def _index(self, name: str) -> int:
        names = [step.name for step in self.steps]
        if name not in names:
            raise ConfigError(f"'{name}': no such stage in {names}.{did_you_mean(name, names)}")
        return names.index(name)


def load(
    name: str, assignments: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> Pipeline:
    """Load a pipeline by name or path, with overrides; ConfigError if unfit.

    Overrides are texts `stage.key=value`, or `settings` {"stage": {"key": value}}.
    """
    text = override(read_pipeline(find_pipeline(name)), assignments)
    text = merge(text, settings or {})
    # All names first, so that a wrong one is reported before any stage is imported.
    for stage_name in text.stages:
        check_exists(stage_name, text)
    steps = []
    known = {"stack"}
    for stage_name in text.stages:
        found = find_stage(stage_name, text)
        stage = found.stage
        _check_needs(stage_name, stage, known, text.where)
        known.update(stage.GIVES)
        table = text.settings.get(stage_name, {})
        where = f"{text.where} [{stage_name}]"
        config = build(stage.Config, table, where, text.typed.get(stage_name))
        steps.append(Step(stage_name, stage, config, found.files, found.package))
    return Pipeline(text.title, tuple(steps))


def run_step(step: Step, burst: Burst, led: Report | None = None) -> Burst:
    """Run one step: open its entry in the report, run it, record its seconds. Of a shared step of a
    channel that is `led` run its `follow` alone, if it has one.

    NotGivenError where the burst lacks what the stage reads; ConfigError where the stage does not
    give what its GIVES names.
    """
    lacking = [name for name in step.stage.NEEDS if getattr(burst, name) is None]
    if lacking:
        raise NotGivenError(
            f"'{step.name}' needs {', '.join(lacking)}, which no stage before it has given."
        )
    started, before = time.perf_counter(), 0.0
    report, run = burst.report.begin(step.name, asdict(step.config)), step.stage.run
    if led is not None and getattr(step.stage, "SHARED", False):
        entry = led.entry(step.name)
        report, before = Report((*burst.report.entries, entry)), entry.seconds
        run = getattr(step.stage, "follow", _as_it_is)
    burst = replace(burst, report=report)
    try:
        burst = run(burst, step.config)
    except NotGivenError as error:
        raise NotGivenError(f"'{step.name}' reads a field that its NEEDS does not name.") from error
    _check_given(step, burst)
    return replace(burst, report=burst.report.end(before + time.perf_counter() - started))


def _as_it_is(burst: Burst, config: object) -> Burst:
    """Return a burst that knows already what a stage finds."""
    return burst


def _check_given(step: Step, found: object) -> None:
    """Raise ConfigError unless a stage returned a burst that knows what its GIVES names."""
    if not isinstance(found, Burst):
        raise ConfigError(
            f"stage '{step.name}': expected run to return a Burst, found a {type(found).__name__}."
            " End it with: return replace(burst, ...)."
        )
    lacking = [name for name in step.stage.GIVES if getattr(found, name) is None]
    if lacking:
        raise ConfigError(
            f"stage '{step.name}': expected it to give {', '.join(lacking)}, as its GIVES says,"
            " found None. Name in MAY_GIVE what it gives for some stacks only."
        )


def _check_needs(name: str, stage: Stage, known: set[str], where: str) -> None:
    for need in stage.NEEDS:
        if need not in known:
            giving = [other for other in stages_that_give(need) if other != name]
            advice = f" Put {' or '.join(giving)} before it." if giving else ""
            raise ConfigError(
                f"{where}: '{name}' needs '{need}', which no earlier stage gives.{advice}"
            )
