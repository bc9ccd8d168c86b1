"""Tensors of many frames that are never in memory as a whole: they are read block by block.

A `BlockTensor` [n, ...] knows how to make any of its frames. What is computed frame by frame of one
(`mapped`, arithmetic, some of its frames) is again one; what is computed over all frames (a mean,
a sum) is a tensor, for which the blocks are gone through once. Whatever else is done to it is an
error, so that nothing takes the memory of the whole stack by mistake.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from burst.ops.reductions import REDUCTIONS, contribution, joined, reduced
from burst.ops.scratch import Scratch
from burst.ops.share import each_of
from burst.progress import passing
from burst.records import StackError

Read = Callable[[list[int]], torch.Tensor]

# Functions of torch that work frame by frame, by name; in-place ones are not among them.
# fmt: off
ELEMENTWISE = frozenset({
    "__add__", "__radd__", "add", "__sub__", "__rsub__", "sub", "rsub", "__mul__", "__rmul__",
    "mul", "__truediv__", "__rtruediv__", "true_divide", "div", "__rdiv__", "__pow__", "pow",
    "__and__", "__rand__", "bitwise_and", "__or__", "__ror__", "bitwise_or", "__invert__",
    "bitwise_not", "logical_not", "__neg__", "neg", "__lt__", "lt", "__le__", "le", "__gt__", "gt",
    "__ge__", "ge", "__eq__", "eq", "__ne__", "ne", "square", "sqrt", "rsqrt", "abs", "clamp",
    "exp", "log", "where", "lerp", "stack", "float", "double", "to", "cpu", "detach", "contiguous",
    "isnan", "nan_to_num",
})
ABOUT = frozenset({
    "__get__", "size", "dim", "numel", "__len__", "element_size", "is_floating_point", "stride",
})
# fmt: on
EMPTY: dict[str, Callable[..., torch.Tensor]] = {
    "new_zeros": torch.zeros,
    "new_ones": torch.ones,
    "new_empty": torch.empty,
}


class BlockTensor(torch.Tensor):
    """A tensor [n, ...] whose frames are made by `read`, at most `step` of them at a time; helpers
    make them if that is `costly`."""

    read: Read
    step: int
    costly: bool
    write: Callable[[int, torch.Tensor], None] | None

    @staticmethod
    def __new__(cls, read: Read, like: torch.Tensor, count: int, step: int) -> BlockTensor:
        """Return the tensor of `count` frames that are like `like` [1, ...]."""
        shape = (count, *like.shape[1:])
        made: BlockTensor = torch.Tensor._make_wrapper_subclass(
            cls, shape, dtype=like.dtype, device=like.device
        )
        made.read, made.step, made.write, made.costly = read, max(1, step), None, False
        return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Send how the frames are made, not the frames."""
        like = torch.empty((0, *self.shape[1:]), dtype=self.dtype, device=self.device)
        return BlockTensor, (self.read, like, len(self), self.step)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        """Say what it is of; the values are not read."""
        return f"BlockTensor({tuple(self.shape)}, {self.dtype}, {self.step} frames at a time)"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Refuse what `__torch_function__` did not do."""
        raise _too_large(str(func))

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do what a function of torch does, lazily or block by block; StackError for functions that
        need all frames at once."""
        kwargs, name = kwargs or {}, func.__name__
        if name in ABOUT:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        own = args[0] if args else None
        if isinstance(own, cls):
            if name == "__getitem__":
                return _item(own, args[1])
            if name == "__setitem__" and own.write:
                return own.write(args[1].start or 0, args[2])
            if name in ("split", "split_with_sizes"):
                return Pieces(own, args[1])
            if name in ("__iter__", "unbind"):
                return _unbound(own, *args[1:], **kwargs)
            if name in EMPTY:
                return _empty(own, name, args[1:], kwargs)
            if name == "new_tensor":
                return torch.tensor(args[1], dtype=own.dtype, device=own.device)
            if name == "numpy":
                return whole(own).numpy()
            if name in REDUCTIONS:
                return _reduced(own, name, args[1:], kwargs)
        elif name == "to" and own is not None:
            return own.to(device=args[1].device, dtype=args[1].dtype)
        if name in ELEMENTWISE:
            return _elementwise(func, args, kwargs)
        raise _too_large(name)


