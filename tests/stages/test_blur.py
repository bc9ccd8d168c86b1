"""The PSF follows from the strength of the turbulence, which the displacements tell."""

from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch
from simulated import after, before, camera_scene, rms, still_stack, through, truth_of

from burst.data.charts import EDGES, draw_chart
from burst.data.levels import Conditions, find_level
from burst.data.turbulence import SimulatedStack, simulate
from burst.ops.blur.candidates import FINEST, candidates
from burst.ops.blur.psf import blur, equivalent_sigma, short_exposure
from burst.ops.blur.strength import Strength
from burst.ops.blur.weigh import half_of, weigh
from burst.ops.filters import gaussian_blur
from burst.ops.turbulence.air import Air
from burst.records import Sensor
from burst.stages.blur import STRONGEST, BlurEstimate, Config, run
from burst.stages.blur import _warning as warning_of

LEVELS = ["low", "medium", "high"]
BLACK = {"black_level": 256, "white_level": 4095}


def gaussian_kernel(sigma: float) -> torch.Tensor:
    """Return a Gaussian [13, 13] of sum 1."""
    point = torch.zeros(1, 13, 13)
    point[..., 6, 6] = 1
    return gaussian_blur(point, sigma)[0]


def coarse_stack(strength: float) -> SimulatedStack:
    """Return a stack of the camera man through air at a sampling of 1.8."""
    conditions = Conditions(strength, 2000, 4, 0.3, 0)
    draw = torch.Generator().manual_seed(3)
    air = Air(strength, sampling=1.8)
    return simulate(camera_scene(), conditions, draw, 24, (160, 160), air=air)


@pytest.mark.parametrize("level", LEVELS)
def test_strength_is_measured_within_a_fifth(level):
    found = after("blur", level).report.numbers("blur")["d_over_r0"]
    assert found == pytest.approx(truth_of(level).conditions.d_over_r0, rel=0.2)


@pytest.mark.parametrize("level", LEVELS)
def test_the_psf_is_as_wide_as_the_true_one(level):
    found = equivalent_sigma(after("blur", level).psf.mean(0))
    assert found == pytest.approx(equivalent_sigma(truth_of(level).psf.mean(0)), rel=0.15)


def test_psfs_sum_to_one():
    torch.testing.assert_close(after("blur").psf.sum((1, 2)), torch.ones(40))


def test_a_given_strength_is_used():
    result = run(before("blur"), Config(d_over_r0=2.0, jitter=0.1))
    assert result.report.entries[-1].numbers["d_over_r0"] == 2.0
    expected = equivalent_sigma(short_exposure(2.0, 1.0, 0.1, 33))
    assert equivalent_sigma(result.psf.mean(0)) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("size", "given"), [(21, 21), (20, 21), (5, 5)])
def test_the_psf_has_the_size_asked_for_made_odd(size, given):
    assert run(before("blur"), Config(size=size)).psf.shape == (40, given, given)


def test_jitter_widens_the_psf():
    sharp, wide = (run(before("blur"), Config(2.0, j)).psf.mean(0) for j in (0.0, 1.0))
    assert equivalent_sigma(wide) > equivalent_sigma(sharp) + 0.1


def test_fast_motion_smears_the_frame_in_which_it_happens():
    burst = before("blur")
    motion = torch.zeros(40, 192, 2)
    motion[3, :, 0] = torch.linspace(0, 12, 192)
    psf = run(replace(burst, row_motion=motion), Config(d_over_r0=3.0)).psf
    assert equivalent_sigma(psf[3]) > 1.05 * equivalent_sigma(psf[0])
    torch.testing.assert_close(psf[0], psf[1])


def test_the_structure_function_is_reported_with_its_model():
    structure = after("blur").report.numbers("blur")["structure"]
    measured, model = torch.tensor(structure["measured"]), torch.tensor(structure["model"])
    assert len(structure["distance"]) == len(measured) == len(model)
    assert rms((measured / model).log()) < 0.2


def test_absurd_displacements_are_told_and_bounded():
    burst = before("blur")
    result = run(replace(burst, flow=20 * burst.flow), Config())
    numbers = result.report.entries[-1].numbers
    assert numbers["d_over_r0"] <= STRONGEST < numbers["d_over_r0_of_motion"]


def test_fine_detail_bounds_the_blur():
    burst = before("blur")
    grain = torch.rand(192, 192, generator=torch.Generator().manual_seed(0))
    result = run(replace(burst, merged=grain, flow=0.0 * burst.flow), Config())
    assert result.report.entries[-1].numbers["d_over_r0_bound"] < 1.0


def test_displacements_unlike_turbulence_do_not_decide():
    burst = before("blur")
    y, x = torch.meshgrid(torch.arange(192.0), torch.arange(192.0), indexing="ij")
    side = torch.ones(40)
    side[::2] = -1
    zoom = side[:, None, None, None] * torch.stack([(x / 96) ** 3, (y / 96) ** 3])
    numbers = run(replace(burst, flow=burst.flow + zoom), Config()).report.entries[-1].numbers
    assert numbers["source"] == "witnesses" or numbers["half_height_error"] > 0.1


