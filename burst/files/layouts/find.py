"""List the sequences of a rolling-shutter set in any published layout."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from burst.files.folder import visible_entries
from burst.files.layouts import loose, rscd_lmdb, simulated
from burst.files.layouts.folders import LAYOUTS
from burst.files.layouts.listing import Listing
from burst.files.layouts.loose import StackListing
from burst.files.layouts.rscd_lmdb import LmdbListing
from burst.records import StackError
from burst.settings import did_you_mean

AUTO = "auto"
DEEPEST = 4  # folders below the listed one: set, split, town, sequence

# A sequence that can be read, whole or in part.
Listed = Listing | StackListing | LmdbListing
_Find = Callable[[Path, list[Path]], list[Any]]
# Function and pattern of each layout, in the order in which they are tried; plain frames come last.
_FINDERS: dict[str, tuple[_Find, str]] = {
    simulated.NAME: (simulated.find_simulated, simulated.PATTERN),
    rscd_lmdb.NAME: (rscd_lmdb.find_lmdb, rscd_lmdb.PATTERN),
    **{layout.name: (partial(layout.find, layout), layout.pattern) for layout in LAYOUTS},
    loose.NAME: (loose.find_loose, loose.PATTERN),
}


def list_sequences(place: Path, layout: str = AUTO) -> list[Listed]:
    """Return the sequences of a folder or file, without reading their frames. "auto" recognises the
    layout; plain frames count where nothing else is found. StackError states what was expected, and
    what is missing from a recognised layout."""
    if layout not in (AUTO, *_FINDERS):
        hint = did_you_mean(layout, _FINDERS)
        raise StackError(f"layout: expected auto, {', '.join(_FINDERS)}, found '{layout}'.{hint}")
    if not os.path.exists(place):
        raise StackError(f"{place}: expected a folder or file, found nothing there. Check it.")
    published = [name for name in _FINDERS if name != loose.NAME]
    for names in [published, [loose.NAME]] if layout == AUTO else [[layout]]:
        found = _search(place, names)
        if found:
            return [replace(one, name=_relative(one.name, place)) for one in found]
    wanted = "a rolling-shutter set, a video or a folder of frames"
    if layout != AUTO:
        wanted = f"the layout {layout} ({_FINDERS[layout][1]})"
    raise StackError(f"{place}: expected {wanted}, found none. Check the path.")


def _search(place: Path, names: list[str]) -> list[Any]:
    if not place.is_dir():
        return loose.find_loose_file(place) if loose.NAME in names else []
    return list(_descend(place, names, DEEPEST))


def _descend(folder: Path, names: list[str], depth: int) -> Iterator[Any]:
    """Yield the sequences of a folder or, if it has none itself, of its subfolders."""
    entries = visible_entries(folder)
    for name in names:
        found = _FINDERS[name][0](folder, entries)
        if found:
            yield from found
            return
    for below in entries if depth else []:
        if below.is_dir():
            yield from _descend(below, names, depth - 1)


def _relative(name: str, place: Path) -> str:
    """Return a sequence's path relative to the listed folder, or the folder's own name."""
    relative = os.path.relpath(name, place) if name.startswith(str(place)) else name
    return Path(os.path.abspath(place)).name if relative == "." else Path(relative).as_posix()
