"""Frames of tensors in a scratch file, in the folder for temporary files."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator, Sequence

import numpy as np
import torch


class Scratch:
    """Frames in a file without a name, which the system removes when it is closed."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        self.shape, self.dtype, self.device = shape, dtype, device
        self.file = tempfile.TemporaryFile(prefix="burst-")  # noqa: SIM115
        weakref.finalize(self, self.file.close)
        self.bytes = int(np.prod(shape)) * dtype.itemsize

    def read(self, numbers: list[int]) -> torch.Tensor:
        """Return the frames of some numbers."""
        if not numbers:
            return torch.empty((0, *self.shape), dtype=self.dtype, device=self.device)
        made = bytearray()
        for first, last in _runs(numbers):
            self.file.seek(first * self.bytes)
            made += self.file.read((last - first) * self.bytes)
        values = torch.frombuffer(made, dtype=self.dtype)
        return values.reshape(len(numbers), *self.shape).to(self.device)

    def write(self, first: int, values: torch.Tensor) -> None:
        """Write frames [k, ...] from number `first` on."""
        self.file.seek(first * self.bytes)
        self.file.write(values.detach().to(self.dtype).cpu().contiguous().numpy().data)


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield first and one after the last of each run of successive numbers."""
    first = previous = numbers[0]
    for number in numbers[1:]:
        if number != previous + 1:
            yield first, previous + 1
            first = number
        previous = number
    yield first, previous + 1
