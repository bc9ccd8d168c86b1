"""BS-RSCD and Fastec-RS as lmdb: raw pixels by sequence and frame, with an index."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from burst.about import optional
from burst.files.check import explained
from burst.files.layouts.listing import MIDDLE, Timing, completed, frame_range, scan_of, sensor_for
from burst.files.layouts.plain_pickle import read_plain_pickle
from burst.files.sequence import Sequence
from burst.records import StackError

NAME = "rscd-lmdb"
PATTERN = "<set>_info_<split>.pkl beside lmdb folders <set>_<split> and <set>_<split>_gt"

HEIGHT, WIDTH = 480, 640
_TIMINGS = {
    "rscd": Timing(readout_ratio=0.25, frame_time=1 / 15),
    "fastec_rs": Timing(readout_ratio=1.0),
}
_ADVICE = "Write the lmdb again, or fetch it again."


@dataclass(frozen=True)
class LmdbListing:
    """One sequence inside an lmdb; `number` is its number in the keys."""

    name: str
    path: Path
    number: int
    count: int
    timing: Timing
    layout: str = NAME

    def read(
        self, start: int = 0, stop: int | None = None, readout_ratio: float | None = None
    ) -> Sequence:
        """Read frames start..stop and their truths; StackError names a missing key."""
        window = frame_range(self.name, self.count, start, stop)
        frames = _read_pixels(self.path, self.number, window)
        truth = self.path.with_name(f"{self.path.name}_gt")
        there = truth.is_dir()
        sequence = Sequence(
            frames,
            sensor_for(frames, ".png", self.timing),
            scan_of(self.timing, len(frames)),
            name=self.name.replace("/", "-"),
            source=str(self.path),
            truths=_read_pixels(truth, self.number, window) if there else np.zeros(0),
            truth_frame=np.arange(len(frames) if there else 0),
            truth_share=np.full(len(frames) if there else 0, MIDDLE),
        )
        return completed(sequence, self.path, window.start, readout_ratio)


def find_lmdb(folder: Path, entries: list[Path]) -> list[LmdbListing]:
    """Return the sequences of every index in a folder."""
    found = []
    for index in entries:
        match = re.fullmatch(r"(.+)_info_(.+)\.pkl", index.name)
        if match is None:
            continue
        path = folder / f"{match[1]}_{match[2]}"
        if not path.is_dir():
            raise StackError(
                f"{index}: expected the lmdb {path.name} beside it, found none. {_ADVICE}"
            )
        timing = _TIMINGS.get(match[1], Timing())
        for number, (name, count) in _sequences(index).items():
            found.append(LmdbListing(f"{path}/{name}", path, number, count, timing))
    return found


def _sequences(index: Path) -> dict[int, tuple[str, int]]:
    """Return name and length of every sequence, by its number."""
    info: Any = read_plain_pickle(index)
    table: dict[int, tuple[str, int]] = {}
    try:
        for key, value in info.items():
            if isinstance(key, int):
                table[key] = (value["seq"], value["length"])
        of_kind = all(type(n) is str and type(count) is int for n, count in table.values())
        if len(table) != info["num"] or not of_kind or min(c for _, c in table.values()) < 1:
            raise ValueError
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StackError(
            f"{index}: expected {{0: {{'seq': name, 'length': n}}, ..., 'num': sequences}}, found"
            f" another content. {_ADVICE}"
        ) from error
    return table


def _read_pixels(path: Path, number: int, window: range) -> np.ndarray:
    """Return images [n, 480, 640, 3] uint8, red first."""
    lmdb = optional("lmdb", "shutter", StackError, str(path))
    with explained(path, "an lmdb", _ADVICE):
        environment = lmdb.open(str(path), readonly=True, lock=False, readahead=False)
        try:
            with environment.begin(buffers=True) as transaction:
                # An index may state more frames than exist, and than fit into memory.
                for frame in window:
                    _pixels(path, transaction, number, frame)
                images = np.empty((len(window), HEIGHT, WIDTH, 3), np.uint8)
                for image, frame in zip(images, window, strict=True):
                    image[...] = _pixels(path, transaction, number, frame)
                return images
        finally:
            environment.close()


def _pixels(path: Path, transaction: Any, number: int, frame: int) -> np.ndarray:
    """Return a view of one image [480, 640, 3], red first, of the raw bytes, blue first."""
    key = f"{number:03d}_{frame:08d}"
    value = transaction.get(key.encode("ascii"))
    if value is None:
        raise StackError(f"{path}: expected the key '{key}', found none. {_ADVICE}")
    pixels = np.frombuffer(value, np.uint8)
    if pixels.size != HEIGHT * WIDTH * 3:
        raise StackError(
            f"{path}: expected {HEIGHT} x {WIDTH} x 3 bytes at the key '{key}', found"
            f" {pixels.size}. {_ADVICE}"
        )
    return pixels.reshape(HEIGHT, WIDTH, 3)[..., ::-1]
