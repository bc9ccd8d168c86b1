"""The layout of simulations: frames and `stack.toml` like any stack, truths in a subfolder."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from burst.files.check import explained
from burst.files.folder import frames_in
from burst.files.layouts.listing import Listing, Timing, TruthFile
from burst.files.png import plain_png
from burst.files.sequence import Sequence
from burst.files.sidecar import sidecar_text
from burst.files.write import atomic_write
from burst.records import StackError

NAME = "simulated"
PATTERN = "<n>.png, stack.toml and truth/<k>.png with truth/truth.toml"

TRUTH = "truth"
TABLE = "truth.toml"
_ADVICE = "Simulate it again."


def write_sequence(folder: Path, sequence: Sequence) -> list[Path]:
    """Write a sequence of whole frames (no masks, no flow); the folder appears when it is complete.
    StackError if something else is there already; WriteError if the disk refuses."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StackError(f"{folder}: expected an empty place, found files. Choose another --out.")
    with atomic_write(folder) as part:
        (part / TRUTH).mkdir(parents=True)
        _write_images(part, sequence.frames)
        _write_images(part / TRUTH, sequence.truths)
        frames, shares = sequence.truth_frame.astype(int), sequence.truth_share.astype(float)
        table = tomli_w.dumps({"frame": frames.tolist(), "share": shares.tolist()})
        (part / TRUTH / TABLE).write_text(table, "utf-8")
        (part / "stack.toml").write_text(sidecar_text(sequence.sensor, sequence.scan), "utf-8")
    return [folder, folder / "stack.toml", folder / TRUTH]


def find_simulated(folder: Path, entries: list[Path]) -> list[Listing]:
    """Return the sequence of a folder that `write_sequence` wrote; none for others."""
    table = folder / TRUTH / TABLE
    if folder / TRUTH not in entries or not table.is_file():
        return []
    with explained(table, "frame = [...] and share = [...], one of each truth", _ADVICE):
        content: dict[str, Any] = tomllib.loads(table.read_text("utf-8"))
        frames, shares = map(int, content["frame"]), map(float, content["share"])
        paths = frames_in(folder / TRUTH)
        files = [TruthFile(*t) for t in zip(paths, frames, shares, strict=True)]
    return [Listing(str(folder), NAME, folder, tuple(frames_in(folder)), Timing(), tuple(files))]


def _write_images(folder: Path, images: np.ndarray) -> None:
    for index, image in enumerate(images):
        (folder / f"{index:05d}.png").write_bytes(plain_png(image))
