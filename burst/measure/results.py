"""The raw numbers of a suite: one JSON file, written after every case, from which a run resumes."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from burst.files.digest import code_digest, digest_of, source_files
from burst.files.write import read_json, write_text
from burst.machine import library_version, processor

Record = dict[str, Any]


class PeerError(ValueError):
    """A peer that is not installed, or gave no image; the message says what to do."""


LIBRARIES = ("torch", "numpy", "scipy", "scikit-image", "opencv-python-headless")

# What figures depend on, and the files among it that only show them.
DECISIVE = (
    "records.py", "sensor.py", "findings.py", "pipeline.py", "data", "files", "ops", "stages",
    "models", "network/apply.py", "network/preparation.py", "network/inputs.py",
    "network/inputs_rolling.py", "measure",
)  # fmt: skip
PRESENTATION = ("gallery.py", "page.py", "plots.py", "results.py", "tables.py")


class Results:
    """The records of a suite in a file; those of other code or settings are measured again."""

    def __init__(
        self, path: Path, suite: str, settings: str, threads: int, networks: str = ""
    ) -> None:
        """`settings` and digests of `networks` determine a figure, with case and code."""
        self.path, self.suite, self.settings, self.networks = path, suite, settings, networks
        self.machine = describe_machine(threads)
        self.code = suite_digest(suite)
        self.records: list[Record] = []
        self._earlier = {record["key"]: record for record in read_json(path).get("records", [])}

    def measure(
        self, cases: Sequence[Any], measure: Callable[[Any], Record], watch: Callable[[str], None]
    ) -> list[Record]:
        """Measure the cases without a record, one after the other; write each at once. A case is a
        dataclass of plain values with a name."""
        for i, case in enumerate(cases):
            key = self._key(case)
            known = self._earlier.get(key)
            watch(f"{self.suite} {i + 1}/{len(cases)}: {case.name}{' (known)' if known else ''}")
            self.records.append(known or {"key": key, "case": asdict(case), **measure(case)})
            if not known:
                self._write()
        self._write()
        return self.records

    def ignore_earlier(self) -> None:
        """Measure all cases again."""
        self._earlier = {}

    def _key(self, case: Any) -> str:
        parts = (self.code, self.settings, self.networks, json.dumps(asdict(case), sort_keys=True))
        return digest_of(*parts)[:16]

    def _write(self) -> None:
        content = {
            "suite": self.suite,
            "machine": self.machine,
            "settings": self.settings,
            "records": self.records,
        }
        write_text(self.path, json.dumps(content, indent=1) + "\n")


def suite_digest(suite: str) -> str:
    """Return the SHA-256 of the source on which the figures of a suite depend."""
    package = Path(__file__).resolve().parents[1]
    chosen = [
        path
        for path in source_files(package, DECISIVE)
        if path.name not in PRESENTATION and (path.parent.name != "suites" or path.stem == suite)
    ]
    return code_digest(package, chosen)


def describe_machine(threads: int) -> Record:
    """Return processor, cores, versions and date, without which seconds cannot be compared."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "system": platform.system(),
        "python": platform.python_version(),
        "libraries": {name: library_version(name) for name in LIBRARIES},
        "date": date.today().isoformat(),
    }
