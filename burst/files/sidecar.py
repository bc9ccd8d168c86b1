"""Read and write `<stem>.toml`, the sidecar that completes or corrects what a file states."""

from __future__ import annotations

import os
import tomllib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tomli_w
from pydantic import AfterValidator, Field, StrictFloat, StrictInt, StrictStr, TypeAdapter

from burst.files.check import naming
from burst.files.folder import stem_of
from burst.files.times import typical_step
from burst.records import NoiseModel, Sensor, Shutter, StackError
from burst.settings import did_you_mean


@dataclass(frozen=True)
class Sidecar:
    """Fields of a stack's `Sensor`, and the scan of its frames."""

    where: str
    sensor: dict[str, Any]
    scan: tuple[int, ...] | None = None

    def apply(self, sensor: Sensor) -> Sensor:
        """Return the sensor with the fields of the sidecar; StackError names the file.
        `frame_times` also sets `frame_time`; `frame_time` alone replaces the times of the file."""
        stated = dict(self.sensor)
        if "frame_times" in stated and len(stated["frame_times"]) > 1:
            stated.setdefault("frame_time", typical_step(stated["frame_times"]))
        elif "frame_time" in stated:
            stated["frame_times"] = None
        with naming(self.where):
            return replace(sensor, **stated)

    def scan_of(self, count: int) -> np.ndarray | None:
        """Return the scan [n] int8: the pattern repeated over all frames; None if not given."""
        return None if self.scan is None else np.resize(np.array(self.scan, np.int8), count)


def find_sidecar(stack: Path) -> Path | None:
    """Return the sidecar of a stack: `<stem>.toml` beside it, or `stack.toml` inside a folder; of a
    symbolic link without one, that of the file or folder that it leads to."""
    if stack.is_dir():
        # A folder may be given as "."; its name is needed.
        absolute = Path(os.path.abspath(stack))
        places = [stack / "stack.toml", absolute.with_name(f"{absolute.name}.toml")]
    else:
        places = [stack.with_name(f"{stem_of(stack)}.toml")]
    found = next((place for place in places if place.is_file()), None)
    return find_sidecar(stack.resolve()) if found is None and stack.is_symlink() else found


def read_sidecar(path: Path) -> Sidecar:
    """Read a sidecar; StackError for invalid TOML, an unknown key or a wrong value."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StackError(
            f"{path}: expected TOML, found '{error}'. Correct or remove it."
        ) from error
    except OSError as error:
        raise StackError(
            f"{path}: expected a sidecar, found '{error.strerror}'. Check its permissions."
        ) from error
    values = {key: _parse(path, key, value) for key, value in table.items()}
    scan = values.pop("scan", None)
    return Sidecar(str(path), values, scan)


def sidecar_text(sensor: Sensor, scan: np.ndarray | None) -> str:
    """Return a complete sidecar of a sensor, with the scan [n] unless all frames are read down."""
    table: dict[str, Any] = {k: v for k, v in asdict(sensor).items() if v is not None}
    # A sidecar states the black level: it is no longer assumed.
    del table["black_assumed"]
    table["shutter"] = str(sensor.shutter)
    if scan is not None and (scan < 0).any():
        table["scan"] = scan.tolist()
    return tomli_w.dumps(table)


def _parse(path: Path, key: str, value: Any) -> Any:
    if key not in _KEYS:
        hint = did_you_mean(key, _KEYS)
        raise StackError(f"{path}: unknown key '{key}'.{hint} Known are {', '.join(_KEYS)}.")
    expected, kind = _KEYS[key]
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValueError as error:
        raise StackError(
            f"{path} {key}: expected {expected}, found {value!r}. Correct it."
        ) from error


_Noise = Annotated[
    dict[Literal["shot", "read"], StrictFloat],
    Field(min_length=2),
    AfterValidator(lambda table: NoiseModel(**table)),
]
_Times = Annotated[
    tuple[StrictFloat, ...],
    Field(min_length=1),
    AfterValidator(lambda times: tuple(time - times[0] for time in times)),
]
_Scan = Annotated[tuple[Literal[-1, 1], ...], Field(min_length=1)]


def _numbers(count: int) -> Any:
    return Annotated[tuple[StrictFloat, ...], Field(min_length=count, max_length=count)]


# What each key is, in words and as a type.
_KEYS: dict[str, tuple[str, Any]] = {
    "black_level": (
        "a number of DN, or four in reading order of the colour sites",
        StrictFloat | _numbers(4),
    ),
    "white_level": ("a number of DN", StrictFloat),
    "cfa": ("mono or the colours of a 2x2 cell such as RGGB", StrictStr),
    "noise": ("{ shot = ..., read = ... }, both variances", _Noise),
    "shutter": (f"one of {', '.join(Shutter)}", Shutter),
    "exposure_time": ("a number of seconds", StrictFloat),
    "row_time": ("a number of seconds", StrictFloat),
    "frame_time": ("a number of seconds", StrictFloat),
    "frame_times": ("a list of seconds, one for each frame", _Times),
    "iso": ("a number", StrictFloat),
    "sampling": ("a number above 0", StrictFloat),
    "orientation": ("an orientation of EXIF, 1 to 8", StrictInt),
    "white_balance": ("three numbers", _numbers(3)),
    "camera_matrix": ("nine numbers, row by row", _numbers(9)),
    "transfer": ("linear or srgb", Literal["linear", "srgb"]),
    "scan": ("a list of 1 and -1, repeated over the frames", _Scan),
}
