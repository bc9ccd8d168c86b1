"""What happens to frames between sensor and file leaves the traces that it leaves in cameras."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from simulated import linear_of, rms, stack_of

from burst.data import video_codec
from burst.data.histories import History, with_history
from burst.data.turbulence import SimulatedStack
from burst.data.video_codec import as_jpeg, as_video
from burst.files.clip import find_ffmpeg
from burst.ops.color import display_to_linear
from burst.settings import ConfigError


@pytest.fixture(scope="module")
def simulated() -> SimulatedStack:
    """Return 8 frames of 96 x 95 px."""
    whole = stack_of("medium", 96, 8)
    stack = replace(whole.stack, frames=whole.stack.frames[:, :, :95])
    truth = replace(
        whole.truth,
        **{
            name: getattr(whole.truth, name)[..., :95]
            for name in ("scene", "flow", "noiseless", "hot")
        },
    )
    return SimulatedStack(stack, truth)


def noise_of(simulated: SimulatedStack) -> torch.Tensor:
    """Return what is not the scene's light in the frames."""
    light = linear_of(simulated)
    if simulated.stack.sensor.transfer == "srgb":
        light = display_to_linear(light)
    return light - simulated.truth.noiseless


def roughness(frames: torch.Tensor) -> float:
    return rms(frames.diff(dim=2))


def test_no_history_changes_nothing(simulated):
    assert with_history(simulated, History()) is simulated


def test_interpolated_colours_correlate_the_noise_of_neighbours(simulated):
    noise = noise_of(simulated)
    interpolated = noise_of(with_history(simulated, History(mosaic="RGGB")))
    assert interpolated.shape == noise.shape

    def alike(values: torch.Tensor) -> float:
        values = values - values.mean(0)
        return float((values[..., 1:] * values[..., :-1]).mean() / values.square().mean())

    assert abs(alike(noise)) < 0.1
    assert alike(interpolated) > 0.2


def test_denoising_takes_noise_and_sharpening_adds_to_it(simulated):
    plain = roughness(linear_of(simulated))
    denoised = roughness(linear_of(with_history(simulated, History(denoise=2.0))))
    sharpened = roughness(linear_of(with_history(simulated, History(sharpen=1.0))))
    assert denoised < 0.95 * plain < 1.2 * plain < sharpened


def test_display_encoding_keeps_the_light(simulated):
    shown = with_history(simulated, History(display=True))
    assert shown.stack.sensor.transfer == "srgb"
    assert shown.stack.frames.max() <= 255
    assert shown.stack.sensor.noise is None
    light = display_to_linear(linear_of(shown))
    assert rms(light - linear_of(simulated).clamp(0, 1)) < 0.005


def test_enlarged_frames_lie_on_their_enlarged_truth(simulated):
    larger = with_history(simulated, History(enlarge=1.5))
    assert larger.stack.frames.shape == (8, 144, 142)
    assert larger.truth.scene.shape == (144, 142)
    assert larger.truth.flow.shape == (8, 2, 144, 142)
    assert larger.truth.row_motion.shape == (8, 144, 2)
    assert larger.stack.sensor.sampling == pytest.approx(1 / 1.5)
    assert rms(noise_of(larger)) < 1.1 * rms(noise_of(simulated))
    assert rms(larger.truth.flow) == pytest.approx(1.5 * rms(simulated.truth.flow), rel=0.02)
    torch.testing.assert_close(larger.truth.psf.sum((1, 2)), torch.ones(8))


def test_jpeg_is_that_of_files(simulated):
    shown = with_history(simulated, History(display=True)).stack.frames
    poor = with_history(simulated, History(display=True, jpeg=50)).stack.frames
    good = with_history(simulated, History(display=True, jpeg=95)).stack.frames
    errors = [rms(frames.astype(float) - shown) for frames in (good, poor)]
    assert 0 < errors[0] < errors[1] < 10
    assert (good == as_jpeg(shown.astype(np.uint8), 95)).all()


def test_a_video_codec_holds_back_what_hardly_changes():
    draw = torch.Generator().manual_seed(0)
    noisy = (128 + torch.randn((6, 40, 60), generator=draw)).round()
    shown = as_video(noisy, 12.0)
    assert shown.shape == noisy.shape
    still = [float((frames.diff(dim=0) == 0).float().mean()) for frames in (noisy, shown)]
    assert still[0] < 0.5
    assert still[1] > 0.99


def test_a_coarser_video_codec_errs_more(simulated):
    shown = torch.from_numpy(with_history(simulated, History(display=True)).stack.frames).float()
    fine, coarse = as_video(shown, 1.0), as_video(shown, 12.0)
    assert rms(fine - shown) < 1 < rms(coarse - shown) < 8


def test_a_still_video_becomes_no_worse():
    frame = torch.linspace(0, 255, 64).round().expand(1, 40, 64)
    shown = as_video(frame.expand(6, -1, -1), 8.0)
    assert torch.equal(shown[0], shown[5]) or rms(shown[5] - frame) <= rms(shown[0] - frame)
    assert rms(shown - frame) < 3


@pytest.mark.skipif(find_ffmpeg() is None, reason="ffmpeg is not installed")
def test_h264_is_that_of_ffmpeg(simulated):
    shown, good, poor = (
        with_history(simulated, History(display=True, h264=quality)).stack.frames.astype(float)
        for quality in (0, 12, 40)
    )
    assert 0 < rms(good - shown) < 4 < rms(poor - shown) < 30


def test_h264_without_ffmpeg_is_explained(simulated, monkeypatch):
    monkeypatch.setattr(video_codec, "find_ffmpeg", lambda: None)
    with pytest.raises(ConfigError, match="expected the program ffmpeg, found none"):
        with_history(simulated, History(display=True, h264=20))


def test_an_ffmpeg_that_fails_is_explained(simulated, monkeypatch):
    monkeypatch.setattr(video_codec, "find_ffmpeg", lambda: "false")
    with pytest.raises(ConfigError, match="expected false to encode by libx264, found 'nothing'"):
        with_history(simulated, History(display=True, h264=20))


def test_codecs_ask_for_eight_bits():
    with pytest.raises(ConfigError, match="expected display = true"):
        History(jpeg=80)
    with pytest.raises(ConfigError, match="expected '', 'RGGB'"):
        History(mosaic="RGB")
