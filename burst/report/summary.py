"""The contents of `report.json`: plain JSON values, described by `schema.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from burst.records import Burst, Provenance, Stack
from burst.report.frames import by_frame
from burst.report.rolling import Instants, scores

SCHEMA_NAME = "burst-report-1"
SCHEMA_FILE = Path(__file__).with_name("schema.json")


def summarise(
    burst: Burst,
    provenance: Provenance,
    outputs: Sequence[str],
    instants: Instants | None = None,
    whole: Stack | None = None,
    colours: str | None = None,
) -> dict[str, Any]:
    """Return the report of a run as plain JSON values; a number that is not finite is null.

    Where `burst` is of one channel of a stack with colours, `stack` is the whole stack, and
    `channel` names the channel. `colours` is the space of the pictures, None of grey ones.
    """
    summary = {
        "schema": SCHEMA_NAME,
        **asdict(provenance),
        "stack": _stack(whole or burst.stack),
        "channel": burst.channel.name if burst.channel else None,
        "colours": colours,
        "measured": _measured(burst),
        "truth": scores(instants) if instants and instants.truths else None,
        "stages": [asdict(entry) for entry in burst.report.entries],
        "warnings": list(burst.report.warnings),
        "outputs": list(outputs),
    }
    return {key: plain(value) for key, value in summary.items()}


def plain(value: Any) -> Any:
    """Return `value` as plain JSON types; NaN and infinity become None."""
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, np.generic | np.ndarray) or hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _stack(stack: Stack) -> dict[str, Any]:
    return {
        "name": stack.name,
        "source": stack.source,
        "frames": stack.count,
        "height": stack.height,
        "width": stack.width,
        # With the black level of every site as a list.
        "sensor": {**asdict(stack.sensor), "black_level": list(stack.sensor.black_levels)},
    }


def _measured(burst: Burst) -> dict[str, Any]:
    return {
        "noise": asdict(burst.noise) if burst.noise else None,
        "level": asdict(burst.level) if burst.level else None,
        "weights": _weights(burst),
    }


def _weights(burst: Burst) -> list[float] | None:
    """Return the weight of every frame of the stack, 0 for those that were left out."""
    if burst.weights is None:
        return None
    weights: list[float] = by_frame(burst, np.asarray(burst.weights.tolist()), 0.0).tolist()
    return weights
