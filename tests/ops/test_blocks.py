"""Tensors that are read block by block give what tensors in memory give."""

from __future__ import annotations

import pytest
import torch

from burst.ops.blocks import BlockTensor, in_blocks, kept_beside, mapped, room_for, whole
from burst.ops.chunks import frames_at_once, frames_in
from burst.records import StackError

STEP = 4
VALUES = torch.randn(23, 8, 9, generator=torch.Generator().manual_seed(0))
SHIFT = torch.linspace(-1, 1, 23)[:, None, None]
RESULTS = {
    "mean of the frames": lambda x: x.mean(0),
    "kept axis": lambda x: x.mean(0, keepdim=True),
    "mean of each": lambda x: x.mean((1, 2)),
    "mean of all": lambda x: x.mean(),
    "sum of squares": lambda x: x.square().sum(0),
    "extremes": lambda x: x.amax(0) - x.amin(0),
    "one frame": lambda x: x[2],
    "last frame": lambda x: x[-1],
    "few frames": lambda x: x[3:6],
    "many frames": lambda x: x[3:20],
    "numbers": lambda x: x[torch.arange(0, 23, 2)],
    "mask": lambda x: x[SHIFT[:, 0, 0] > 0],
    "part of each": lambda x: x[:, 2:5, 1],
    "last axis": lambda x: x[..., ::2],
    "one value a frame": lambda x: (x - SHIFT).square(),
    "image": lambda x: x * VALUES[0],
    "constants": lambda x: 1 / (2 - x.abs()).clamp(min=0.1),
    "masks": lambda x: ~(x > 0) & (x < 1),
    "choice": lambda x: torch.where(x > 0, x, 0.0),
    "stacked": lambda x: torch.stack([x, x + 1], dim=1).sum(1),
    "unbound": lambda x: x.unbind(1)[3],
    "any": lambda x: (x > 2).any(),
    "all of each": lambda x: (x > -2).all(0),
    "type": lambda x: x.double(),
    "device and type of another": lambda x: torch.ones(2, dtype=torch.float64).to(x),
    "zeros": lambda x: x.new_zeros(x.shape[:2]),
}


def blocks(values: torch.Tensor = VALUES, asked: list[int] | None = None) -> torch.Tensor:
    """Return values as frames that are read block by block, noting how many are asked for."""

    def read(numbers: list[int]) -> torch.Tensor:
        if asked is not None:
            asked.append(len(numbers))
        return values[numbers].clone()

    return in_blocks(read, len(values), STEP)


@pytest.mark.parametrize("name", RESULTS)
def test_the_same_as_in_memory(name):
    found, expected = whole(RESULTS[name](blocks())), RESULTS[name](VALUES)
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected)


def test_never_more_than_a_block_is_read():
    asked = []
    frames = blocks(asked=asked)
    later = torch.where(frames > 0, (frames - SHIFT) / 2, frames)[3:20]
    later.mean(0)
    kept_beside(later)
    list(frames.split(10))
    list(later)
    assert max(asked) == STEP


def test_a_function_of_frames_is_applied_when_they_are_read():
    doubled = mapped(lambda frames, shift: 2 * frames + shift, blocks(), SHIFT)
    assert isinstance(doubled, BlockTensor)
    torch.testing.assert_close(whole(doubled), 2 * VALUES + SHIFT)
    torch.testing.assert_close(mapped(lambda x: 2 * x, VALUES), 2 * VALUES)


def test_a_scratch_file_gives_back_what_was_put_in():
    room = room_for(blocks(), (8, 9), torch.float16)
    for first in range(0, 23, STEP):
        room[first : first + STEP] = VALUES[first : first + STEP]
    assert room.dtype == torch.float16
    torch.testing.assert_close(whole(room), VALUES.half())
    torch.testing.assert_close(room[torch.tensor([7, 8, 3, 22])], VALUES[[7, 8, 3, 22]].half())


def test_what_needs_all_frames_at_once_is_refused():
    with pytest.raises(StackError, match=r"as 'fft_rfft2' of torch needs them, .* Raise --memory"):
        torch.fft.rfft2(blocks())


def test_blocks_are_as_large_as_the_memory_allows():
    assert frames_at_once(blocks()) == STEP
    assert frames_in(10**12, (100, 100), "cpu") == frames_at_once(VALUES)
    assert frames_in(10_000_000, (200, 200), "cpu") == 2
    assert frames_in(0, (200, 200), "cpu") == 1
