"""Everything that `import burst` offers: read, restore, simulate, score, train."""

from __future__ import annotations

from burst.api.restoring import load_pipeline, pipelines, read, restore
from burst.api.simulating import plain_mean, score, simulate
from burst.api.training import load_network, train
from burst.files.write import WriteError
from burst.find_stage import Stage
from burst.network.checkpoint import CheckpointError, Loaded
from burst.pipeline import Pipeline, Step
from burst.records import (
    Burst,
    Entry,
    Level,
    NoiseModel,
    Provenance,
    Report,
    Sensor,
    Shutter,
    Stack,
    StackError,
)
from burst.result import Result
from burst.settings import ConfigError

__all__ = [
    "Burst", "CheckpointError", "ConfigError", "Entry", "Level", "Loaded", "NoiseModel", "Pipeline",
    "Provenance", "Report", "Result", "Sensor", "Shutter", "Stack", "StackError", "Stage", "Step",
    "WriteError", "load_network", "load_pipeline", "pipelines", "plain_mean", "read", "restore",
    "score", "simulate", "train",
]  # fmt: skip
