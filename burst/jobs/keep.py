"""Keep the results of each stage, and resume after the last one that is still valid.

A kept stage is `stages/<name>.npz`: every field of the burst that the stage changed (see
`burst.jobs.pack`), its entry in the report, and a key that covers the measurement, the code, the
seed and all settings up to there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from burst.files.write import write_npz
from burst.jobs.pack import pack, unpack
from burst.log import LOG
from burst.pipeline import Pipeline, Step
from burst.records import Burst, Entry, Report

META = "meta"


@dataclass(frozen=True)
class StageFiles:
    """The folder in which the stages of one stack are kept, and the key of each stage: they are
    read if `resume`, and written if `keep`."""

    folder: Path
    keys: Mapping[str, str]
    resume: bool = True
    keep: bool = True

    def save(self, step: Step, before: Burst, after: Burst) -> None:
        """Write the fields that one step changed, atomically."""
        if not self.keep:
            return
        changed = {
            field.name: getattr(after, field.name)
            for field in fields(after)
            if field.name != "report"
            and getattr(after, field.name) is not getattr(before, field.name)
        }
        packed, arrays = pack(changed)
        entry = asdict(after.report.entries[-1])
        meta = json.dumps({"key": self.keys[step.name], "entry": entry, "fields": packed})
        write_npz(self._path(step.name), {**arrays, META: np.array(meta)})

    def restart(self, pipeline: Pipeline, burst: Burst) -> tuple[Burst, int]:
        """Return a new burst after the kept steps that are still valid, and their number."""
        known: dict[str, Any] = {}
        entries: list[Entry] = []
        for step in pipeline.steps if self.resume else ():
            kept = self._load(step.name, burst.device)
            if kept is None:
                break
            entries.append(kept[0])
            known.update(kept[1])
        if entries:
            LOG.info("%s: goes on after %s", burst.stack.name, entries[-1].stage)
        return replace(burst, **known, report=Report(tuple(entries))), len(entries)

    def _path(self, stage: str) -> Path:
        return self.folder / f"{stage}.npz"

    def _load(self, stage: str, device: str) -> tuple[Entry, dict[str, Any]] | None:
        path = self._path(stage)
        if not path.is_file():
            return None
        try:
            key, entry, known = _read(path, device)
        except Exception as error:
            # A damaged file may raise anything; in every case the stage is computed again.
            LOG.warning("%s: expected a kept stage, found %s. It is computed again.", path, error)
            return None
        if key != self.keys[stage]:
            LOG.info("%s: made from other settings, seed or data; it is computed again.", path)
            return None
        return entry, known


def _read(path: Path, device: str) -> tuple[str, Entry, dict[str, Any]]:
    """Return the key of a kept stage, its entry in the report, and the fields that it changed."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
        meta = json.loads(str(kept[META]))
        arrays = {name: kept[name] for name in kept.files if name != META}
    entry = meta["entry"]
    warnings: Sequence[str] = entry.pop("warnings")
    known: dict[str, Any] = unpack(meta["fields"], arrays, device)
    return meta["key"], Entry(**entry, warnings=tuple(warnings)), known
