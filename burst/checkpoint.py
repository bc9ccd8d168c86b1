"""Find checkpoints and read what they say of themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from burst.config import did_you_mean, search_path

FOLDER = "checkpoints"
VARIABLE = "BURST_CHECKPOINTS"
SUFFIX = ".safetensors"
FORMAT = "burst-checkpoint-1"


class CheckpointError(ValueError):
    """A checkpoint that is missing, broken, or not one of ours."""


def find(name: str) -> Path:
    """Return the file of a checkpoint given by path or name; CheckpointError lists the known."""
    if name.endswith(SUFFIX) or "/" in name:
        if Path(name).is_file():
            return Path(name)
        raise CheckpointError(f"{name}: expected a checkpoint, found no file there.")
    for folder in places():
        if (folder / f"{name}{SUFFIX}").is_file():
            return folder / f"{name}{SUFFIX}"
    known = sorted({path.stem for path in found()})
    raise CheckpointError(
        f"checkpoint {name}: expected one of {', '.join(known) or '(none found)'}, looked in"
        f" {', '.join(str(p) for p in places())}.{did_you_mean(name, known)}"
        f" Pass a path, or set ${VARIABLE}."
    )


def found() -> list[Path]:
    """Return all checkpoints in the order of the search; the first of a name hides the others."""
    first: dict[str, Path] = {}
    for folder in places():
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            first.setdefault(path.stem, path)
    return list(first.values())


def places() -> list[Path]:
    """Return the folders that are searched, first hit first."""
    return search_path(FOLDER, VARIABLE)


def inspect(path: Path) -> dict[str, Any]:
    """Return the header of a checkpoint, its values decoded, without reading any weight.

    CheckpointError where the file is truncated, no safetensors file, or of another format.
    """
    header = _read_header(path)
    if header.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: expected format {FORMAT}, found {header.get('format', 'none')}."
            " It was not written by this program, or by another version of it."
        )
    return {
        key: value if key == "format" else _decode(path, key, value)
        for key, value in header.items()
    }


def _read_header(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: expected a whole safetensors file, found none ({error}). Copy it again."
        ) from error


def _decode(path: Path, key: str, value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{path} {key}: expected JSON in the header, {error}.") from error
