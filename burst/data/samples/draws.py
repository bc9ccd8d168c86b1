"""Random numbers of samples, each from the next number of a generator."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TypeVar

import torch

T = TypeVar("T")


def generator_of(*seed: object) -> torch.Generator:
    """Return a generator for a seed and whatever else it depends on, as a sample's name or a step,
    so that what is made again, or a run that is resumed, draws the same."""
    digest = hashlib.sha256(" ".join(map(str, seed)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))


def draw(generator: torch.Generator) -> float:
    """Return a number from 0 to 1."""
    return float(torch.rand((), generator=generator))


def between(bounds: tuple[float, float], generator: torch.Generator) -> float:
    """Return a number between two others."""
    return bounds[0] + draw(generator) * (bounds[1] - bounds[0])


def between_logs(bounds: tuple[float, float], generator: torch.Generator) -> float:
    """Return a number between two others above 0, whose logarithm is drawn evenly."""
    return bounds[0] * math.exp(draw(generator) * math.log(bounds[1] / bounds[0]))


def choose(count: int, generator: torch.Generator) -> int:
    """Return a whole number from 0 to `count` - 1."""
    return int(torch.randint(count, (), generator=generator))


def one_of(items: Sequence[T], generator: torch.Generator) -> T:
    """Return one of several."""
    return items[choose(len(items), generator)]
