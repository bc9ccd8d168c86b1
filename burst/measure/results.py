"""The raw numbers of a suite: one JSON file, written whole after every stack, taken up again."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from burst.files.digest import code_digest, digest_of, source_files
from burst.files.write import write_text
from burst.machine import library_version, processor

Record = dict[str, Any]


class PeerError(ValueError):
    """A peer that is not installed, or that gave no image; the message says what to do."""


class Subject(Protocol):
    """What is measured, a stack or a board: a dataclass of plain values with a name."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str:
        """How it is called in the log."""
        ...


S = TypeVar("S", bound=Subject)

LIBRARIES = ("torch", "numpy", "scipy", "scikit-image", "opencv-python-headless", "kornia")

# What figures depend on, and the files among it that only show them.
DECISIVE = (
    "records.py", "findings.py", "pipeline.py", "data", "files", "ops", "stages", "models",
    "network/apply.py", "network/preparation.py", "network/inputs.py", "network/inputs_rolling.py",
    "measure",
)  # fmt: skip
SHOWING = ("gallery.py", "page.py", "plots.py", "results.py", "tables.py")


class Results:
    """The records of one suite in one file; those of other code, settings or networks are measured
    again."""

    def __init__(
        self, path: Path, suite: str, settings: str, threads: int, networks: str = ""
    ) -> None:
        """`settings`, and the digests of all `networks`, decide a figure with the case and the
        code."""
        self.path, self.suite, self.settings, self.networks = path, suite, settings, networks
        self.machine = describe_machine(threads)
        self.code = suite_digest(suite)
        self.records: list[Record] = []
        self._earlier = {record["key"]: record for record in read_records(path)}

    def measure(
        self,
        cases: Sequence[S],
        measure: Callable[[S], Record],
        watch: Callable[[str], None],
    ) -> list[Record]:
        """Measure what is not known yet, one case after the other; keep every result at once."""
        for i, case in enumerate(cases):
            key = self._key(case)
            known = self._earlier.get(key)
            watch(f"{self.suite} {i + 1}/{len(cases)}: {case.name}{' (known)' if known else ''}")
            self.records.append(known or {"key": key, "case": asdict(case), **measure(case)})
            if not known:
                self._write()
        self._write()
        return self.records

    def forget(self) -> None:
        """Take nothing from an earlier run."""
        self._earlier = {}

    def _key(self, case: Subject) -> str:
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


def read_results(path: Path) -> Record:
    """Return what the file of a suite holds; empty if there is none that can be read."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        # Nothing measured yet, or a file of something else: the suite starts from nothing.
        return {}
    return content if isinstance(content, dict) else {}


def read_records(path: Path) -> list[Record]:
    """Return the records in the file of a suite; none if there is no such file."""
    return list(read_results(path).get("records", []))


def suite_digest(suite: str) -> str:
    """Return the SHA-256 of the source on which the figures of a suite depend."""
    package = Path(__file__).resolve().parents[1]
    chosen = [
        path
        for path in source_files(package, DECISIVE)
        if path.name not in SHOWING and (path.parent.name != "suites" or path.stem == suite)
    ]
    return code_digest(package, chosen)


def describe_machine(threads: int) -> Record:
    """Return what a reader must know to compare seconds: processor, cores, versions, date."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "system": platform.system(),
        "python": platform.python_version(),
        "libraries": {name: library_version(name) for name in LIBRARIES},
        "date": date.today().isoformat(),
    }
