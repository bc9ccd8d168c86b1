"""NaN and infinity are values that nobody measured: they do not count, and what is said is true."""

from dataclasses import replace

import numpy as np
import pytest
from simulated import stack_of

from burst.files.missing import filled
from burst.files.read import ReadOptions, read_stack
from burst.ops.bayer import split_planes
from burst.pipeline import load
from burst.records import Burst
from burst.stages import noise, screen


def frames_of(count: int = 12) -> np.ndarray:
    return stack_of("low", 128, 20).stack.frames[:count].astype(np.float32)


def test_whole_frames_stay_as_they_are():
    frames = frames_of()
    same, measured = filled("a", frames)
    assert same is frames
    assert measured is None


def test_a_gap_of_one_frame_gets_what_the_others_show():
    frames = frames_of()
    frames[3, 10:20, 30:40] = np.nan
    frames[4, 60, 60] = np.inf
    result, measured = filled("a", frames)
    assert measured is not None
    assert (~measured).sum() == 101
    assert np.array_equal(result[measured], frames[measured])
    others = np.delete(frames, 3, 0)[:, 10:20, 30:40]
    assert np.array_equal(result[3, 10:20, 30:40], np.median(others, 0))


def test_a_pixel_that_no_frame_measured_gets_what_is_beside_it():
    frames = frames_of()
    frames[:, 10:12, 30] = np.nan
    result, _ = filled("a", frames)
    beside = [(9, 30), (10, 29), (10, 31)]
    assert any(np.array_equal(result[:, 10, 30], frames[:, y, x]) for y, x in beside)


@pytest.mark.parametrize("white", [4095.0, 1.0])
def test_gaps_and_levels_are_read(tmp_path, white):
    frames = frames_of() / 4095 * white
    frames[3, 10:20, 30:40] = np.nan
    frames[:, 50, 50] = np.inf if white == 1 else np.nan
    np.save(tmp_path / "gaps.npy", frames)
    stack = read_stack(tmp_path / "gaps.npy", ReadOptions(black_level=256 / 4095 * white))
    assert stack.measured is not None
    assert (~stack.measured).sum() == 112
    assert stack.sensor.white_level == (4095 if white > 1 else 65535)


def with_gaps() -> Burst:
    stack = stack_of("low", 128, 20).stack
    measured = np.ones(stack.frames.shape, bool)
    measured[3, 10:20, 30:40] = False
    measured[:, 70, 70] = False  # one pixel, and a wide gap
    measured[:, 90:98, 90:98] = False
    measured[7, :60] = False  # of one frame nearly half
    return Burst(replace(stack, measured=measured))


def test_what_was_not_measured_does_not_count():
    burst = noise.run(screen.run(with_gaps(), screen.Config()), noise.Config())
    kept, valid = burst.kept.tolist(), burst.valid
    assert kept == [i for i in range(20) if i != 7]
    assert not bool(valid[kept.index(3), 10:20, 30:40].any())
    assert not bool(valid[:, 90:98, 90:98].any())
    assert bool(valid[:, 70, 70].all())
    assert int((~valid[0]).sum()) == 64


def test_gaps_cost_next_to_nothing():
    simulated = stack_of("low", 128, 20)
    truth = simulated.truth.scene
    pipeline = load("classical", [])
    marked = np.where(with_gaps().stack.measured, simulated.stack.frames, np.nan)
    frames, measured = filled("a", marked)
    gaps = replace(simulated.stack, frames=frames.astype(np.uint16), measured=measured)
    clean, found = (pipeline.run(Burst(s)).image for s in (simulated.stack, gaps))
    # Behind the wide gap, which hardly moves in weak air, nobody has looked.
    shown = np.ones(truth.shape, bool)
    shown[88:100, 88:100] = False
    error = [float((x - truth)[shown].square().mean()) for x in (clean, found)]
    assert 10 * np.log10(error[1] / error[0]) < 0.3


def test_planes_of_a_mosaic_have_their_gaps():
    burst = with_gaps()
    mosaic = replace(burst.stack, sensor=replace(burst.stack.sensor, cfa="RGGB"))
    planes = split_planes(mosaic)
    assert sum(int((~plane.measured).sum()) for plane in planes) == int((~mosaic.measured).sum())
