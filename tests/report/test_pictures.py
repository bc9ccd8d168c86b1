from __future__ import annotations

import base64
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from burst.records import Burst, Moving, Sensor, Stack
from burst.report.pictures import LONGEST_SIDE, Picture, encode, scene_pictures


def decode(picture: Picture) -> np.ndarray:
    data = base64.b64decode(picture.uri.split(",", 1)[1])
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))


def test_the_scene_is_told_from_the_first_frame_to_the_result(burst: Burst) -> None:
    names = [picture.name for picture in scene_pictures(burst)]
    assert names == ["first", "mean", "merged", "restored"]


def test_the_same_light_is_the_same_grey_in_every_picture(burst: Burst) -> None:
    _, mean, merged, restored = (decode(picture) for picture in scene_pictures(burst))
    assert np.array_equal(mean, restored)
    assert np.array_equal(merged, restored)


def test_black_and_white_points_come_from_the_result(burst: Burst) -> None:
    assert burst.image is not None
    restored = decode(scene_pictures(burst)[-1])
    assert (restored.min(), restored.max()) == (0, 255)


def test_linear_light_is_encoded_for_the_display() -> None:
    half = np.full((2, 2), 0.5, np.float32)
    assert encode(half, 0.0, 1.0, Sensor())[0, 0] == 188  # sRGB of 50 % light


def test_a_display_encoded_source_gets_no_second_curve() -> None:
    half = np.full((2, 2), 0.5, np.float32)
    assert encode(half, 0.0, 1.0, Sensor(transfer="srgb"))[0, 0] == 128


def test_nan_is_shown_black() -> None:
    assert encode(np.array([[np.nan]], np.float32), 0.0, 1.0, Sensor())[0, 0] == 0


@pytest.mark.parametrize("value", [0.3, np.nan])
def test_an_image_without_contrast_is_shown_all_the_same(burst: Burst, value: float) -> None:
    flat = replace(burst, image=torch.full((40, 48), value))
    assert decode(scene_pictures(flat)[-1]).shape == (40, 48)


def test_a_colour_picture_is_balanced_and_keeps_its_colours(burst: Burst, stack: Stack) -> None:
    sensor = replace(stack.sensor, white_balance=(2.0, 1.0, 1.5))
    red = np.zeros((20, 30, 3), np.float32)
    red[:, 15:, 0] = 0.5
    pictures = scene_pictures(replace(burst, stack=replace(stack, sensor=sensor)), red)
    blue_green_red = decode(pictures[-1])[10, 20]
    assert blue_green_red.tolist() == [0, 0, 255]


def test_a_large_frame_is_shown_reduced(burst: Burst) -> None:
    picture = scene_pictures(replace(burst, image=torch.rand(600, 2400)))[-1]
    assert (picture.width, picture.height) == (LONGEST_SIDE, LONGEST_SIDE // 4)


def test_without_linear_frames_the_stack_itself_is_shown(stack: Stack) -> None:
    assert [picture.name for picture in scene_pictures(Burst(stack))] == ["first"]


def test_what_moves_is_shown_as_a_mask(burst: Burst) -> None:
    mask = torch.zeros(20, 30, dtype=torch.bool)
    mask[4:8, 5:9] = True
    there = mask[None]
    picture = scene_pictures(replace(burst, moving=Moving(mask, there, ~there, 7, 1)))[-2]
    assert picture.name == "moving"
    assert "frame 7" in picture.label
    assert np.array_equal(decode(picture), 255 * mask.numpy().astype(np.uint8))
