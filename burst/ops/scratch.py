"""Frames of tensors in a scratch file, in the folder for temporary files."""

from __future__ import annotations

import tempfile
import weakref

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
        for run in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
            self.file.seek(int(run[0]) * self.bytes)
            made += self.file.read(len(run) * self.bytes)
        values = torch.frombuffer(made, dtype=self.dtype)
        return values.reshape(len(numbers), *self.shape).to(self.device)

    def write(self, first: int, values: torch.Tensor) -> None:
        """Write frames [k, ...] from number `first` on."""
        self.file.seek(first * self.bytes)
        self.file.write(values.detach().to(self.dtype).cpu().contiguous().numpy().data)