class Pieces:
    """The blocks of a `BlockTensor`, made one after another."""

    def __init__(self, frames: BlockTensor, step: int) -> None:
        self.frames, self.step = frames, min(step, frames.step)

    def __len__(self) -> int:
        """Return how many blocks there are."""
        return -(-len(self.frames) // self.step)

    def __iter__(self) -> Iterator[torch.Tensor]:
        """Yield the blocks."""
        return self.made(self.frames.read)

    def made(self, function: Callable[[list[int]], torch.Tensor]) -> Iterator[torch.Tensor]:
        """Yield what a function makes of the numbers of each block."""
        each = each_of if self.frames.costly else map
        return iter(each(function, _groups(len(self.frames), self.step)))


def in_blocks(read: Read, count: int, step: int) -> torch.Tensor:
    """Return the tensor of `count` frames, of which `read` makes those of some numbers."""
    return BlockTensor(read, read([0]), count, step)


def mapped(function: Callable[..., torch.Tensor], *tensors: torch.Tensor | None) -> torch.Tensor:
    """Return what a function makes of tensors [n, ...], which works frame by frame.

    If one of them is read block by block, so is the result.
    """
    blocks = [t for t in tensors if isinstance(t, BlockTensor)]
    if not blocks:
        return function(*tensors)
    count, step = len(blocks[0]), min(t.step for t in blocks)

    def read(numbers: list[int]) -> torch.Tensor:
        return function(*(None if t is None else part_of(t, numbers) for t in tensors))

    made = BlockTensor(read, read([0]), count, step)
    made.costly = True
    return made


def like_blocks(values: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """Return values [n, ...], which may be expanded, as a tensor of their own: read block by block
    where frames [n, ...] are."""
    if not isinstance(frames, BlockTensor):
        return values.contiguous()
    return in_blocks(lambda numbers: values[numbers], len(values), frames.step)


def part_of(frames: torch.Tensor, numbers: list[int]) -> torch.Tensor:
    """Return some frames of a tensor [n, ...] in memory."""
    return frames.read(numbers) if isinstance(frames, BlockTensor) else frames[numbers]


def whole(frames: torch.Tensor) -> torch.Tensor:
    """Return all frames of a tensor [n, ...] in memory."""
    if not isinstance(frames, BlockTensor):
        return frames
    return joined(Pieces(frames, frames.step), len(frames))


def kept_beside(frames: torch.Tensor) -> torch.Tensor:
    """Return the same tensor [n, ...], read from a scratch file from now on if it is one that is
    computed block by block; the file goes with the tensor."""
    if not isinstance(frames, BlockTensor):
        return frames
    store: torch.Tensor = room_for(frames, frames.shape[1:])
    done = 0
    for block in Pieces(frames, frames.step):
        store[done : done + len(block)] = block
        done += len(block)
        del block  # before the next one is made
    return store


def room_for(like: torch.Tensor, shape: Sequence[int], dtype: torch.dtype | None = None) -> Any:
    """Return a tensor [n, *shape] to be filled slice by slice, beside frames [n, ...]: in memory,
    or in a scratch file if those are read block by block."""
    if not isinstance(like, BlockTensor):
        return like.new_empty((len(like), *shape), dtype=dtype or like.dtype)
    scratch = Scratch(tuple(shape), dtype or like.dtype, like.device)
    made = BlockTensor(scratch.read, scratch.read([]).new_empty((1, *shape)), len(like), like.step)
    made.write = scratch.write
    return made


def _too_large(name: str) -> StackError:
    return StackError(
        f"expected frames that fit into memory as a whole, as '{name}' of torch needs them, found"
        " more of them than the memory holds. Raise --memory, take fewer frames, or leave out the"
        " stage."
    )


def _groups(count: int, step: int) -> Iterator[list[int]]:
    """Yield the numbers of each block, and report how many frames are done."""
    for first in passing(range(0, count, step), step):
        yield list(range(first, min(first + step, count)))


def _item(frames: BlockTensor, place: Any) -> torch.Tensor:
    """Return some frames: as a tensor where they are no more than a block, else read later."""
    if isinstance(place, tuple):
        first, rest = place[0], place[1:]
        if first is Ellipsis or (isinstance(first, slice) and first == slice(None)):
            keep = place if first is Ellipsis else (slice(None), *rest)
            return mapped(lambda block: block[keep], frames)
        return _item(frames, first)[(slice(None), *rest) if not isinstance(first, int) else rest]
    if isinstance(place, int):
        return frames.read([place % len(frames)])[0]
    numbers = list(range(len(frames)))[place] if isinstance(place, slice) else _numbers(place)
    if len(numbers) <= frames.step:
        return frames.read(numbers)

    def read(chosen: list[int]) -> torch.Tensor:
        return frames.read([numbers[i] for i in chosen])

    return BlockTensor(read, frames.read([0]), len(numbers), frames.step)


def _numbers(place: Any) -> list[int]:
    values = torch.as_tensor(place)
    return (values.nonzero()[:, 0] if values.dtype == torch.bool else values).tolist()


def _unbound(frames: BlockTensor, dim: int = 0) -> Iterator[torch.Tensor] | list[torch.Tensor]:
    if dim:
        return [mapped(lambda block, i=i: block.select(dim, i), frames)
                for i in range(frames.shape[dim])]  # fmt: skip
    return (frame for piece in Pieces(frames, frames.step) for frame in piece)


def _empty(own: BlockTensor, name: str, args: Any, kwargs: Any) -> torch.Tensor:
    shape = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
    dtype = kwargs.get("dtype") or own.dtype
    return EMPTY[name](tuple(shape), dtype=dtype, device=own.device)


def _elementwise(func: Any, args: Any, kwargs: Any) -> torch.Tensor:
    """Return what a function makes of tensors frame by frame, later. A tensor of as many axes and
    frames has one for each frame; any other is broadcast."""
    blocks = [b for b in tree_leaves((args, kwargs)) if isinstance(b, BlockTensor)]
    most = max(b.ndim for b in blocks)
    count, step = len(blocks[0]), min(b.step for b in blocks)

    def read(numbers: list[int]) -> torch.Tensor:
        def pick(value: Any) -> Any:
            if isinstance(value, BlockTensor):
                return value.read(numbers)
            if isinstance(value, torch.Tensor) and value.ndim == most and len(value) == count > 1:
                return value[numbers]
            return value

        own, named = tree_map(pick, (tuple(args), kwargs))
        found: torch.Tensor = func(*own, **named)
        return found

    return in_blocks(read, count, step)


def _reduced(frames: BlockTensor, name: str, args: Any, kwargs: Any) -> torch.Tensor:
    """Reduce a tensor over some axes: over the frames block by block."""
    dims = kwargs.pop("dim", args[0] if args and not isinstance(args[0], torch.dtype) else None)
    keepdim = kwargs.pop("keepdim", args[1] if len(args) > 1 else False)
    every = range(frames.ndim) if dims is None else [dims] if isinstance(dims, int) else dims
    axes = tuple(sorted(axis % frames.ndim for axis in every))
    if 0 in axes:
        read, keep = frames.read, bool(keepdim)
        parts = Pieces(frames, frames.step).made(
            lambda numbers: contribution(name, read(numbers), axes, keep)
        )
        return reduced(name, parts, frames.dtype, math.prod(frames.shape[axis] for axis in axes))

    def each(block: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = getattr(torch, name)(block, dim=axes, keepdim=bool(keepdim))
        return found

    found = mapped(each, frames)
    # What is left of a frame is small once rows or columns are gone.
    return whole(found) if axes[-1] >= frames.ndim - 2 else found
