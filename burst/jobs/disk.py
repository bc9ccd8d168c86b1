"""Check before a run whether the disk has room for its results."""

from __future__ import annotations

import shutil
from pathlib import Path

from burst.files.write import WriteError
from burst.records import Stack

# An image as float32, in 16 bits and for a display; kept stages of the default pipeline, whose
# frames take 4 bytes and whose displacements 8, twice; a page with pictures and plots.
BYTES_PER_PIXEL, BYTES_PER_PIXEL_KEPT, BYTES_OF_REPORT = 8, 22, 4_000_000


def check_disk(folder: Path, stack: Stack, made: int, keep_stages: bool) -> None:
    """Raise WriteError where the disk of a result's folder has too little room for it.

    `made` is the size in bytes of images of many instants. Disks of unknown free space pass.
    """
    pixels, colours = stack.height * stack.width, 3
    need = BYTES_OF_REPORT + colours * pixels * BYTES_PER_PIXEL + made
    if keep_stages:
        need += stack.count * pixels * BYTES_PER_PIXEL_KEPT
    whole = folder.absolute()
    place = next(one for one in (whole, *whole.parents) if one.is_dir())
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        # Some network drives do not report it; an error then comes when results are written.
        return
    if free < need:
        advice = "Leave out --keep-stages, make room" if keep_stages else "Make room"
        raise WriteError(
            f"{folder}: expected {need / 1e6:.0f} MB of free space for the results, found"
            f" {free / 1e6:.0f} MB. {advice}, or choose another --out."
        )
