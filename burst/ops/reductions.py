"""Sums and the like over frames that come block by block, and their pieces as one tensor."""

from __future__ import annotations

import math
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


def reduced(
    name: str, blocks: Iterable[torch.Tensor], axes: tuple[int, ...], keepdim: bool
) -> torch.Tensor:
    """Return what a reduction over some axes, of which 0 is one, makes of all blocks [k, ...].

    The sums of blocks are added in 64 bits where the device has them.
    """
    part, join = _JOINED[name]
    total, values, like = None, 0, None
    for block in blocks:
        like = block.dtype
        values += block.shape[0]
        found = part(block, dim=axes, keepdim=keepdim)
        if found.is_floating_point() and block.device.type != "mps":
            found = found.double()
        total = found if total is None else join(total, found)
        shape = block.shape
    assert total is not None
    assert like is not None
    if name == "mean":
        total = total / (values * math.prod(shape[axis] for axis in axes if axis))
    return total.to(like) if total.is_floating_point() else total


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
