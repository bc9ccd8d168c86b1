"""The classical restoration is sharper than the mean, and its settings do what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from simulated import after, before, camera_scene, still_scene, still_stack, through, truth_of

from burst.data.levels import find_level
from burst.data.targets import draw_target
from burst.data.turbulence import simulate
from burst.ops.blur.deconvolve import deconvolve
from burst.ops.blur.psf import equivalent_sigma, short_exposure
from burst.ops.metrics import psnr
from burst.ops.warp import warp
from burst.pipeline import load
from burst.records import Burst, Sensor, Stack, Turbulence
from burst.stages.deconvolve import (
    AGREED_MOST_OUTSIDE,
    MOST_OUTSIDE,
    Config,
    _most_outside,
    run,
)


@pytest.mark.parametrize(("level", "gain"), [("low", 3), ("medium", 3), ("high", 2)])
def test_the_whole_pipeline_beats_the_plain_mean(level, gain):
    scene = truth_of(level).scene
    mean = after("noise", level).linear.mean(0)
    assert psnr(after("deconvolve", level).image, scene) > psnr(mean, scene) + gain


def test_deconvolution_adds_to_the_merge():
    burst, scene = after("deconvolve"), truth_of().scene
    assert psnr(burst.image, scene) > psnr(burst.merged, scene) + 1


def test_a_stronger_prior_gives_a_smoother_image():
    detail = [
        float(run(before("deconvolve"), Config(strength=s)).image.diff(dim=1).abs().mean())
        for s in (0.3, 1.0, 4.0)
    ]
    assert detail == sorted(detail, reverse=True)


def test_something_that_flies_through_is_rejected():
    burst = before("deconvolve")
    linear = burst.linear.clone()
    linear[9, 60:90, 60:90] = 1.0
    passing = replace(burst, linear=linear)
    trace = [
        float((run(passing, Config(rejection=r)).merged - after("deconvolve").merged)[
            66:84, 66:84
        ].abs().mean())
        for r in (4.0, 1e6)
    ]  # fmt: skip
    assert trace[0] < 0.2 * trace[1]


def test_a_frame_without_weight_leaves_no_trace():
    burst = before("deconvolve")
    linear, weights = burst.linear.clone(), burst.weights.clone()
    weights[4] = 0
    expected = run(replace(burst, weights=weights), Config(iterations=1)).merged
    linear[4] = 0.7
    found = run(replace(burst, linear=linear, weights=weights), Config(iterations=1)).merged
    assert torch.equal(found, expected)


def test_without_row_motion_the_flow_alone_is_used():
    burst = before("deconvolve")
    still = replace(burst, row_motion=None)
    zero = replace(burst, row_motion=torch.zeros_like(burst.row_motion))
    one, two = (run(b, Config(iterations=1)).merged for b in (still, zero))
    assert torch.equal(one, two)


def test_the_report_says_how_much_was_averaged():
    numbers = after("deconvolve").report.numbers("deconvolve")
    assert 20 < numbers["effective_frames"] <= 40
    assert 0 <= numbers["rejected"] < 0.02
    assert numbers["noise_std"] > 0


def test_too_wide_a_psf_is_softened():
    burst = through("deconvolve", still_stack())
    wide = short_exposure(2.0, 1.0, 0.1, 33).expand(16, -1, -1)
    given = replace(burst, psf=wide)
    result, left = run(given, Config()), unsoftened(given)
    assert psnr(result.image, still_scene()) > psnr(left, still_scene()) + 3
    assert result.report.entries[-1].numbers["psf_power"] < 1
    assert "rings below black or above white" in result.report.warnings[-1]
    assert equivalent_sigma(result.psf[0]) < equivalent_sigma(wide[0])


def test_a_psf_that_is_wrong_altogether_is_not_undone():
    burst = through("deconvolve", still_stack())
    across = torch.arange(33) - 16
    row = torch.exp(-(across**2) / (2 * 6.0**2))
    wide = torch.outer(row, row) / row.sum() ** 2
    result = run(replace(burst, psf=wide.expand(16, -1, -1)), Config())
    assert result.report.entries[-1].numbers["psf_power"] == 0
    assert psnr(result.image, still_scene()) > psnr(result.merged, still_scene()) - 0.1


def test_the_right_psf_is_left_alone():
    for level in ("low", "medium", "high"):
        burst = after("deconvolve", level)
        assert burst.report.numbers("deconvolve")["psf_power"] == 1
        assert burst.psf is before("deconvolve", level).psf


def test_the_right_psf_is_left_alone_before_nothing_but_black_and_white():
    draw = torch.Generator().manual_seed(2)
    printed = draw_target(224, draw).image
    scene = (printed.max() - printed) / (printed.max() - printed.min())
    stack = simulate(scene, find_level("low").point(), draw, 60, (160, 160)).stack
    burst = load("classical").run(Burst(stack))
    assert burst.report.numbers("deconvolve")["psf_power"] == 1


def test_frames_without_air_gain_by_what_registration_blurs():
    burst, scene = through("fuse", still_stack()), still_scene()
    assert psnr(burst.image, scene) > psnr(burst.merged, scene) + 0.3
    restored = load("turbulence").run(Burst(still_stack()))
    assert torch.equal(restored.image, burst.image)


@pytest.mark.parametrize("shifted", [True, False])
def test_frames_without_air_gain_by_denoising_alone(shifted):
    draw = torch.Generator().manual_seed(7)
    shifts = (1.5 if shifted else 0.0) * torch.randn((16, 2, 1, 1), generator=draw)
    scene = 0.9 * camera_scene()[100:240, 180:320]
    seen = warp(scene.expand(16, -1, -1), shifts.expand(-1, -1, 140, 140))[:, 6:-6, 6:-6]
    noisy = seen + 0.12 * torch.randn(seen.shape, generator=draw)
    dn = (1000 + 3000 * noisy).round().clamp(0, 4095).numpy().astype(np.uint16)
    burst = through("fuse", Stack(dn, Sensor(black_level=1000, white_level=4000)))
    assert burst.turbulence.source == "none"
    assert psnr(burst.image, still_scene()) > psnr(burst.merged, still_scene()) + 1.5


def test_two_frames_without_air_are_merged():
    stack = still_stack()
    burst = through("fuse", replace(stack, frames=stack.frames[:2], scan=stack.scan[:2]))
    assert bool(burst.image.isfinite().all())


def unsoftened(burst: Burst) -> torch.Tensor:
    """Return the image [h, w] as it is with the PSF that was given."""
    merged = run(burst, Config(iterations=1)).merged
    return deconvolve(merged, burst.psf[0], 1e-6)


def test_agreement_of_the_witnesses_allows_more_ringing():
    agreed = Turbulence(1.4, 1.4, "motion", 0.152, 0.149)
    assert _most_outside(agreed) == AGREED_MOST_OUTSIDE
    for other in (
        None,
        replace(agreed, source="settings"),
        replace(agreed, half_height_believed=0.12),
    ):
        assert _most_outside(other) == MOST_OUTSIDE
