"""Find, read, write and choose checkpoints: weights with a card that describes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors

from burst.config import search_path
from burst.files.digest import file_digest
from burst.files.write import atomic_write, write_text
from burst.lazy import safetensors_torch, torch
from burst.models import restorer
from burst.models.spec import RestorerSpec
from burst.network.card import Card, LevelRange, card_text
from burst.network.preparation import Preparation
from burst.records import Level
from burst.settings import ConfigError, build, did_you_mean

FOLDER = "checkpoints"
VARIABLE = "BURST_CHECKPOINTS"
SUFFIX = ".safetensors"
FORMAT = "burst-checkpoint-1"
AUTO = "auto"  # instead of a name: the checkpoint that fits the stack


class CheckpointError(ValueError):
    """A checkpoint that is missing, broken, or not one of ours."""


@dataclass(frozen=True)
class Loaded:
    """A checkpoint in memory; the digest is that of its file."""

    model: restorer.Restorer
    card: Card
    sha256: str


def find(name: str) -> Path:
    """Return the file of a checkpoint given by path or name; CheckpointError if there is none."""
    if name.endswith(SUFFIX) or "/" in name:
        if Path(name).is_file():
            return Path(name)
        raise CheckpointError(f"{name}: expected a checkpoint, found no file there.")
    for folder in checkpoint_folders():
        if (folder / f"{name}{SUFFIX}").is_file():
            return folder / f"{name}{SUFFIX}"
    known = sorted({path.stem for path in all_checkpoints()})
    raise CheckpointError(
        f"checkpoint {name}: expected one of {', '.join(known) or '(none found)'}, looked in"
        f" {', '.join(str(p) for p in checkpoint_folders())}.{did_you_mean(name, known)}"
        f" Pass a path, or set ${VARIABLE}."
    )


def all_checkpoints() -> list[Path]:
    """Return all checkpoints in the order of the search; of equal names only the first."""
    first: dict[str, Path] = {}
    for folder in checkpoint_folders():
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            first.setdefault(path.stem, path)
    return list(first.values())


def checkpoint_folders() -> list[Path]:
    """Return the folders that are searched, in order."""
    return search_path(FOLDER, VARIABLE)


def candidates(name: str) -> list[Path]:
    """Return the files that a setting may mean: one by name or path, or for "auto" all found."""
    if name != AUTO:
        return [find(name)]
    paths = all_checkpoints()
    if not paths:
        raise CheckpointError(
            "checkpoints: expected at least one, found none in"
            f" {', '.join(map(str, checkpoint_folders()))}."
            f" Set ${VARIABLE}, or restore without a network by --pipeline classical."
        )
    return paths


def choose(level: Level) -> Path:
    """Return the checkpoint with the narrowest range that contains a level, else the nearest one.

    Teachers are left out, networks for shutters, and what is used by name alone. `range_warning`
    says whether the stack lies outside.
    """
    students = choosable()
    if not students:
        raise CheckpointError(
            f"checkpoints: expected one for turbulence that works without the truth, found"
            f" {len(all_checkpoints())} others. Name one by --set fuse.checkpoint=NAME."
        )

    def distance_and_width(path: Path) -> tuple[float, float]:
        return students[path].level.distance(level), students[path].level.width

    return min(students, key=distance_and_width)


def choosable() -> dict[Path, Card]:
    """Return file and card of every checkpoint that may be chosen for a stack."""
    cards = {path: read_card(path) for path in candidates(AUTO)}
    return {
        path: card
        for path, card in cards.items()
        if card.preparation.kind == "turbulence" and not (card.spec.teacher or card.by_name)
    }


def range_warning(card: Card, level: Level) -> str | None:
    """Return a warning where a level lies outside the range that a checkpoint was trained on."""
    if card.level.distance(level) == 0:
        return None
    (quiet, loud), (calm, wild) = card.level.noise, card.level.displacement
    return (
        f"This stack has noise {level.noise:.2g} at mid grey and displacements of"
        f" {level.displacement:.2g} px; '{card.name}' was trained on {quiet:.2g} to {loud:.2g} and"
        f" {calm:.2g} to {wild:.2g} px."
    )


def name_of(path: Path) -> str:
    """Return the name by which `find` finds a file, or else its path."""
    return path.stem if path in all_checkpoints() else str(path)


def digests(assignments: Sequence[str]) -> str:
    """Return one line with name and digest for every checkpoint, including those that settings such
    as "fuse.checkpoint=runs/a/network.safetensors" give by path."""
    said = [Path(text.partition("=")[2]) for text in assignments]
    named = [path for path in said if path.suffix == SUFFIX and path.is_file()]
    return "\n".join(f"{path.stem} {file_digest(path)}" for path in [*all_checkpoints(), *named])


def save(path: Path, state: Mapping[str, torch.Tensor], card: Card, half: bool = False) -> None:
    """Write weights and card, and the card as text beside them; `half` stores 16-bit weights.

    The same weights and card give the same bytes.
    """
    dtype = torch.float16 if half else torch.float32
    weights = {
        name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in state.items()
    }
    header = {key: json.dumps(value, sort_keys=True) for key, value in asdict(card).items()}
    with atomic_write(path) as part:
        part.write_bytes(_in_order(safetensors_torch.save(weights, {"format": FORMAT, **header})))
    write_text(path.with_suffix(".md"), card_text(read_card(path)))


def load(path: Path, device: str | torch.device = "cpu") -> Loaded:
    """Build the network of a checkpoint and load its weights; CheckpointError where they do not
    fit."""
    card = read_card(path)
    with torch.device("meta"):
        model = restorer.Restorer(card.spec)
    model.load_state_dict(_read_weights(path, model.state_dict(), device), assign=True)
    return Loaded(model.eval(), card, file_digest(path))


def read_card(path: Path) -> Card:
    """Read the card of a checkpoint; CheckpointError where it is wrong or missing."""
    return _card(path, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=64)
def _card(path: Path, _changed: int) -> Card:
    header = inspect(path)
    del header["format"]
    parts = {"spec": RestorerSpec, "preparation": Preparation, "level": LevelRange}
    try:
        for key, kind in parts.items():
            if isinstance(header.get(key), dict):
                header[key] = build(kind, header[key], f"{path} {key}")
        return build(Card, header, str(path))
    except ConfigError as error:
        raise CheckpointError(f"{error} It was written by another version, or changed.") from error


def inspect(path: Path) -> dict[str, Any]:
    """Return the header of a checkpoint, its values decoded, without reading any weight.

    CheckpointError where the file is truncated, no safetensors file, or of another format.
    """
    try:
        with safetensors.safe_open(path, framework="np") as file:
            header = dict(file.metadata() or {})
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            f"{path}: expected a whole safetensors file, found none ({error}). Copy it again."
        ) from error
    if header.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: expected format {FORMAT}, found {header.get('format', 'none')}."
            " It was not written by this program, or by another version of it."
        )
    return {
        key: value if key == "format" else _decode(path, key, value)
        for key, value in header.items()
    }


def _decode(path: Path, key: str, value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{path} {key}: expected JSON in the header, {error}.") from error


def _read_weights(
    path: Path, expected: Mapping[str, torch.Tensor], device: str | torch.device
) -> dict[str, torch.Tensor]:
    """Read all tensors as float32; CheckpointError unless names and shapes are as expected."""
    with safetensors.safe_open(path, framework="pt", device=str(device)) as file:
        names = set(file.keys())
        _check_names(path, "the network to have", names - set(expected))
        _check_names(path, "the file to hold", set(expected) - names)
        # Copied, because the rounding of sums depends on memory alignment, which the file's varies.
        weights = {name: file.get_tensor(name).to(torch.float32, copy=True) for name in expected}
    for name, tensor in weights.items():
        if tensor.shape != expected[name].shape:
            raise CheckpointError(
                f"{path}: expected {name} of shape {tuple(expected[name].shape)},"
                f" found {tuple(tensor.shape)}. The weights belong to another network."
            )
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(f"{path}: expected numbers in {name}, found NaN or infinity.")
    return weights


def _check_names(path: Path, expected: str, names: set[str]) -> None:
    if names:
        some = ", ".join(sorted(names)[:3])
        raise CheckpointError(
            f"{path}: expected {expected} {some}{' ...' if len(names) > 3 else ''}"
            f" ({len(names)} tensors do not fit). The weights belong to another network."
        )


def _in_order(serialised: bytes) -> bytes:
    """Sort the metadata in the header, which safetensors writes in any order."""
    length = int.from_bytes(serialised[:8], "little")
    header = json.loads(serialised[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + serialised[8 + length :]
