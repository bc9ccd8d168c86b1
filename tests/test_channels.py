"""One stack leads, channels follow: colours lie on one another, and cost one alignment."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import burst
from burst.data.handheld import simulate_handheld
from burst.data.levels import Conditions
from burst.data.scenes import read_colours, read_scene
from burst.data.turbulence import simulate
from burst.report.thumbnails import thumbnails

SHADES = np.array([0.5, 1.0, 0.7], np.float32)  # of red, green and blue


def coloured(
    apart: tuple[float, float] = (0.0, 0.0), size: int = 128
) -> tuple[burst.Stack, np.ndarray]:
    """Return 16 frames in colour through one air, and the truth [h, w, 3]; red lies `apart` px off
    green, and blue as far the other way."""
    scene = read_scene("camera").numpy()
    channels, truth = [], None
    for shade, sign in zip(SHADES, (1, 0, -1), strict=True):
        shift = np.float32([[1, 0, sign * apart[0]], [0, 1, sign * apart[1]]])
        moved = cv2.warpAffine(scene, shift, scene.shape[::-1], flags=cv2.INTER_CUBIC)
        draw = torch.Generator().manual_seed(2)
        seen = simulate(
            torch.from_numpy(moved * shade).clamp(0, 1), Conditions(1.5, 4000, 4, 0.3, 0), draw, 16,
            (128, 128),
        )  # fmt: skip
        channels.append(seen.stack.frames)
        truth = seen.truth.scene.numpy() if sign == 0 else truth
    colour = np.stack(channels, axis=-1)
    luminance = (colour @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint16)
    assert truth is not None
    return replace(seen.stack, frames=luminance, colour=colour), truth[..., None] * SHADES


def as_mosaic(stack: burst.Stack) -> burst.Stack:
    """Return the RGGB mosaic of a stack with colours."""
    frames = stack.colour[..., 1].copy()
    frames[:, 0::2, 0::2] = stack.colour[:, 0::2, 0::2, 0]
    frames[:, 1::2, 1::2] = stack.colour[:, 1::2, 1::2, 2]
    sensor = replace(stack.sensor, cfa="RGGB", sampling=0.6, white_balance=(2.0, 1.0, 1 / 0.7))
    return replace(stack, frames=frames, sensor=sensor, colour=None)


def restored(stack: burst.Stack, **settings: object) -> burst.Result:
    return burst.restore(stack, "classical", progress=False, device="cpu", threads=1, **settings)


def psnr(image: np.ndarray, truth: np.ndarray) -> np.ndarray:
    error = ((image - truth) / SHADES)[16:-16, 16:-16]
    return -10 * np.log10(np.square(error).mean((0, 1)))


def test_every_channel_is_as_good_as_restored_alone() -> None:
    stack, truth = coloured()
    result = restored(stack)
    assert result.image is not None
    assert result.image.shape == (128, 128, 3)
    found = psnr(result.image, truth)
    for channel in range(3):
        alone = replace(stack, frames=stack.colour[..., channel], colour=None)
        image = restored(alone).image
        assert found[channel] > psnr(image[..., None], truth[..., [channel]])[0] - 0.3


def test_the_report_is_of_the_lead_and_of_green() -> None:
    result = restored(coloured()[0])
    stages = [entry.stage for entry in result.report.entries]
    assert stages == ["screen", "noise", "select", "align", "row_motion", "blur", "deconvolve"]
    assert result.burst.channel is not None
    assert result.burst.channel.name == "green"
    assert "lateral_colour" not in result.report.numbers("align")


@pytest.mark.parametrize("kind", ["planes", "mosaic"])
def test_colours_that_lie_apart_are_laid_on_one_another(kind: str) -> None:
    stack, truth = coloured((1.2, -0.8))
    stack = stack if kind == "planes" else as_mosaic(stack)
    pixel = 1 if kind == "planes" else 2
    result = restored(stack)
    found = result.report.numbers("align")["lateral_colour"]
    red, blue = ("red", "blue") if kind == "planes" else ("R", "B")
    np.testing.assert_allclose(np.array(found[red][:2]) * pixel, (1.2, -0.8), atol=0.15)
    np.testing.assert_allclose(np.array(found[blue][:2]) * pixel, (-1.2, 0.8), atol=0.15)
    left = restored(stack, align={"lateral_colour": False})
    gain = psnr(result.image, truth) - psnr(left.image, truth)
    assert gain[0] > 2
    assert gain[2] > 2
    assert gain[1] > -0.3


def test_a_mosaic_is_aligned_once_on_all_its_samples() -> None:
    stack = as_mosaic(coloured()[0])
    result = restored(stack)
    assert result.image.shape == (128, 128, 3)
    assert result.flow.shape == (16, 2, 64, 64)
    assert result.report.entry("align").seconds > 0


@pytest.mark.parametrize("kind", ["planes", "mosaic", "mosaic by hand"])
def test_the_page_shows_frames_in_colour(kind: str, tmp_path: Path) -> None:
    stack = coloured()[0]
    stack = stack if kind == "planes" else as_mosaic(stack)
    stack = replace(stack, sensor=replace(stack.sensor, white_balance=(1.0, 1.0, 1.0)))
    pipeline = "handheld" if kind == "mosaic by hand" else "classical"
    result = burst.restore(stack, pipeline, progress=False, device="cpu", threads=1)
    result.save(tmp_path)
    pictures = thumbnails((tmp_path / "report.html").read_text())
    for data in (pictures["before"], pictures["after"]):
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), -1)
        assert picture.shape[-1] == 3
        assert np.ptp(picture.astype(int), axis=-1).mean() > 1


def test_a_burst_taken_by_hand_is_told_which_pipeline_to_take() -> None:
    scene = read_colours("coffee")[:, 40:400, 100:460]
    by_hand = simulate_handheld(scene, 400, 6, seed=1).stack
    told = [text for text in restored(by_hand).warnings if "--pipeline handheld" in text]
    assert len(told) == 1
    assert "6 frames in colour show no air" in told[0]
    stack, _ = coloured()
    assert not any("handheld" in text for text in restored(as_mosaic(stack)).warnings)


@pytest.mark.parametrize("space", ["srgb", "display-p3"])
def test_the_report_names_the_space_of_the_pictures(space: str, tmp_path: Path) -> None:
    stack = simulate_handheld(read_colours("coffee")[:, 40:200, 100:260], 400, 3, seed=1).stack
    result = burst.restore(stack, "handheld", progress=False, device="cpu", threads=1)
    result.save(tmp_path, page=False, colours=space)
    assert json.loads((tmp_path / "report.json").read_text())["colours"] == space


def test_a_pipeline_without_shared_stages_reads_no_colours() -> None:
    assert burst.load_pipeline("classical").colour
    assert not burst.load_pipeline("rolling_geometry").takes_mosaics
    assert burst.load_pipeline("rolling_geometry").takes_colours
