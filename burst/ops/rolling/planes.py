"""Frames of a stack as tensors: linear or display-encoded, freed of the gain of their rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from burst.ops.color import display_to_linear, linear_to_display
from burst.ops.noise import to_linear
from burst.ops.shutter import row_gain
from burst.records import Shutter, Stack

CLIPPED = 0.995  # of white; chosen by hand, just below saturation


def luminance(stack: Stack) -> torch.Tensor:
    """Return frames [n, h, w] encoded for a display, where dark and bright count alike."""
    frames = _without_row_gain(to_linear(stack.frames, stack.sensor), stack, slice(None))
    return frames if stack.sensor.transfer == "srgb" else linear_to_display(frames)


def planes_of(stack: Stack) -> Callable[[int], torch.Tensor]:
    """Return a function from a frame's number to its planes [c, h, w], black 0 and white 1."""

    def planes(frame: int) -> torch.Tensor:
        if stack.colour is None:
            seen = to_linear(stack.frames[frame : frame + 1], stack.sensor)
        else:
            seen = to_linear(np.moveaxis(stack.colour[frame], 2, 0), stack.sensor)
        return _without_row_gain(seen, stack, slice(frame, frame + 1))

    return planes


def unclipped(stack: Stack) -> torch.Tensor | None:
    """Return 1 where colours [n, c, h, w] of a global reset are not saturated, and 0 elsewhere.
    None for other shutters: their rows are exposed alike, so a point that saturates one frame
    saturates all."""
    if stack.sensor.shutter is not Shutter.GLOBAL_RESET:
        return None
    colours = stack.frames[..., None] if stack.colour is None else stack.colour
    return (to_linear(np.moveaxis(colours, 3, 1), stack.sensor) < CLIPPED).float()


def _without_row_gain(frames: torch.Tensor, stack: Stack, which: slice) -> torch.Tensor:
    """Divide frames [n, h, w], or colours of one, by the relative exposure of their rows."""
    if stack.sensor.shutter is not Shutter.GLOBAL_RESET:
        return frames
    gain = row_gain(stack.sensor, stack.height, stack.scan)[which, :, None]
    if stack.sensor.transfer == "srgb":
        return linear_to_display(display_to_linear(frames) / gain)
    return frames / gain
