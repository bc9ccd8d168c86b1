"""A planet is followed, cut out and restored as if it had not moved; every frame is accounted
for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from simulated import planet_stack, still_stack

from burst.measure.discs import score_disc
from burst.pipeline import load
from burst.records import Burst, StackError
from burst.stages.track import Config, run


def restored(made, *settings: str) -> Burst:
    """Return what the pipeline for planets makes of a simulated planet."""
    return load("planet", settings).run(Burst(made.stack))


def psnr(made, burst: Burst) -> float:
    """Return the PSNR on the disc."""
    return score_disc(burst.image, made.truth(tuple(burst.image.shape)), made.planet.globe).psnr


def test_drift_costs_nothing():
    still, drifts = planet_stack(), planet_stack(drift=70.0)
    assert psnr(drifts, restored(drifts)) > psnr(still, restored(still)) - 0.5  # another noise


def test_frames_without_the_disc_are_left_out_and_said():
    made = planet_stack(drift=40.0, away=0.25)
    burst = restored(made)
    gone = set(burst.left_out)
    assert len(gone) >= 4
    assert gone | set(burst.kept.tolist()) == set(range(24))
    assert set(burst.report.numbers("track")["reasons"]) == {str(n) for n in gone}
    assert psnr(made, burst) > 22


def test_the_result_rings_little_inside_the_limb():
    made = planet_stack(limb=0.2)
    burst = restored(made)
    truth = made.truth(tuple(burst.image.shape))
    found = score_disc(burst.image, truth, made.planet.globe)
    assert found.overshoot < 3
    assert found.psnr > score_disc(burst.merged, truth, made.planet.globe).psnr + 3


def test_clouds_are_taken_out():
    stack = planet_stack().stack
    dark = np.where(np.arange(24) % 3, 1.0, 0.6)[:, None, None]
    frames = (256 + (stack.frames.astype(float) - 256) * dark).round().clip(0).astype(np.uint16)
    gain = run(Burst(replace(stack, frames=frames)), Config()).gain
    assert float(gain[::3].mean() / gain[1::3].mean()) == pytest.approx(0.6, abs=0.05)


def test_a_surface_at_rest_is_left_as_it_is():
    stack = still_stack()
    burst = run(Burst(stack), Config())
    assert burst.stack is stack
    assert burst.track is None
    assert burst.kept.tolist() == list(range(16))


def test_nothing_is_followed_if_so_set():
    stack = planet_stack(drift=70.0).stack
    assert run(Burst(stack), Config(target="none")).stack is stack


def test_a_disc_that_is_not_there_is_an_error():
    with pytest.raises(StackError, match=r"expected a whole disc .* Set track.target=surface"):
        run(Burst(still_stack()), Config(target="disc"))


def test_frames_that_are_read_block_by_block_give_the_same_image():
    stack = planet_stack(drift=70.0).stack
    whole = load("planet").run(Burst(stack)).image
    blocks = load("planet").run(Burst(stack, memory=12_000_000)).image
    torch.testing.assert_close(blocks, whole, atol=2e-4, rtol=0)


def test_channels_follow_one_another():
    import burst

    made = planet_stack(drift=40.0, dispersion=1.5)
    image = burst.restore(made.stack, "planet").image
    assert image.ndim == 3
    truth = made.truth(image.shape[:2])
    found = [
        score_disc(torch.from_numpy(image[..., c]), truth, made.planet.globe).psnr for c in range(3)
    ]
    assert min(found) > 20
    # Dispersion is taken out: red lies on blue.
    assert np.abs(image[..., 0] - image[..., 2]).mean() < 0.15 * image[image > 0.05].mean()


def test_a_finer_image_shows_the_same_planet():
    made = planet_stack()
    burst = restored(made, "deconvolve.scale=1.5")
    assert burst.image.shape[0] == round(1.5 * burst.stack.height)
    globe = replace(made.planet.globe, radius=1.5 * made.planet.radius)
    truth = made.truth(tuple(burst.image.shape), 1.5)
    assert score_disc(burst.image, truth, globe).psnr > 22


def test_what_is_followed_survives_keeping(tmp_path):
    from burst.jobs.pack import pack, unpack

    burst = run(Burst(planet_stack(drift=40.0).stack), Config())
    assert unpack(*pack(burst.track), "cpu") == burst.track


def test_where_a_planet_drifts_through_another_pipeline_this_one_is_named():
    for drift, named in ((0.0, False), (50.0, True)):
        made = planet_stack(drift=drift)
        found = load("classical").until("align").run(Burst(made.stack, torch.device("cpu")))
        assert any("--pipeline planet" in said for said in found.report.warnings) == named
