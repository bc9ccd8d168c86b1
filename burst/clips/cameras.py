"""How long a camera takes to read a video frame: as its clip states, as it logged beside the
frames, and as others have published it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burst.log import LOG

# [1] github.com/horshack-dpreview/RollingShutter, results/full_sensor.json: a flickering LED
# [2] github.com/OpenDroneMap/ODM, opendm/rollingshutter.py: reported by users
# [3] G. Thalin, Deshaker: a pan past an upright line; [4] Ringaby and Forssen, IJCV 96, 2011; both
#     by github.com/JzHuai0108/kalibr, doc/rolling-shutter-table.md, and [5] a LED panel there
# Words of a model, rows of the frame from, up to; ms; source.
PUBLISHED: tuple[tuple[str, int, int, float, str], ...] = (
    ("nikon z 6$", 2160, 2160, 22.2, "[1]"),
    ("nikon z 9$", 2160, 2160, 14.5, "[1]"),
    ("ilce-7m3", 2160, 2160, 17.2, "[1]"),
    ("ilce-7m4", 2160, 2160, 26.7, "[1]"),
    ("ilce-6400", 2160, 2160, 32.1, "[1]"),
    ("canon eos r5$", 2160, 2160, 15.5, "[1]"),
    ("canon eos r6$", 2160, 2160, 30.4, "[1]"),
    ("x-t2$", 2160, 2160, 26.4, "[1]"),
    ("fc7203", 0, 9999, 20.0, "[2]"),
    ("fc3170", 0, 9999, 27.0, "[2]"),
    ("fc3411", 0, 9999, 32.0, "[2]"),
    ("hero4 black", 0, 9999, 30.0, "[2]"),
    ("hero8 black", 0, 9999, 17.0, "[2]"),
    ("iphone 5$", 1080, 1080, 27.4, "[3]"),
    ("iphone 4$", 720, 720, 32.2, "[4]"),
    ("iphone 6s$", 720, 720, 15.0, "[5]"),
)
_MODEL = re.compile(r"(?:^|[.\-:])(?:model|make|manufacturer)(?:-\w+)?$", re.IGNORECASE)
# Of AVFoundation (AVMetadataQuickTimeMetadataKeyCameraFrameReadoutTime), microseconds.
_READOUT_TAG = "com.apple.quicktime.camera.framereadouttimeinmicroseconds"


@dataclass(frozen=True)
class Said:
    """What one source says of the readout: s and the interval that fits as well; 0 where it says
    nothing. `words` say more."""

    source: str
    readout: float = 0.0
    low: float = 0.0
    high: float = 0.0
    words: str = ""

    @classmethod
    def exactly(cls, source: str, readout: float, words: str) -> Said:
        """Return what a source says that knows of no interval."""
        return cls(source, readout, readout, readout, words)


def stated_readout(tags: Mapping[str, str]) -> Said | None:
    """Return the readout that the tags of a file state."""
    lower = {name.lower(): word for name, word in tags.items()}
    found = re.match(r"[\d.]+", lower.get(_READOUT_TAG, ""))
    return (
        Said.exactly("metadata", 1e-6 * float(found[0]), "the tags of the file") if found else None
    )


def published_readout(tags: Mapping[str, str], rows: int) -> Said | None:
    """Return what is published of the camera that the tags name, for frames of so many rows."""
    names = [word.strip() for name, word in tags.items() if _MODEL.search(name)]
    for words, least, most, milliseconds, source in PUBLISHED:
        for name in names if least <= rows <= most else ():
            if re.search(rf"\b{words}", name.lower()):
                where = f"published for {name}, {source} of cameras.py"
                return Said.exactly("published", milliseconds / 1000, where)
    return None


_NAME = re.compile(r"(?:frame|sensor)_?read_?out_?time|readout_time", re.IGNORECASE)
_MICROSECONDS = 200.0  # no readout takes so many ms; larger numbers are microseconds


def logged_readout(path: Path) -> Said | None:
    """Return the readout that a camera logged; None without it or without telemetry-parser."""
    try:
        import telemetry_parser  # type: ignore[import-not-found]
    except ImportError:
        LOG.info(
            "%s: logs of its gyro are not read. pip install 'burst-restoration[gyro]' reads them.",
            path,
        )
        return None
    try:
        parser = telemetry_parser.Parser(str(path))
        found = next(_numbers(parser.telemetry()), None)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # Whatever it raises says that these are no logs it knows; its panics are no Exception.
        LOG.debug("%s: %s", path, error)
        return None
    if not found:
        return None
    seconds = found / (1000 if found < _MICROSECONDS else 1_000_000)
    words = f"the log of the camera, {parser.model or parser.camera}"
    return Said.exactly("metadata", seconds, words)


def _numbers(value: Any, name: str = "") -> Iterator[float]:
    """Yield the numbers that stand under the name of a readout, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, str(key) if _NAME.search(str(key)) else name)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _numbers(inner, name)
    elif name and isinstance(value, int | float) and value > 0:
        yield float(value)
