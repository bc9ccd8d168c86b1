"""`manifest.json`: the content of a verification package and how its images were made; and the
packages that were installed then, for pip and for conda."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from burst.about import DISTRIBUTION
from burst.files.read import ReadOptions
from burst.machine import library_version, processor
from burst.submission.challenge import SubmissionError

NAME = "manifest.json"
FORMAT = "burst-submission-1"
LIBRARIES = ("numpy", "opencv-python-headless", "scipy", "torch")
OWN = (DISTRIBUTION, "burst")  # the second is an earlier name

_CONDA = """\
# conda env create -f environment.yml
# Without conda: python -m pip install -r constraints.txt
name: burst-verification
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python={python}
  - pip
  - pip:
      - -r constraints.txt
"""


@dataclass(frozen=True)
class Machine:
    """What images may depend on besides the code; `threads` are those of one stack."""

    device: str
    threads: int
    processor: str
    python: str
    libraries: dict[str, str]


@dataclass(frozen=True)
class StackRecord:
    """One stack: SHA-256 of its files by path, its image and its SHA-256, and the checkpoint with
    the stage that used it, if any."""

    place: str
    inputs: dict[str, str]
    image: str
    sha256: str
    model: str | None = None
    stage: str | None = None


@dataclass(frozen=True)
class Manifest:
    """A submission: SHA-256 of the program (`code`), of each checkpoint and of every packed file,
    by name. `tolerance` is the largest difference of images made on another machine, in units of
    the image."""

    format: str
    name: str
    version: str
    code: str
    seed: int
    reading: ReadOptions
    machine: Machine
    tolerance: int
    models: dict[str, str]
    stacks: tuple[StackRecord, ...]
    files: dict[str, str]

    def to_json(self) -> str:
        """Return the manifest as JSON; `read_manifest` is the inverse."""
        return json.dumps(asdict(self), indent=1) + "\n"


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; SubmissionError if it is invalid."""
    advice = "Pass the verification package that `burst submit` wrote."
    try:
        table: Any = json.loads(path.read_text("utf-8"))
        if not isinstance(table, dict) or table.get("format") != FORMAT:
            raise SubmissionError(f"{path.name}: expected format {FORMAT}. {advice}")
        return TypeAdapter(Manifest).validate_python(table)
    except SubmissionError:
        raise
    except OSError as error:
        raise SubmissionError(f"{path.name}: expected it in the package. {advice}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise SubmissionError(f"{path.name} {key}: {problem['msg']}. {advice}") from error
    except ValueError as error:
        raise SubmissionError(f"{path.name}: expected JSON, found '{error}'. {advice}") from error


def this_machine(device: str, threads: int) -> Machine:
    """Return the description of this machine."""
    return Machine(
        device=device,
        threads=threads,
        processor=processor(),
        python=platform.python_version(),
        libraries={name: library_version(name) for name in LIBRARIES},
    )


def differences(one: Machine, other: Machine) -> list[str]:
    """Return the differences of two machines as text: "threads 1 and 2"."""
    first, second = _flat(one), _flat(other)
    return [f"{key} {first[key]} and {second[key]}" for key in first if first[key] != second[key]]


def _flat(machine: Machine) -> dict[str, Any]:
    table = asdict(machine)
    libraries: dict[str, str] = table.pop("libraries")
    return {**table, **{name: libraries.get(name, "none") for name in LIBRARIES}}


def constraints() -> str:
    """Return every installed distribution with its version, one a line, without burst itself."""
    pins = {
        # No index has local versions such as 2.13.0+cpu.
        dist.name.lower().replace("_", "-"): dist.version.partition("+")[0]
        for dist in distributions()
        if dist.name
    }
    for name in OWN:
        pins.pop(name, None)
    return "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def environment() -> str:
    """Return an environment file that installs these constraints on the same Python."""
    return _CONDA.format(python=platform.python_version())
