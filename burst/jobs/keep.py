"""Keep what each stage gave, and start again from what is still valid.

A kept stage is `stages/<name>.npz`: every field of the burst that the stage changed, its entry in
the report, and a key that covers the measurement, the code, the seed and all settings up to there.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from burst.files.write import write_npz
from burst.pipeline import Pipeline, Step
from burst.records import FIELDS, Burst, Entry, Level, NoiseModel, Report, Stack, Views

LOG = logging.getLogger("burst")
META = "meta"
RECORDS: dict[str, type[Any]] = {"noise": NoiseModel, "level": Level}


@dataclass(frozen=True)
class Keeper:
    """Where the stages of one stack are kept, and the key of each."""

    folder: Path
    keys: Mapping[str, str]

    def save(self, step: Step, before: Burst, after: Burst) -> Path:
        """Write atomically what one step changed; returns the file."""
        arrays: dict[str, np.ndarray] = {}
        records: dict[str, Any] = {}
        for name in FIELDS:
            value = getattr(after, name)
            if value is None or value is getattr(before, name):
                continue
            if name in RECORDS:
                records[name] = asdict(value)
            elif isinstance(value, Views):
                for part in fields(Views):
                    arrays[f"{name}.{part.name}"] = getattr(value, part.name).cpu().numpy()
            else:
                arrays[name] = value.detach().cpu().numpy()
        entry = asdict(after.report.entries[-1])
        meta = json.dumps({"key": self.keys[step.name], "entry": entry, "records": records})
        path = self._path(step.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_npz(path, {**arrays, META: np.array(meta)})
        return path

    def restart(self, pipeline: Pipeline, stack: Stack, device: str) -> tuple[Burst, int]:
        """Return the burst after the kept steps that are still valid, and how many those are."""
        known: dict[str, Any] = {}
        entries: list[Entry] = []
        for step in pipeline.steps:
            kept = self._load(step.name, device)
            if kept is None:
                break
            known.update(kept.fields)
            entries.append(kept.entry)
        return Burst(stack, device, **known, report=Report(tuple(entries))), len(entries)

    def _path(self, stage: str) -> Path:
        return self.folder / f"{stage}.npz"

    def _load(self, stage: str, device: str) -> _Kept | None:
        path = self._path(stage)
        if not path.is_file():
            return None
        try:
            kept = _read(path, device)
        except Exception as error:
            # Whatever a damaged file raises, the remedy is the same: compute the stage again.
            LOG.warning("%s: expected a kept stage, found %s. It is computed again.", path, error)
            return None
        if kept.key != self.keys[stage]:
            LOG.info("%s: made from other settings, seed or data; it is computed again.", path)
            return None
        return kept


@dataclass(frozen=True)
class _Kept:
    key: str
    entry: Entry
    fields: dict[str, Any]


def step_keys(pipeline: Pipeline, stack: Stack, seed: int) -> dict[str, str]:
    """Return a key per step that covers measurement, code, seed and all steps so far.

    What a stage reads besides the stack belongs to its step; CheckpointError where it is missing.
    """
    key = _digest(stack_digest(stack), code_digest(), str(seed))
    keys = {}
    for step in pipeline.steps:
        settings = json.dumps(asdict(step.config), sort_keys=True)
        read = [*step.source, *step.files()]
        key = _digest(key, step.name, settings, *map(_file_digest, read))
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
    package = Path(__file__).parents[1]
    sources = sorted(package.rglob("*.py"))
    return _digest(*(f"{path.relative_to(package)}\n{path.read_text('utf-8')}" for path in sources))


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _read(path: Path, device: str) -> _Kept:
    import torch

    with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
        meta = json.loads(str(kept[META]))
        known: dict[str, Any] = {
            name: torch.from_numpy(kept[name]).to(device) for name in kept.files if name != META
        }
    views = {name: known.pop(name) for name in list(known) if name.startswith("views.")}
    if views:
        known["views"] = Views(**{name.partition(".")[2]: value for name, value in views.items()})
    known.update({name: RECORDS[name](**value) for name, value in meta["records"].items()})
    entry = meta["entry"]
    warnings: Sequence[str] = entry.pop("warnings")
    return _Kept(meta["key"], Entry(**entry, warnings=tuple(warnings)), known)
