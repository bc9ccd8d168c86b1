"""What a verification package holds and how the images came about: `manifest.json`."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from burst.files.read import ReadOptions
from burst.machine import library_version, processor
from burst.submission.challenge import SubmissionError

NAME = "manifest.json"
FORMAT = "burst-submission-1"
LIBRARIES = ("numpy", "opencv-python-headless", "scipy", "torch")


@dataclass(frozen=True)
class Machine:
    """What images may depend on beside the code: device, threads of one stack, libraries."""

    device: str
    threads: int
    processor: str
    python: str
    libraries: dict[str, str]


@dataclass(frozen=True)
class Record:
    """One stack: SHA-256 of its files by place, its image, and the model with its stage."""

    place: str
    inputs: dict[str, str]
    image: str
    sha256: str
    model: str | None = None
    stage: str | None = None


@dataclass(frozen=True)
class Manifest:
    """A submission; `code` is the SHA-256 of the program, `files` has one for every packed file.

    `tolerance` is the greatest difference between images of another machine, in units of the
    image.
    """

    format: str
    name: str
    version: str
    code: str
    seed: int
    reading: ReadOptions
    machine: Machine
    tolerance: int
    models: dict[str, str]
    stacks: tuple[Record, ...]
    files: dict[str, str]

    def to_json(self) -> str:
        """Write the manifest as JSON; `read_manifest` reads it."""
        return json.dumps(asdict(self), indent=1) + "\n"


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; SubmissionError if it is none."""
    advice = "Pass the verification package that `burst submit` wrote."
    try:
        table: Any = json.loads(path.read_text("utf-8"))
        if not isinstance(table, dict) or table.get("format") != FORMAT:
            raise SubmissionError(f"{path.name}: expected format {FORMAT}. {advice}")
        return TypeAdapter(Manifest).validate_python(table)
    except OSError as error:
        raise SubmissionError(f"{path.name}: expected it in the package. {advice}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise SubmissionError(f"{path.name} {key}: {problem['msg']}. {advice}") from error
    except ValueError as error:
        if isinstance(error, SubmissionError):
            raise
        raise SubmissionError(f"{path.name}: expected JSON, found '{error}'. {advice}") from error


def this_machine(device: str, threads: int) -> Machine:
    """Return what this machine is made of."""
    return Machine(
        device=device,
        threads=threads,
        processor=processor(),
        python=platform.python_version(),
        libraries={name: library_version(name) for name in LIBRARIES},
    )


def differences(one: Machine, other: Machine) -> list[str]:
    """Say in what two machines differ: "threads 1 and 2"."""
    first, second = _flat(one), _flat(other)
    return [f"{key} {first[key]} and {second[key]}" for key in first if first[key] != second[key]]


def _flat(machine: Machine) -> dict[str, Any]:
    table = asdict(machine)
    libraries: dict[str, str] = table.pop("libraries")
    return {**table, **{name: libraries.get(name, "none") for name in LIBRARIES}}
