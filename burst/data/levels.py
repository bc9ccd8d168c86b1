"""Noise levels of `pipelines/levels.toml`: ranges for training, points for measuring."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from pydantic import NonNegativeFloat

from burst.config import read_toml, search_path
from burst.records import NoiseModel
from burst.settings import ConfigError, build, did_you_mean


@dataclass(frozen=True)
class Conditions:
    """How a stack is taken.

    d_over_r0   strength of the turbulence: aperture over Fried parameter
    electrons   at white
    read_noise  electrons rms
    vibration   pixels rms per axis
    row_noise   electrons rms
    """

    d_over_r0: float
    electrons: float
    read_noise: float
    vibration: float
    row_noise: float

    @property
    def noise(self) -> NoiseModel:
        """The noise of a linear frame, without that of rows."""
        return NoiseModel(1 / self.electrons, (self.read_noise / self.electrons) ** 2)


@dataclass(frozen=True)
class Quantity:
    """One quantity of a level: the range for training and the point for measuring."""

    range: tuple[NonNegativeFloat, NonNegativeFloat]
    point: NonNegativeFloat


@dataclass(frozen=True)
class NoiseLevel:
    """Ranges and points of the quantities of `Conditions` at one noise level."""

    d_over_r0: Quantity
    electrons: Quantity
    read_noise: Quantity
    vibration: Quantity
    row_noise: Quantity

    def point(self) -> Conditions:
        """Return the conditions at which this level is measured."""
        return Conditions(**{f.name: getattr(self, f.name).point for f in fields(self)})

    def draw(self, generator: torch.Generator) -> Conditions:
        """Draw conditions for training: electrons log-uniform, the rest uniform."""
        share = torch.rand(len(fields(self)), generator=generator).tolist()
        drawn: dict[str, float] = {}
        for u, f in zip(share, fields(self), strict=True):
            low, high = getattr(self, f.name).range
            drawn[f.name] = low + u * (high - low)
            if f.name == "electrons":
                drawn[f.name] = low * math.exp(u * math.log(high / low))
        return Conditions(**drawn)


def levels_file() -> Path:
    """Return the file of the levels; ConfigError if there is none."""
    for folder in search_path("pipelines"):
        if (folder / "levels.toml").is_file():
            return folder / "levels.toml"
    raise ConfigError("pipelines/levels.toml: expected it in the pipelines folder, found none.")


@lru_cache(maxsize=1)
def read_levels() -> dict[str, NoiseLevel]:
    """Return all levels by name, mildest first."""
    path = levels_file()
    return {
        name: build(NoiseLevel, _table(name, table), f"{path} [{name}]")
        for name, table in read_toml(path).items()
    }


def find_level(name: str) -> NoiseLevel:
    """Return a level by name; ConfigError with the known names."""
    levels = read_levels()
    if name not in levels:
        raise ConfigError(
            f"--level {name}: expected one of {', '.join(levels)}.{did_you_mean(name, levels)}"
        )
    return levels[name]


def _table(name: str, table: Any) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise ConfigError(f"pipelines/levels.toml: expected a table for '{name}', found {table!r}.")
    return table
