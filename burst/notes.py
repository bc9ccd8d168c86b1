"""The report of a run, stage by stage, and the provenance of an image.

Stages write the report, and `burst.report` draws it. No computation reads it: values of one stage
that other parts need are fields of `Burst`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Entry:
    """The report of one stage: name, seconds, settings, numbers and warnings."""

    stage: str
    seconds: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """One entry per stage that ran, in order; a stage notes numbers and warnings in the last."""

    entries: tuple[Entry, ...] = ()

    def begin(self, stage: str, settings: Mapping[str, Any]) -> Report:
        """Append an entry for a stage that is about to run."""
        return Report((*self.entries, Entry(stage, settings=settings)))

    def note(self, **numbers: Any) -> Report:
        """Add numbers (plain JSON values) to the running stage's entry."""
        return self._with_last(numbers={**self._last.numbers, **numbers})

    def note_of(self, stage: str, **numbers: Any) -> Report:
        """Add numbers to the entry of a stage that has run."""
        return Report(
            tuple(
                replace(e, numbers={**e.numbers, **numbers}) if e.stage == stage else e
                for e in self.entries
            )
        )

    def warn(self, message: str) -> Report:
        """Add a warning in plain words to the running stage's entry."""
        return self._with_last(warnings=(*self._last.warnings, message))

    def end(self, seconds: float) -> Report:
        """Record how long the running stage took."""
        return self._with_last(seconds=seconds)

    def numbers(self, stage: str) -> Mapping[str, Any]:
        """Return the numbers of a stage; empty if it did not run."""
        return self.entry(stage).numbers

    def entry(self, stage: str) -> Entry:
        """Return the entry of a stage; an empty one if it did not run."""
        return next((entry for entry in self.entries if entry.stage == stage), Entry(stage))

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings, each with the stage that gave it."""
        return tuple(f"{e.stage}: {text}" for e in self.entries for text in e.warnings)

    @property
    def _last(self) -> Entry:
        return self.entries[-1] if self.entries else Entry("stack")

    def _with_last(self, **changes: Any) -> Report:
        return Report((*self.entries[:-1], replace(self._last, **changes)))


@dataclass(frozen=True)
class Provenance:
    """How an image was made; written into it and into the report. `pipeline` is resolved TOML text.

    `fingerprint` changes with everything that may change the image: stack, settings, seed, code.
    """

    version: str
    source: str
    pipeline: str
    seed: int
    threads: int
    device: str
    checkpoint: str | None = None
    checkpoint_sha256: str | None = None
    fingerprint: str = ""
