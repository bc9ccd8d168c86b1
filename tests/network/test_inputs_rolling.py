"""What a network is given of an instant: each plane is what it says, and is turned back."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from rolled import FRAME_TIME, recording
from simulated import rms

from burst.files.sequence import Sequence
from burst.network.inputs import Evidence
from burst.network.inputs_rolling import (
    LARGEST_BLUR,
    SIDE,
    encode_shutter,
    level_of,
    prepare_shutter,
    restore_shutter,
)
from burst.network.preparation import SHUTTER_EVIDENCE, SHUTTER_SCALARS, Preparation
from burst.pipeline import load
from burst.records import Burst

WHOLE = Preparation(SHUTTER_EVIDENCE, SHUTTER_SCALARS, "rolling")
INSIDE = (..., slice(20, -20), slice(30, -30))


@lru_cache(maxsize=8)
def unrolled(frames: int = 2, exposure: float = 0.0, *settings: str) -> Burst:
    """Return the instants of a pan of 8 px a frame, before the network."""
    sequence = recording(frames=frames)
    sensor = replace(sequence.sensor, exposure_time=exposure * FRAME_TIME)
    stack = replace(sequence, sensor=sensor).luminance()
    pipeline = load("rolling", [f"unroll.{text}" for text in settings]).before("correct")
    return pipeline.run(Burst(stack))


def planes(burst: Burst) -> dict[str, torch.Tensor]:
    """Return the planes of the first instant by name."""
    evidence = next(prepare_shutter(burst, WHOLE))
    return dict(zip(SHUTTER_EVIDENCE, evidence.planes, strict=True))


def first(burst: Burst) -> Evidence:
    return next(prepare_shutter(burst, WHOLE))


def test_the_base_turns_back_into_what_geometry_made():
    burst = unrolled()
    sensor = burst.stack.sensor
    back = restore_shutter(first(burst).base, first(burst), sensor)
    torch.testing.assert_close(back, burst.image.clamp(0, 1), atol=1e-5, rtol=0)
    again = encode_shutter(back, first(burst), sensor)
    torch.testing.assert_close(again, first(burst).base, atol=1e-5, rtol=0)


def test_beyond_its_edge_a_frame_alone_is_the_image():
    burst = unrolled()
    shown = planes(burst)
    outside = shown["second_trust"] == 0
    assert outside.any()
    assert torch.equal(shown["second"][outside], shown["blended"][outside])
    alone = burst.views.images[0, 1, 0].float()
    assert rms((alone - burst.image)[outside]) > 0.02


def test_linear_sources_are_encoded_as_they_are():
    burst = unrolled()
    sensor = replace(burst.stack.sensor, transfer="linear")
    burst = replace(burst, stack=replace(burst.stack, sensor=sensor))
    back = restore_shutter(first(burst).base, first(burst), sensor)
    torch.testing.assert_close(back, burst.image, atol=1e-5, rtol=0)


def test_frames_alone_show_what_was_made_of_them():
    shown = planes(unrolled())
    for name in ("first", "second"):
        assert rms((shown[name] - shown["blended"])[INSIDE]) < 0.05
        assert float(shown[f"{name}_trust"][INSIDE].mean()) > 0.9


def test_a_frame_that_is_not_there_is_the_image_and_not_trusted():
    shown = planes(unrolled())
    assert torch.equal(shown["third"], shown["blended"])
    assert not shown["third_trust"].any()
    assert planes(unrolled(3))["third_trust"].any()


def test_rows_are_seen_before_and_after_the_instant():
    later = planes(unrolled(2, 0.0, "frame=1"))["first_later"]
    assert float(later[20, 80]) == pytest.approx(0.8 * (20 - 63.5) / 128, abs=0.02)
    assert float(later[108, 80]) == pytest.approx(0.8 * (108 - 63.5) / 128, abs=0.02)


def test_the_ends_of_a_blur_lie_along_the_motion():
    shown = planes(unrolled(2, 0.5))
    speed = 200 * FRAME_TIME  # px a frame time, as `recording` pans; 4 px of it blur
    assert float(shown["blur"][INSIDE].median()) * LARGEST_BLUR == pytest.approx(
        0.5 * np.hypot(speed, speed / 5), rel=0.1
    )
    moved = torch.roll(shown["blended"], 2, dims=1)
    towards, away = (rms((shown[n] - moved)[INSIDE]) for n in ("behind", "ahead"))
    assert min(towards, away) < 0.4 * max(towards, away)


def test_an_exposure_that_nobody_told_blurs_nothing():
    shown = planes(unrolled())
    assert not shown["blur"].any()
    torch.testing.assert_close(shown["ahead"], shown["blended"], atol=1e-5, rtol=0)
    scalars = dict(zip(SHUTTER_SCALARS, first(unrolled()).scalars.tolist(), strict=True))
    assert scalars["exposure"] == 0
    assert scalars["readout_ratio"] != 0


def test_two_frames_leave_less_noise_than_one():
    one = planes(unrolled())["noise"][INSIDE]
    several = replace(unrolled().views, trust=torch.zeros_like(unrolled().views.trust))
    several.trust[:, 0] = 1
    alone = planes(replace(unrolled(), views=several))["noise"][INSIDE]
    assert float(one.mean()) < float(alone.mean())


def test_every_colour_of_every_instant_is_a_measurement():
    sequence: Sequence = recording()
    colour = np.stack([sequence.frames, sequence.frames // 2, sequence.frames // 4], axis=-1)
    stack = replace(sequence.luminance(), colour=colour)
    pipeline = load("rolling", ["unroll.instants=[0.0,1.0]"]).before("correct")
    found = list(prepare_shutter(pipeline.run(Burst(stack)), WHOLE))
    assert len(found) == 6
    assert found[0].base.mean() > found[1].base.mean() > found[2].base.mean()
    assert not torch.equal(found[0].planes[4], found[3].planes[4])  # another instant


def test_the_level_is_noise_and_motion_relative_to_the_frame():
    burst = unrolled()
    level = level_of(burst)
    moved = burst.unrolled.displacement_rms
    assert moved == pytest.approx(200 * FRAME_TIME / 2**0.5, rel=0.3)
    assert level.displacement == pytest.approx(moved * SIDE / burst.stack.height)
    assert level.noise >= 0


def test_planes_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="expected some of blended"):
        Preparation(("merged",), (), "rolling")
