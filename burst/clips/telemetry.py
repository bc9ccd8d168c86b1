"""The readout in the logs that cameras write into their clips beside the frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from burst.clips.cameras import Said
from burst.log import LOG

_NAME = re.compile(r"(?:frame|sensor)_?read_?out_?time|readout_time", re.IGNORECASE)
_MICROSECONDS = 200.0  # no readout takes so many ms; larger numbers are microseconds


def logged_readout(path: Path) -> Said | None:
    """Return the readout that a camera logged; None where it did not, or where the package
    telemetry-parser is not installed."""
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
