"""Digests that identify the stack, settings and code of a result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import numpy as np

from burst.files import digest
from burst.files.digest import digest_of, file_digest
from burst.mapped import each_frame
from burst.pipeline import Pipeline
from burst.records import Stack


def step_keys(pipeline: Pipeline, stack: Stack, seed: int) -> dict[str, str]:
    """Return a key per step that covers measurement, code, seed and all steps so far.

    What a stage reads besides the stack belongs to its step; CheckpointError where it is missing.
    """
    key = digest_of(stack_digest(stack), code_digest(), str(seed))
    keys = {}
    for step in pipeline.steps:
        settings = json.dumps(asdict(step.config), sort_keys=True)
        key = digest_of(key, step.name, settings, *map(file_digest, [*step.source, *step.files()]))
        keys[step.name] = key
    return keys


def stack_digest(stack: Stack) -> str:
    """Return the SHA-256 of a stack's frames, sensor, scan and gaps."""
    seen = hashlib.sha256(repr((stack.frames.shape, stack.sensor)).encode())
    seen.update(stack.scan.tobytes())
    for frame in each_frame(stack.frames):
        seen.update(np.ascontiguousarray(frame, np.uint16).tobytes())
    if stack.colour is not None:
        seen.update(np.ascontiguousarray(stack.colour).tobytes())
    if stack.measured is not None:
        seen.update(np.packbits(stack.measured).tobytes())
    return seen.hexdigest()


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return the SHA-256 of the package's source: a changed program makes kept stages stale."""
    package = Path(__file__).parent
    return digest.code_digest(package, digest.source_files(package))
