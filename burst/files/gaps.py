"""Find frames that are missing from a folder, by the numbers in their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from burst.log import LOG

_MOST_NAMED = 5
_REGULAR = 0.75  # of the steps; numbers such as times of day have irregular steps; by hand


def warn_gaps(folder: Path, frames: Sequence[Path]) -> None:
    """Warn of frames that are missing between the first and the last of a folder."""
    missing = missing_numbers([frame.stem for frame in frames])
    if not missing:
        return
    named = ", ".join(missing[:_MOST_NAMED]) + (", ..." if len(missing) > _MOST_NAMED else "")
    LOG.warning(
        "%s: %d frame%s missing between its first and last, by the numbers in their names: %s.",
        folder, len(missing), " is" if len(missing) == 1 else "s are", named,
    )  # fmt: skip


def missing_numbers(names: Sequence[str]) -> list[str]:
    """Return the numbers that are missing from names, with leading zeros as in the names. Empty
    unless the names are equal but for their last number, which mostly rises by a fixed step."""
    parts = [re.fullmatch(r"(.*?)(\d+)(\D*)", name) for name in names]
    found = [part.groups() for part in parts if part is not None]
    if len(found) < len(names) or len({(before, after) for before, _, after in found}) != 1:
        return []
    numbers = [int(digits) for _, digits, _ in found]
    steps = [later - earlier for earlier, later in pairwise(numbers)]
    if not steps or min(steps) <= 0:
        return []
    step = min(steps)
    regular = sum(s == step for s in steps) >= _REGULAR * len(steps)
    if not regular or any(s % step for s in steps):
        return []
    width = len(found[0][1])
    present = set(numbers)
    expected = range(numbers[0], numbers[-1], step)
    return [f"{number:0{width}d}" for number in expected if number not in present]
