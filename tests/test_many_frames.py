"""A stack that does not fit into memory gives the image that it gives in memory."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest

import burst
from burst.pipeline import load
from burst.records import Sensor, Stack, StackError
from burst.restoration import (
    Execution,
    check_room,
    describe,
    memory_of_blocks,
    restore_stack,
)

TINY = 6_000_000  # bytes: two or three frames of these stacks
SAME = 1e-4  # of white


def restored(stack, name, memory, **settings):
    """Return the result of a pipeline within a limit of memory."""
    pipeline, execution = load(name, settings=settings), Execution(memory=memory)
    provenance = describe(pipeline, stack, execution)
    return restore_stack(stack, pipeline, execution, provenance, lambda *done: None)


@lru_cache
def air(frames=16, size=96) -> Stack:
    """Return a stack through air."""
    return burst.simulate("camera", level="medium", frames=frames, size=size).stack


def moving() -> Stack:
    """Return frames of a camera that drifts far, one of them torn and one of them lost."""
    scene = np.random.default_rng(0).normal(size=(40, 60))
    scene = cv2.resize(scene, (400, 200), interpolation=cv2.INTER_CUBIC)
    frames = np.stack([scene[20:132, 3 * i + 10 : 3 * i + 138] for i in range(24)])
    frames = 2000 + 500 * frames + np.random.default_rng(1).normal(0, 30, frames.shape)
    frames[7, 80:] = frames[2, :32]
    frames[11] = 0
    return Stack(frames.clip(0, 4095).astype(np.uint16), Sensor(white_level=4095))


def bracket() -> Stack:
    """Return frames of three exposures, partly saturated."""
    stack = air()
    gain = np.resize([1.0, 1.6, 2.4], stack.count)[:, None, None]
    frames = (stack.frames * gain).clip(0, stack.sensor.white_level)
    return replace(stack, frames=frames.astype(np.uint16))


def mosaic() -> Stack:
    """Return a stack in a colour pattern."""
    stack = air(size=128)
    return replace(stack, sensor=replace(stack.sensor, cfa="RGGB"))


def defective() -> Stack:
    """Return frames with a dead column, hot pixels and row noise."""
    stack = air()
    frames = stack.frames + np.random.default_rng(2).integers(0, 60, (stack.count, 96, 1))
    frames[:, :, 40] = 0
    frames[:, 20, 30] = frames[:, 60:62, 70] = stack.sensor.white_level
    return replace(stack, frames=frames.clip(0, stack.sensor.white_level).astype(np.uint16))


@pytest.mark.parametrize(
    ("make", "pipeline"),
    [
        (air, "turbulence"), (moving, "classical"), (bracket, "classical"), (mosaic, "classical"),
        (defective, "classical"),
    ],
)  # fmt: skip
def test_the_image_is_that_of_a_stack_in_memory(make, pipeline):
    stack = make()
    inside, outside = (restored(stack, pipeline, memory) for memory in (None, TINY))
    assert outside.burst.memory == TINY
    assert np.abs(outside.image - inside.image).max() < SAME
    np.testing.assert_allclose(outside.weights, inside.weights, atol=1e-4)
    assert outside.warnings == inside.warnings


def test_the_best_share_is_chosen_alike():
    stack = air()
    inside, outside = (
        restored(stack, "classical", memory, select={"keep": 0.5}) for memory in (None, TINY)
    )
    assert outside.kept.tolist() == inside.kept.tolist()
    assert np.abs(outside.merged - inside.merged).max() < SAME / 10
    # Deconvolution of few frames amplifies rounding: in memory, too, input that is changed by 1e-7
    # changes single pixels of this image by 1.4e-4.
    assert np.sqrt(np.square(outside.image - inside.image).mean()) < SAME / 10
    assert np.abs(outside.image - inside.image).max() < 3 * SAME


def test_the_result_can_be_saved_and_asked_for_its_flow(tmp_path):
    result = restored(air(), "classical", TINY)
    assert result.flow.shape == (16, 2, 96, 96)
    assert "report.html" in {path.name for path in result.save(tmp_path)}


def test_a_stack_that_fits_stays_in_memory():
    stack = air(frames=8, size=64)
    need = 8 * 64 * 64 * 60
    pipeline = load("classical")
    assert memory_of_blocks(stack, pipeline, Execution(memory=need)) is None
    assert memory_of_blocks(stack, pipeline, Execution(memory=need - 1)) == need - 1
    assert memory_of_blocks(stack, pipeline, Execution(memory=None)) is None


def test_a_frame_that_does_not_fit_is_refused():
    with pytest.raises(StackError, match=r"need about .* Raise --memory, crop the frames"):
        check_room(air(), load("classical"), Execution(memory=1_000_000))
