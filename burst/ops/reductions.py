"""Sums and the like over frames that come block by block, and their pieces as one tensor."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

import torch

# Each by what one block contributes and how two contributions are joined.
_JOINED: dict[str, tuple[Callable[..., torch.Tensor], Callable[..., torch.Tensor]]] = {
    "sum": (torch.sum, torch.add),
    "mean": (torch.sum, torch.add),
    "amax": (torch.amax, torch.maximum),
    "amin": (torch.amin, torch.minimum),
    "all": (lambda b, dim, keepdim: b.bool().amin(dim, keepdim), torch.logical_and),
    "any": (lambda b, dim, keepdim: b.bool().amax(dim, keepdim), torch.logical_or),
}
REDUCTIONS = frozenset(_JOINED)


def contribution(
    name: str, block: torch.Tensor, axes: tuple[int, ...], keepdim: bool
) -> torch.Tensor:
    """Return what a block [k, ...] contributes to a reduction over some axes, of which 0 is one.

    Sums are made in 64 bits where the device has them.
    """
    found = _JOINED[name][0](block, dim=axes, keepdim=keepdim)
    return found.double() if found.is_floating_point() and block.device.type != "mps" else found


def reduced(
    name: str, parts: Iterable[torch.Tensor], dtype: torch.dtype, count: int
) -> torch.Tensor:
    """Return a reduction of frames of a type by the contributions of all blocks; a mean is that of
    `count` values."""
    total = functools.reduce(_JOINED[name][1], parts)
    if name == "mean":
        total = total / count
    return total.to(dtype) if total.is_floating_point() else total


def joined(pieces: Iterable[torch.Tensor], count: int) -> torch.Tensor:
    """Return pieces [k, ...] of `count` frames in all as one tensor, which is made with the first.

    To collect them would scatter small results between large temporary arrays over the memory,
    which then grows to many times their size.
    """
    made, done = torch.empty(0), 0
    for piece in pieces:
        if not done:
            made = piece.new_empty((count, *piece.shape[1:]))
        made[done : done + len(piece)] = piece
        done += len(piece)
    return made
