"""What the functions share: messages in the words of Python, and what stands for None."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from burst.machine import DEVICES
from burst.network.checkpoint import CheckpointError
from burst.records import StackError
from burst.settings import ConfigError, did_you_mean

# Options of the command line in the messages that both share, and what they are called here.
_OPTION = re.compile(
    r"--(black-level|white-level|axis|device|pipeline|parent|workers|image|level|size|frames|memory|truth)\b"
    r"(?: (frames-first|frames-last|cpu|classical|\w+_geometry|\d+(?:\.\d+)?\b|[^\s:]+(?=:)))?"
)


@contextmanager
def in_words_of_python() -> Iterator[None]:
    """Have errors name arguments, as `white_level=`, where they name options of the command."""
    try:
        yield
    except (ConfigError, StackError, CheckpointError) as error:
        raise type(error)(_OPTION.sub(_as_argument, str(error))) from None


def check_device(device: str) -> None:
    """Raise ConfigError unless there may be a device of this name."""
    if device not in DEVICES:
        raise ConfigError(
            f"device: expected one of {', '.join(DEVICES)}, found '{device}'."
            f"{did_you_mean(device, DEVICES)}"
        )


def _as_argument(option: re.Match[str]) -> str:
    name = option[1].replace("-", "_")
    value = option[2] or ""
    return f"{name}={value}" if value[:1].isdigit() or not value else f'{name}="{value}"'
