"""Frames of tensors in a scratch file, in the folder for temporary files."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from burst.mapped import scratch_file


class Scratch:
    """Frames in a file that goes with them. Sent to another process, they are read from there."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        self.shape, self.dtype, self.device = shape, dtype, device
        self.file = scratch_file()
        weakref.finalize(self, _remove, self.file)
        self.bytes = int(np.prod(shape)) * dtype.itemsize

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs, after all is written."""
        self.file.flush()
        return {**vars(self), "file": self.file.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the file for reading."""
        self.__dict__.update(state, file=open(state["file"], "rb"))  # noqa: SIM115

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


def _remove(file: IO[bytes]) -> None:
    file.close()
    if isinstance(file.name, str):
        Path(file.name).unlink(missing_ok=True)
