"""Frames are registered to a reference that no single frame bends."""

from dataclasses import replace
from functools import lru_cache

import pytest
import torch
from simulated import after, before, camera_scene, rms, stack_of, total_flow

from burst.data.camera_path import CameraPath, simulate_moved
from burst.data.levels import find_level
from burst.measure.scores import score
from burst.ops.alignment.registration import aligned_mean, recentre
from burst.pipeline import load
from burst.records import Burst, Channel, NoiseModel
from burst.stages.align import POOR_MISFIT, Config, follow, run

INSIDE = (..., slice(8, -8), slice(8, -8))


def error_of(flow: torch.Tensor, level: str) -> float:
    """Return the mean end point error in px against the simulator's centred displacement."""
    truth = recentre(total_flow(stack_of(level, 192, 40)))
    return float((flow - truth)[INSIDE].norm(dim=1).mean())


@pytest.mark.parametrize(("level", "bound"), [("low", 0.3), ("medium", 0.7), ("high", 1.2)])
def test_displacement_is_recovered(level, bound):
    assert error_of(after("align", level).flow, level) < bound


@pytest.mark.parametrize("reference", ["mean", "key"])
def test_every_reference_finds_the_displacement(reference):
    result = run(before("align"), Config(reference=reference))
    note = result.report.entries[-1].numbers
    assert error_of(result.flow, "medium") < 0.75
    assert note["reference"].startswith({"mean": "mean", "key": "key frame"}[reference])


def test_the_key_frame_is_the_one_that_weighs_most():
    burst = before("align")
    weights = torch.ones(40)
    weights[13] = 2.0
    result = run(replace(burst, weights=weights), Config(reference="key"))
    assert result.report.entries[-1].numbers["reference"] == "key frame 13"


def test_turbulence_has_no_mean_displacement():
    flow = after("align").flow
    assert rms(flow.mean(0)[INSIDE]) < 0.03 * rms(flow)


def test_aligned_frames_agree_better_than_the_raw_ones():
    burst = after("align")
    scene = aligned_mean(burst.linear, burst.flow, torch.ones(40))
    assert float(scene[INSIDE].diff(dim=1).abs().mean()) > 1.05 * float(
        burst.linear.mean(0)[INSIDE].diff(dim=1).abs().mean()
    )


def test_the_level_is_noise_and_displacement():
    burst = after("align")
    assert burst.level.noise == pytest.approx(burst.noise.std(0.18))
    truth = total_flow(stack_of("medium", 192, 40))
    assert burst.level.displacement == pytest.approx(rms(truth - truth.mean(0)), rel=0.15)


def test_the_report_tells_every_frames_shift():
    shift = torch.tensor(after("align").report.numbers("align")["shift"])
    assert shift.shape == (40, 2)
    torch.testing.assert_close(shift.mean(0), torch.zeros(2), atol=1e-4, rtol=0)


def test_a_poor_fit_is_told():
    burst = before("align")
    # Frames that differ by far more than this noise can explain.
    quiet = replace(burst, noise=NoiseModel(1e-7, 1e-8))
    result = run(quiet, Config())
    assert result.report.entries[-1].numbers["misfit"] > POOR_MISFIT
    assert "still differ" in result.report.entries[-1].warnings[0]


PATHS = {
    "turns at random": CameraPath(turn=6, kind="random"),
    "turns and scales evenly": CameraPath(turn=16, scale=0.05),
    "drifts": CameraPath(drift=(0.5, 0.1)),
}


@lru_cache(maxsize=4)
def restored(path):
    """Return what the classical pipeline makes of 24 frames taken along a path, and the truth."""
    simulated = simulate_moved(
        camera_scene(), find_level("medium").point(), path, 5, 24, (128, 128)
    )
    return load("classical").run(Burst(simulated.stack)), simulated.truth.scene