@pytest.mark.parametrize("level", LEVELS)
def test_where_the_witnesses_agree_the_psf_is_that_of_the_motion(level):
    numbers = after("blur", level).report.numbers("blur")
    of_motion = min(numbers["d_over_r0_of_motion"], numbers["d_over_r0_bound"])
    assert numbers["source"] == "motion"
    assert numbers["share"] < 0.25
    assert numbers["d_over_r0"] == pytest.approx(of_motion, rel=0.05 if numbers["share"] else 0)


def test_a_still_camera_has_no_blur():
    result = run(through("blur", still_stack()), Config())
    numbers = result.report.entries[-1].numbers
    assert numbers["source"] == "none"
    assert float(result.psf[0].max()) == pytest.approx(1.0, abs=1e-5)
    assert not result.report.entries[-1].warnings


def test_a_warning_stands_where_much_may_be_lost_alone():
    blurs = candidates(1.0)
    sure = weigh(blurs, 1.0, [np.where(blurs.none, 20.0, 0.0)], False)
    unsure = weigh(blurs, 1.0, [np.zeros(len(blurs.none))], False)
    air = Strength(1.0, 32.0, 0.1, *np.zeros((3, 1)))
    for belief, warned in ((sure, False), (unsure, True)):
        estimate = BlurEstimate(belief, FINEST, 1.0, 0.0, {})
        found = warning_of(air, 3.0, estimate, FINEST)
        assert (found is not None and "hardly show any blur" in found) == warned


def test_a_bound_that_the_witnesses_confirm_is_no_warning():
    blurs = candidates(1.0)
    at_told = np.isclose(blurs.d_over_r0, blurs.d_over_r0[1000]) & np.isclose(blurs.sampling, 1)
    belief = weigh(blurs, 1.0, [np.where(at_told & (blurs.static == 0), 30.0, 0.0)], False)
    air = Strength(8.0, 32.0, 0.1, *np.zeros((3, 1)))
    estimate = BlurEstimate(belief, belief.half, 0.0, 0.0, {})
    assert warning_of(air, 5.0, estimate, belief.half) is None
    assert "too fine detail" in warning_of(air, 5.0, estimate, belief.half / 2)


@pytest.mark.parametrize("strength", [2.0, 3.5])
def test_the_blur_on_coarse_pixels_is_found(strength):
    """Air at a sampling of 1.8 that no sidecar tells. At D/r0 = 2 no PSF of the motion has the
    width."""
    simulated = coarse_stack(strength)
    result = run(through("blur", replace(simulated.stack, sensor=Sensor(**BLACK))), Config())
    numbers = result.report.entries[-1].numbers
    true = half_of(simulated.truth.psf.mean(0))
    assert numbers["source"] == "witnesses" or strength == 3.5
    assert abs(log(numbers["half_height"] / true)) < 0.15


def test_a_chart_need_not_have_the_spectrum_of_a_photograph():
    conditions = find_level("high").point()
    draw = torch.Generator().manual_seed(1)
    simulated = simulate(draw_chart(EDGES, 160), conditions, draw, 40, (160, 160))
    found = run(through("blur", simulated.stack), Config()).report.entries[-1].numbers
    true = half_of(simulated.truth.psf.mean(0))
    assert abs(log(found["half_height"] / true)) < 0.15


def test_defocus_is_found_by_the_edges():
    scene = gaussian_blur(camera_scene()[None], 2.0)[0]
    draw = torch.Generator().manual_seed(2)
    simulated = simulate(scene, Conditions(1.5, 1500, 4, 0.3, 0), draw, 24, (160, 160))
    numbers = run(through("blur", simulated.stack), Config()).report.entries[-1].numbers
    air = simulated.truth.psf.mean(0)
    true = half_of(blur(air[None], gaussian_kernel(2.0)[None])[0])
    assert numbers["source"] == "witnesses"
    assert abs(log(numbers["half_height"] / true)) < 0.2


def test_the_psf_of_another_plane_is_taken_as_it_is():
    first = after("blur", "medium")
    burst = replace(before("blur", "low"), turbulence=first.turbulence)
    result = run(burst, Config())
    torch.testing.assert_close(result.psf[0], first.psf[0])
    assert result.turbulence == first.turbulence


def test_what_is_told_is_not_weighed():
    numbers = run(before("blur"), Config(d_over_r0=2.0)).report.entries[-1].numbers
    assert numbers["source"] == "settings"
    assert "witnesses" not in numbers


def test_every_witness_is_in_the_report():
    told = after("blur").report.numbers("blur")["witnesses"]
    assert list(told) == ["frequency", "motion", "variation", "spectrum", "edges", "believed"]
    assert {len(curve) for curve in told.values()} == {33}
