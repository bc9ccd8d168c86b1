"""Several processes that train one network, as `torchrun` starts them; or one alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn


@dataclass(frozen=True)
class Ranks:
    """The number of this process, the number of processes, and this process's device."""

    rank: int = 0
    count: int = 1
    device: str = "cpu"

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and logs."""
        return self.rank == 0

    @property
    def on_gpu(self) -> bool:
        """Whether this process trains on a GPU."""
        return self.device.startswith("cuda")

    def wrap(self, objective: nn.Module) -> nn.Module:
        """Return the objective with gradients averaged over all processes."""
        if self.count == 1:
            return objective
        # A batch takes its prior from one source and leaves the parameters of the other unused.
        return nn.parallel.DistributedDataParallel(objective, find_unused_parameters=True)

    def broadcast(self, number: float) -> float:
        """Return the number of the first process, in all processes."""
        if self.count == 1:
            return number
        shared = torch.tensor([number], dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, 0)
        return float(shared)

    def wait_for_all(self) -> None:
        """Wait until all processes have called this."""
        if self.count > 1:
            distributed.barrier()


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Join the processes of `torchrun`; alone without it. `device` is "cpu" or "cuda"."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks(device=device)
        return
    own = f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device
    if device == "cuda":
        torch.cuda.set_device(own)
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield Ranks(distributed.get_rank(), count, own)
    finally:
        distributed.destroy_process_group()
