"""Witnesses of the blur, each on stacks whose blur is known."""

import numpy as np
import pytest
import torch
from simulated import before, still_stack, through, truth_of

from burst.ops.blur import weigh, witnesses
from burst.ops.blur.candidates import FINEST, candidates
from burst.ops.blur.edges import Edges
from burst.ops.warp import compose
from burst.records import NoiseModel

BLURS = candidates(1.0)


def seen(burst):
    """Return the moments of a burst's aligned frames."""
    return witnesses.moments(
        burst.linear, compose(burst.flow, burst.row_motion), burst.valid, burst.noise
    )


def believed(*said, calm=False):
    """Return the half height that witnesses make believe."""
    return weigh.weigh(BLURS, 1.0, list(said), calm).half


def test_noise_alone_is_no_variation():
    draw = torch.Generator().manual_seed(0)
    scene = torch.rand(1, 96, 96, generator=draw)
    frames = scene + 0.01 * torch.randn(20, 96, 96, generator=draw)
    found = witnesses.moments(frames, torch.zeros(20, 2, 96, 96), None, NoiseModel(0, 1e-4))
    assert found.scatter[6:] / found.noise[6:] == pytest.approx(1, abs=0.3)
    assert found.excess == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_variation_alone_tells_the_width(level):
    said = witnesses.of_variation(seen(before("blur", level)), BLURS)
    true = weigh.half_of(truth_of(level).psf.mean(0))
    assert abs(np.log(believed(said) / true)) < 0.25


def test_motion_alone_tells_the_width_at_the_sampling_told():
    true = weigh.half_of(truth_of("medium").psf.mean(0))
    assert abs(np.log(believed(witnesses.of_motion(2.8, 1.0, BLURS)) / true)) < 0.2


def test_the_spectrum_tells_a_blurred_scene_from_a_sharp_one():
    sharp = seen(through("blur", still_stack()))
    dull = seen(before("blur", "high"))
    said = [witnesses.of_spectrum(one, BLURS) for one in (sharp, dull)]
    assert believed(said[1]) < believed(said[0])


def test_a_still_camera_is_calm_and_has_no_blur():
    found = seen(through("blur", still_stack()))
    variation = witnesses.of_variation(found, BLURS)
    assert witnesses.is_calm(0.02, 1.0, variation, BLURS)
    said = [one for one in (variation, witnesses.of_motion(0.02, 1.0, BLURS)) if one is not None]
    assert believed(*said, calm=True) == FINEST


def test_air_is_not_calm_even_where_points_stay():
    variation = witnesses.of_variation(seen(before("blur", "medium")), BLURS)
    assert not witnesses.is_calm(0.02, 1.0, variation, BLURS)


def test_what_a_codec_changes_is_no_witness():
    burst = before("blur")
    found = witnesses.moments(
        burst.linear, compose(burst.flow, burst.row_motion), None, NoiseModel(0, 1e-9)
    )
    assert found.excess > 10
    assert witnesses.of_variation(found, BLURS) is None


def test_too_much_is_feared_more_than_too_little():
    belief = weigh.weigh(BLURS, 1.0, [witnesses.of_motion(2.8, 1.0, BLURS)], False)
    assert weigh.safest(belief) > belief.half
    assert belief.loss(0.6 * belief.half) > belief.loss(belief.half / 0.6)


def test_no_blur_has_a_flat_transfer_function():
    belief = weigh.weigh(BLURS, 1.0, [witnesses.of_motion(2.8, 1.0, BLURS)], False)
    assert (weigh.profile(belief, FINEST) == 1).all()
    curve = weigh.profile(belief, 0.12).double().numpy()
    assert np.interp(0.12, np.arange(32) / 64, curve) == pytest.approx(0.5, abs=0.03)


def test_where_there_may_be_no_blur_none_is_undone():
    said = witnesses.of_motion(2.8, 1.0, BLURS)
    belief = weigh.weigh(BLURS, 1.0, [said], False)
    assert weigh.choice(belief, weigh.safest(belief))[1] == 0
    doubted = weigh.weigh(BLURS, 1.0, [np.where(BLURS.none, said.max() + 1, said)], False)
    assert 0.1 < doubted.none < 0.9
    assert weigh.choice(doubted, belief.half) == (FINEST, 1.0)


def test_a_much_better_psf_replaces_that_of_the_motion():
    belief = weigh.weigh(BLURS, 1.0, [witnesses.of_motion(2.8, 1.0, BLURS)], False)
    assert weigh.choice(belief, belief.half / 2) == (weigh.safest(belief), 1.0)


def test_what_is_used_changes_little_where_the_witnesses_do():
    """Edges grow wider by 1 % a step against a motion that stays."""
    moved = witnesses.of_motion(4.2, 1.0, BLURS)
    of_motion, used = weigh.weigh(BLURS, 1.0, [moved], False).half, []
    for width in np.geomspace(2.5, 7.0, 104):
        seen = witnesses.of_edges(Edges(float(width), 60), False, BLURS)
        best, share = weigh.choice(weigh.weigh(BLURS, 1.0, [moved, seen], False), of_motion)
        used.append((1 - share) * np.log(of_motion) + share * np.log(best))
    assert np.ptp(used) > 0.2
    assert np.abs(np.diff(used)).max() < 0.06
