"""Digests by which it is told whether a result was made of the same stack, settings and code."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import numpy as np

from burst.pipeline import Pipeline
from burst.records import Stack


def step_keys(pipeline: Pipeline, stack: Stack, seed: int) -> dict[str, str]:
    """Return a key per step that covers measurement, code, seed and all steps so far.

    What a stage reads besides the stack belongs to its step; CheckpointError where it is missing.
    """
    key = _digest(stack_digest(stack), code_digest(), str(seed))
    keys = {}
    for step in pipeline.steps:
        settings = json.dumps(asdict(step.config), sort_keys=True)
        key = _digest(key, step.name, settings, *map(_file_digest, step.files()))
        keys[step.name] = key
    return keys


def stack_digest(stack: Stack) -> str:
    """Return the SHA-256 of all that a stage sees of a stack: frames, sensor, scan and gaps."""
    digest = hashlib.sha256(repr((stack.frames.shape, stack.sensor)).encode())
    digest.update(np.asarray(stack.scan).tobytes())
    for frame in stack.frames:
        digest.update(np.ascontiguousarray(frame).tobytes())
    if stack.colour is not None:
        digest.update(np.ascontiguousarray(stack.colour).tobytes())
    if stack.measured is not None:
        digest.update(np.packbits(stack.measured).tobytes())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return the SHA-256 of the package's source: a changed program makes kept stages stale."""
    package = Path(__file__).parent
    sources = sorted(package.rglob("*.py"))
    return _digest(*(f"{path.relative_to(package)}\n{path.read_text('utf-8')}" for path in sources))


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