@pytest.mark.parametrize("name", PATHS)
def test_a_camera_that_moves_gives_the_image_of_the_camera_at_rest(name):
    (moved, truth), (still, _) = restored(PATHS[name]), restored(CameraPath())
    part = moved.report.numbers("align")["part"]
    left, top = part["offset_in_mean_frame"]
    height, width = moved.image.shape
    assert part["size"] == [height, width]
    place = (slice(top, top + height), slice(left, left + width))
    own, other = score(moved.merged, truth[place]), score(still.merged[place], truth[place])
    assert own.psnr > other.psnr - 0.5
    count = len(moved.linear)
    assert moved.flow.shape == (count, 2, height, width)
    assert moved.row_motion.shape == (count, height, 2)
    assert moved.level.displacement == pytest.approx(still.level.displacement, rel=0.35)


def test_a_drift_is_told_and_the_image_is_what_all_frames_show():
    moved, _ = restored(PATHS["drifts"])
    note = moved.report.numbers("align")
    height, width = note["part"]["size"]
    assert width == pytest.approx(64, abs=12)
    assert height == pytest.approx(115, abs=12)
    # The first frame looks half the drift to the left of the mean.
    x, _ = note["part"]["offset"]
    assert x == pytest.approx(64, abs=10)
    shift = [pair for pair in note["shift"] if pair[0] is not None]
    assert len(note["shift"]) == 24
    assert shift[0][0] - shift[-1][0] == pytest.approx(64 * len(shift) / 24, abs=10)
    assert max(abs(turn) for turn in note["turn"] if turn is not None) < 1


def test_most_frames_show_more():
    simulated = simulate_moved(
        camera_scene(), find_level("low").point(), CameraPath(drift=(0.5, 0)), 5, 12, (96, 96)
    )
    given = load("classical").until("select").run(Burst(simulated.stack))
    most, every = (run(given, Config(field=field)) for field in ("most", "all"))
    assert most.merged.shape[1] > 1.3 * every.merged.shape[1]
    assert bool(most.merged.isfinite().all())


def test_where_nothing_is_shown_by_all_most_decide_and_it_is_said():
    simulated = simulate_moved(
        camera_scene(), find_level("low").point(), CameraPath(drift=(1.1, 0)), 5, 20, (96, 96)
    )
    given = load("classical").until("select").run(Burst(simulated.stack))
    result = run(given, Config())
    assert "at least half of them show" in result.report.entries[-1].warnings[0]
    assert min(result.merged.shape) > 40


def test_small_motion_leaves_the_frame_as_it_is():
    burst = after("align")
    assert burst.motion is None
    assert burst.valid is before("align").valid
    assert burst.merged.shape == burst.linear.shape[1:]
    assert "part" not in burst.report.numbers("align")


def test_values_that_were_not_measured_change_nothing():
    given = before("align")
    valid = torch.ones(given.linear.shape, dtype=torch.bool)
    valid[::5, :90] = False
    valid[:, 60:64, 60:64] = False
    spoilt = replace(given, linear=torch.where(valid, given.linear, 5.0), valid=valid)
    result, clean = run(spoilt, Config()), run(replace(given, valid=valid), Config())
    torch.testing.assert_close(result.flow, clean.flow, atol=1e-3, rtol=0)
    torch.testing.assert_close(result.merged, clean.merged, atol=1e-4, rtol=0)
    assert rms((result.flow - after("align").flow)[1::5]) < 0.3


def test_a_channel_lies_where_the_camera_s_motion_puts_it():
    moved, _ = restored(PATHS["drifts"])
    channel = replace(moved, channel=Channel("R"), merged=None, report=moved.report)
    result = follow(channel, Config())
    assert result.merged.shape == moved.merged.shape
    assert result.flow is moved.flow
    assert result.level.displacement == moved.level.displacement
    assert rms(result.merged - moved.merged) < 0.02


def test_bars_are_not_laid_on_their_neighbours():
    bars = (0.2 + 0.6 * (torch.arange(160.0) // 6 % 2)).expand(160, 160)
    simulated = simulate_moved(bars, find_level("low").point(), CameraPath(), 3, 20, (128, 128))
    burst = load("classical").until("select").run(Burst(simulated.stack, torch.device("cpu")))
    found = run(burst, Config())
    assert found.merged.shape == (128, 128)
    assert "folds" in found.report.entries[-1].warnings[0]
    assert rms(found.flow - found.flow.mean((2, 3), keepdim=True)) < 1e-4
