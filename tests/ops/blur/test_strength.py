"""The strength of turbulence is read off displacements, whatever moved the camera."""

import numpy as np
import pytest
import torch
from simulated import camera_scene, stack_of

from burst.ops.blur import strength
from burst.ops.blur.psf import blur, short_exposure
from burst.ops.blur.strength import (
    LEAST_DOUBT,
    common_variance,
    detail,
    fit_strength,
    measure_strength,
    strongest_plausible,
    structure_function,
)
from burst.ops.turbulence.air import Air, mode_correlation, tilt_std, tilt_to_pixels, zernike_fields
from burst.ops.warp import resize_field

EVERYWHERE = torch.ones(192, 192)


def air_flow(d_over_r0: float, sampling: float = 1.0, seed: int = 0) -> torch.Tensor:
    """Return displacements [60, 2, 192, 192] px by air alone, frames apart in time."""
    air = Air(d_over_r0, sampling=sampling, modes=3, coherence=0.0)
    tilts = zernike_fields(air, (25, 25), 8.0, 60, torch.Generator().manual_seed(seed))
    return resize_field(tilts * tilt_to_pixels(sampling), (192, 192))


def theory(d_over_r0: float, distance: np.ndarray, aperture_px: float) -> np.ndarray:
    """Return the mean square differences [m, 2] px^2 of tilts along a row."""
    zero = np.zeros_like(distance)
    correlation = [mode_correlation(j, distance, zero, aperture_px) for j in (2, 3)]
    return 2 * tilt_std(d_over_r0) ** 2 * (1 - np.stack(correlation, axis=1))


@pytest.mark.parametrize("d_over_r0", [0.8, 3.0, 9.0])
def test_a_structure_function_of_theory_gives_its_strength_exactly(d_over_r0):
    distance = np.arange(20.0, 120.0, 8.0)
    found = fit_strength(distance, theory(d_over_r0, distance, 32.0), sampling=1.0)
    assert found.d_over_r0 == pytest.approx(d_over_r0, rel=1e-6)
    assert found.aperture_px == pytest.approx(32.0)
    assert found.misfit == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found.model, found.square, rtol=1e-6)


def test_a_doubtful_curve_is_no_wide_beam():
    # Displacements that are smoothed between few edges grow too slowly with distance.
    distance = np.arange(20.0, 120.0, 8.0)
    rise = (distance / distance.mean()) ** 0.3
    square = theory(4.5, distance, 32.0) * rise[:, None]
    believed, doubted = (fit_strength(distance, square, 1.0, doubt) for doubt in (0, LEAST_DOUBT))
    assert 32 < doubted.aperture_px < believed.aperture_px
    assert 4.5 < doubted.d_over_r0 < 0.95 * believed.d_over_r0


@pytest.mark.parametrize(("frames", "doubt"), [(4, 1.0), (900, LEAST_DOUBT)])
def test_doubt_falls_with_the_frames_to_what_is_left(monkeypatch, frames, doubt):
    seen = []
    monkeypatch.setattr(strength, "fit_strength", lambda *_, doubt, unturned: seen.append(doubt))
    measure_strength(torch.randn(frames, 2, 64, 64), torch.rand(64, 64), 1.0)
    assert seen == [pytest.approx(doubt)]


