"""Read and write `<stem>.toml`, the sidecar that completes or corrects what a file states."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from burst.files.check import naming
from burst.files.folder import stem_of
from burst.files.times import typical_step
from burst.records import NoiseModel, Sensor, Shutter, StackError


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
    """Return the sidecar of a stack: `<stem>.toml` beside it, or `stack.toml` inside a folder."""
    if stack.is_dir():
        # A folder may be given as "."; its name is needed.
        absolute = Path(os.path.abspath(stack))
        places = [stack / "stack.toml", absolute.with_name(f"{absolute.name}.toml")]
    else:
        places = [stack.with_name(f"{stem_of(stack)}.toml")]
    return next((place for place in places if place.is_file()), None)


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
    if key not in _PARSERS:
        close = difflib.get_close_matches(key, _PARSERS, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise StackError(f"{path}: unknown key '{key}'.{hint} Known are {', '.join(_PARSERS)}.")
    expected, parse = _PARSERS[key]
    try:
        return parse(value)
    except (ValueError, TypeError, KeyError) as error:
        raise StackError(
            f"{path} {key}: expected {expected}, found {value!r}. Correct it."
        ) from error


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _levels(value: Any) -> float | tuple[float, ...]:
    return _numbers(value, 4) if isinstance(value, list) else _number(value)


def _numbers(value: Any, count: int) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != count:
        raise ValueError
    return tuple(_number(item) for item in value)


def _times(value: Any) -> tuple[float, ...]:
    """Return seconds from the first frame on."""
    if not isinstance(value, list) or not value:
        raise ValueError
    times = [_number(item) for item in value]
    return tuple(time - times[0] for time in times)


def _noise(value: Any) -> NoiseModel:
    if set(value) != {"shot", "read"}:
        raise ValueError
    return NoiseModel(_number(value["shot"]), _number(value["read"]))


def _scan(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not value or any(v not in (-1, 1) for v in value):
        raise ValueError
    return tuple(int(v) for v in value)


def _transfer(value: Any) -> str:
    if value not in ("linear", "srgb"):
        raise ValueError
    return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


_SHUTTERS = ", ".join(Shutter)
_PARSERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "black_level": ("a number of DN, or four in reading order of the colour sites", _levels),
    "white_level": ("a number of DN", _number),
    "cfa": ("mono or the colours of a 2x2 cell such as RGGB", _text),
    "noise": ("{ shot = ..., read = ... }, both variances", _noise),
    "shutter": (f"one of {_SHUTTERS}", Shutter),
    "exposure_time": ("a number of seconds", _number),
    "row_time": ("a number of seconds", _number),
    "frame_time": ("a number of seconds", _number),
    "frame_times": ("a list of seconds, one for each frame", _times),
    "iso": ("a number", _number),
    "sampling": ("a number above 0", _number),
    "orientation": ("an orientation of EXIF, 1 to 8", _whole),
    "white_balance": ("three numbers", lambda value: _numbers(value, 3)),
    "camera_matrix": ("nine numbers, row by row", lambda value: _numbers(value, 9)),
    "transfer": ("linear or srgb", _transfer),
    "scan": ("a list of 1 and -1, repeated over the frames", _scan),
}
