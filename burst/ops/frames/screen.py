"""Which frames of a stack are used, which parts of them, and how bright each was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from burst.ops.blocks import in_blocks
from burst.ops.chunks import frames_in
from burst.ops.frames.agreement import view_factor
from burst.ops.frames.judge import judge_all
from burst.ops.frames.repeats import find_repeats
from burst.ops.frames.scene import MOST_SPOILT, small_views
from burst.records import Sensor


@dataclass(frozen=True)
class ScreeningResult:
    """The frames that are used.

    kept     [m] their numbers
    gain     [m] how bright each was recorded against the others
    valid    [m, h, w] bool, which of their values are good; None for all
    reasons  why each other frame is left out, by number
    parts    the share of a kept frame that is left out, by number
    divided  whether frames fall into groups that do not agree, so that none was left out for that
    """

    kept: torch.Tensor
    gain: torch.Tensor
    valid: torch.Tensor | None
    reasons: Mapping[int, str]
    parts: Mapping[int, float]
    divided: bool


def screen(
    frames: np.ndarray,
    sensor: Sensor,
    strictness: float,
    device: str = "cpu",
    measured: np.ndarray | None = None,
    memory: int | None = None,
) -> ScreeningResult:
    """Screen frames [n, h, w] in DN; a `strictness` above 1 asks for more agreement, below 1 for
    less.

    `measured` [n, h, w] bool marks valid values; None for all. At least one frame is kept. With a
    limit of `memory` bytes which values are good is told block by block.
    """
    repeats = find_repeats(frames)
    reasons = {i: f"the same as frame {j}" for i, j in repeats.same.items()}
    reasons = {**_unmeasured(measured), **reasons}
    distinct = [i for i in range(len(frames)) if i not in reasons]
    numbers = np.array(distinct, int)
    judged = judge_all(
        len(distinct), lambda few: small_views(frames, numbers[few], sensor, device), strictness
    )
    left = [i for i in range(len(distinct)) if i not in judged.reasons]
    reasons.update({distinct[i]: reason for i, reason in judged.reasons.items()})
    kept = [distinct[i] for i in left]
    size = (frames.shape[1], frames.shape[2])
    used = set(kept)
    spoilt = _Spoilt(
        {distinct[i]: part for i, part in judged.parts.items()},
        {i: copied for i, copied in repeats.partly.items() if i in used},
        size,
    )
    return ScreeningResult(
        torch.tensor(kept, device=device),
        judged.gain[left].float().to(device),
        _valid(kept, spoilt, device, memory),
        dict(sorted(reasons.items())),
        {i: float(spoilt.of(i).mean()) for i in spoilt.numbers},
        judged.divided,
    )


def _unmeasured(measured: np.ndarray | None) -> dict[int, str]:
    """Return the frames of which much of what others show was not measured [n, h, w] bool; none
    where most are like that, as when each shows another part of the scene."""
    if measured is None:
        return {}
    missing = 1 - measured.sum((1, 2)) / max(int(measured.any(0).sum()), 1)
    if np.median(missing) > MOST_SPOILT:
        return {}
    return {
        i: f"{missing[i]:.0%} of it was not measured"
        for i in np.flatnonzero(missing > MOST_SPOILT).tolist()
    }


@dataclass(frozen=True)
class _Spoilt:
    """Which parts of frames of a size (h, w) are spoilt: `parts` [y, x] of their views, by number,
    and `copied` values [h, w]. Of thousands of frames the parts are enlarged when they are used."""

    parts: Mapping[int, torch.Tensor]
    copied: Mapping[int, np.ndarray]
    size: tuple[int, int]

    @property
    def numbers(self) -> list[int]:
        """The frames of which a part is spoilt."""
        return sorted({*self.parts, *self.copied})

    def of(self, number: int) -> np.ndarray:
        """Return which values [h, w] bool of a frame are spoilt."""
        part, copied = self.parts.get(number), self.copied.get(number, np.zeros(self.size, bool))
        return copied if part is None else copied | _enlarged(part, self.size)


def _valid(
    kept: list[int], spoilt: _Spoilt, device: str, memory: int | None
) -> torch.Tensor | None:
    """Return which values [m, h, w] bool of the kept frames are good; None for all."""
    size, numbers = spoilt.size, set(spoilt.numbers)
    if not numbers:
        return None

    def good(places: list[int]) -> torch.Tensor:
        valid = torch.ones((len(places), *size), dtype=torch.bool, device=device)
        for place, i in enumerate(places):
            if kept[i] in numbers:
                valid[place] = torch.from_numpy(~spoilt.of(kept[i])).to(device)
        return valid

    if memory is not None:
        return in_blocks(good, len(kept), frames_in(memory, size, device))
    return good(list(range(len(kept))))


def _enlarged(part: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """Enlarge a part [y, x] of a view to the frame's size [h, w]. The last rows and columns, which
    do not fill a pixel of the view, are like the ones before."""
    factor = view_factor(*size)
    rows, columns = (
        (np.arange(side) // factor).clip(max=n - 1)
        for side, n in zip(size, part.shape, strict=True)
    )
    return np.asarray(part.cpu().numpy()[np.ix_(rows, columns)])