@pytest.mark.parametrize("d_over_r0", [1.0, 3.0, 6.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_true_displacements_give_the_strength_within_a_fifth(d_over_r0, seed):
    distance, square = structure_function(air_flow(d_over_r0, seed=seed), EVERYWHERE, 4)
    assert fit_strength(distance, square, 1.0).d_over_r0 == pytest.approx(d_over_r0, rel=0.2)


def test_finer_pixels_see_the_same_air():
    distance, square = structure_function(air_flow(3.0, sampling=0.5), EVERYWHERE, 4)
    assert fit_strength(distance, square, 0.5).d_over_r0 == pytest.approx(3.0, rel=0.2)


@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_the_simulators_own_flow_gives_the_levels_strength(level):
    truth = stack_of(level, size=192, frames=40).truth
    distance, square = structure_function(truth.flow, EVERYWHERE, 4)
    expected = truth.conditions.d_over_r0
    assert fit_strength(distance, square, 1.0).d_over_r0 == pytest.approx(expected, rel=0.2)


def test_a_shaking_camera_changes_nothing():
    flow = air_flow(2.0)
    shake = 3 * torch.randn(60, 2, 192, 1, generator=torch.Generator().manual_seed(9))
    _, still = structure_function(flow, EVERYWHERE, 4)
    _, shaken = structure_function(flow + shake, EVERYWHERE, 4)
    np.testing.assert_allclose(shaken, still, rtol=1e-3)


def test_what_all_frames_share_is_no_turbulence():
    bend = torch.linspace(0, 5, 192).expand(60, 2, 192, 192)
    _, square = structure_function(bend, EVERYWHERE, 4)
    assert np.abs(square).max() < 1e-6


def test_places_without_confidence_are_not_asked():
    flow, broken = air_flow(2.0), air_flow(2.0)
    broken[:, :, :96] += 10 * torch.randn(
        60, 2, 96, 192, generator=torch.Generator().manual_seed(1)
    )
    trust = EVERYWHERE.clone()
    trust[:96] = 0
    _, expected = structure_function(flow[:, :, 96:], EVERYWHERE[96:], 4)
    _, square = structure_function(broken, trust, 4)
    np.testing.assert_allclose(square, expected, rtol=1e-4)


def test_other_laws_do_not_fit():
    distance = np.arange(20.0, 120.0, 8.0)
    found = fit_strength(distance, np.stack([distance**3, distance**3], axis=1), 1.0)
    assert found.misfit > 0.4


def test_displacements_count_where_there_is_detail():
    flow, reference = air_flow(3.0), torch.zeros(192, 192)
    reference[:96] = (torch.arange(192) // 6 % 2).float()
    flow[:, :, 110:] += 20 * torch.randn(60, 2, 82, 192, generator=torch.Generator().manual_seed(1))
    assert measure_strength(flow, reference, 1.0).d_over_r0 == pytest.approx(3.0, rel=0.2)


def test_whole_frames_move_as_the_air_does_on_average():
    moved = torch.cat([air_flow(3.0, seed=seed).mean((2, 3)) for seed in range(4)])
    distance = np.arange(20.0, 120.0, 8.0)
    strength = fit_strength(distance, theory(3.0, distance, 32.0), 1.0)
    expected = common_variance(strength, (192, 192), 1.0)
    torch.testing.assert_close(moved.var(0), expected.float(), rtol=0.25, atol=0)


def test_a_large_frame_moves_less_as_a_whole():
    distance = np.arange(20.0, 120.0, 8.0)
    strength = fit_strength(distance, theory(3.0, distance, 32.0), 1.0)
    small, large = (common_variance(strength, (side, side), 1.0) for side in (16, 256))
    assert bool((large < 0.7 * small).all())
    assert float(small.max()) < tilt_std(3.0) ** 2


def test_displacement_is_seen_at_corners_but_not_along_edges_nor_in_the_sky():
    image = torch.zeros(120, 120)
    image[60:, 40:] = 1
    seen = detail(image + 1e-3 * torch.rand(120, 120, generator=torch.Generator().manual_seed(0)))
    assert float(seen[60, 40]) > 0.9
    assert float(seen[100, 40]) < 0.7
    assert float(seen[20, 80]) < 0.7
    assert 0 <= float(seen.min()) <= float(seen.max()) <= 1


@pytest.mark.parametrize("d_over_r0", [1.0, 3.0, 6.0])
def test_a_natural_scene_does_not_rule_out_the_blur_it_went_through(d_over_r0: float) -> None:
    blurred = blur(camera_scene()[None], short_exposure(d_over_r0, 1.0, 0.0, 33)[None])[0]
    assert strongest_plausible(blurred, 1e-7, 1.0) > 0.9 * d_over_r0


def test_fine_grain_rules_out_any_blur() -> None:
    grain = torch.rand(192, 192, generator=torch.Generator().manual_seed(0))
    assert strongest_plausible(grain, 1e-7, 1.0) < 0.5


def test_an_image_without_room_or_signal_rules_out_nothing() -> None:
    assert strongest_plausible(torch.rand(40, 40), 1e-7, 1.0) == float("inf")
    assert strongest_plausible(torch.zeros(192, 192), 1e-7, 1.0) == float("inf")
