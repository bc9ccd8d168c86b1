"""The noise stage gives linear frames without hot pixels and row noise, and their noise model."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from simulated import after, before, linear_of, rms, stack_of, truth_of

from burst.data.defects import DEFECTS
from burst.ops.alignment import similarity
from burst.records import MID_GREY, Burst, NoiseModel, Sensor, Stack, StackError
from burst.stages.noise import Config, _row_offsets, run


def test_noise_at_mid_grey_is_that_of_the_level():
    conditions = truth_of().conditions
    numbers = after("noise").report.numbers("noise")
    variance = 0.18 / conditions.electrons + (conditions.read_noise / conditions.electrons) ** 2
    assert numbers["mid_grey_std"] ** 2 == pytest.approx(variance, rel=0.1)
    assert numbers["shot"] == after("noise").noise.shot
    assert numbers["read"] == after("noise").noise.read


def test_the_curve_is_the_one_that_was_fitted():
    curve = after("noise").report.numbers("noise")["curve"]
    level, variance = np.array(curve["level"]), np.array(curve["variance"])
    noise = after("noise").noise
    bright = level > 0.05
    fitted = noise.shot * level + noise.read
    assert (np.diff(level) > 0).all()
    np.testing.assert_allclose(variance[bright], fitted[bright], rtol=0.25)


def test_hot_pixels_are_mended():
    hot = truth_of().hot
    found, kept = (run(before("noise"), Config(hot_pixels=flag)) for flag in (True, False))
    assert found.report.entries[-1].numbers["hot_pixels"] == int(hot.sum())
    assert hot.sum() > 0
    assert float(kept.linear[:, hot].mean()) > float(found.linear[:, hot].mean()) + 0.3
    assert torch.equal(found.linear[:, ~hot], kept.linear[:, ~hot])


def test_row_noise_is_taken_out_where_there_is_any():
    simulated = stack_of("very-high")
    burst = Burst(simulated.stack)
    with_it, without_it = (run(burst, Config(row_noise=flag)).linear for flag in (False, True))
    taken = (with_it - without_it).mean(2)
    truth = simulated.truth.row_offset
    assert rms(truth - taken) < 0.8 * rms(truth)


def test_row_noise_may_be_left_in():
    simulated = stack_of("very-high")
    config = Config(hot_pixels=False, row_noise=False)
    assert torch.equal(run(Burst(simulated.stack), config).linear, linear_of(simulated))


def test_levels_of_the_sensor_are_used():
    simulated = stack_of("low")
    stack = simulated.stack
    sensor = replace(stack.sensor, black_level=1256, white_level=5095)
    moved = Stack(stack.frames + np.uint16(1000), sensor)
    one, two = (run(Burst(s), Config()).linear for s in (stack, moved))
    torch.testing.assert_close(one, two, atol=1e-5, rtol=0)


def test_the_stack_itself_is_not_written_to():
    stack = stack_of("low").stack
    frames = stack.frames.copy()
    run(Burst(stack), Config())
    np.testing.assert_array_equal(stack.frames, frames)


def spoilt(kind: str, level: str = "low") -> Stack:
    """Return a simulated stack with defects of a kind."""
    stack = stack_of(level).stack
    return replace(stack, frames=DEFECTS[kind](stack.frames, 0))


def test_defects_are_mended_and_leave_the_noise_alone():
    clean, found = (
        run(Burst(s), Config()) for s in (stack_of("low").stack, spoilt("dead_cluster"))
    )
    bad = torch.from_numpy((spoilt("dead_cluster").frames != stack_of("low").stack.frames).any(0))
    # What is mended from both sides stands for a narrow gap.
    assert found.valid is None
    assert rms(found.linear[:, bad] - clean.linear[:, bad]) < 0.05
    assert found.noise.std(0.18) == pytest.approx(clean.noise.std(0.18), rel=0.02)
    assert found.report.entries[-1].numbers["defects"]["clusters"] == 4


def with_wide_gap() -> Stack:
    """Return a simulated stack with six dead rows."""
    stack = stack_of("low").stack
    frames = stack.frames.copy()
    frames[:, 60:66] = 0
    return replace(stack, frames=frames)


def test_a_wide_gap_is_not_valid():
    found = run(Burst(with_wide_gap()), Config())
    assert not found.valid[:, 60:66].any()
    assert int((~found.valid[0]).sum()) < 7 * found.valid.shape[2]
    assert found.valid.shape == found.linear.shape
    assert found.valid.untyped_storage().nbytes() == found.linear[0].numel()


def test_what_was_not_valid_before_is_not_valid_after():
    stack = with_wide_gap()
    before = torch.ones(stack.frames.shape, dtype=torch.bool)
    before[3, :40] = False
    after = run(Burst(stack, valid=before), Config()).valid
    assert not after[3, :40].any()
    assert not after[0].all()
    assert after[0].float().mean() > 0.9


def test_without_defects_valid_stays_as_it_was():
    frames = stack_of("low").stack.frames.copy()
    hot = stack_of("low").truth.hot.numpy()
    frames[:, hot] = frames[:, np.roll(hot, 1, axis=1)]
    assert run(Burst(Stack(frames, stack_of("low").stack.sensor)), Config()).valid is None


def test_read_noise_is_at_least_rounding():
    for stack in (stack_of("low").stack, spoilt("dark_row_block")):
        step = 1 / (stack.sensor.white_level - stack.sensor.black_levels[0])
        assert run(Burst(stack), Config()).noise.read >= step**2 / 12


def told(shot: float, read: float, count: int = 30) -> Stack:
    """Return a stack of low noise whose sensor tells of noise."""
    stack = stack_of("low").stack
    return Stack(stack.frames[:count], replace(stack.sensor, noise=NoiseModel(shot, read)))


def test_many_frames_outvote_a_wrong_word_on_noise_which_is_told():
    alone = run(Burst(stack_of("low").stack), Config()).noise
    burst = run(Burst(told(4 * alone.shot, 4 * alone.read)), Config())
    assert burst.noise.std(0.18) ** 2 == pytest.approx(alone.std(0.18) ** 2, rel=0.1)
    assert burst.report.entries[-1].numbers["model"] == "frames and sensor"
    assert any("told as 4" in text for text in burst.report.warnings)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_of_few_frames_the_word_on_noise_counts(count):
    alone = run(Burst(stack_of("low").stack), Config()).noise
    burst = run(Burst(told(1.6 * alone.shot, 1.6 * alone.read, count)), Config())
    assert burst.noise.std(0.18) ** 2 == pytest.approx(1.6 * alone.std(0.18) ** 2, rel=0.15)
    assert burst.report.warnings == ()


def test_in_darkness_the_word_on_shot_noise_counts():
    generator, noise = np.random.default_rng(0), NoiseModel(2e-3, 1e-4)
    dark = 0.01 * 3839 + 256 + 3839 * noise.std(0.01) * generator.standard_normal((30, 64, 64))
    sensor = replace(stack_of("low").stack.sensor, noise=noise)
    burst = run(Burst(Stack(dark.clip(0).astype(np.uint16), sensor)), Config())
    assert burst.noise.shot == pytest.approx(noise.shot, rel=0.3)
    assert burst.noise.std(0.01) == pytest.approx(noise.std(0.01), rel=0.05)


def test_the_sensor_s_word_may_be_the_answer():
    burst = run(Burst(told(1e-3, 1e-5)), Config(model="sensor"))
    assert burst.noise == NoiseModel(1e-3, 1e-5)
    assert burst.report.entries[-1].numbers["model"] == "sensor"
    with pytest.raises(StackError, match=r"expected the noise of the sensor, found none"):
        run(Burst(stack_of("low").stack), Config(model="sensor"))


def with_levels(black: float, white: float = 4095) -> Stack:
    """Return a stack of low noise, made with black 256, that is told other levels."""
    stack = stack_of("low").stack
    return replace(stack, sensor=replace(stack.sensor, black_level=black, white_level=white))


def warnings_of(stack: Stack) -> str:
    """Return all warnings of the stage."""
    return " ".join(run(Burst(stack), Config()).report.warnings)


def test_right_levels_need_no_word():
    for level in ("low", "medium", "high", "very-high"):
        assert warnings_of(stack_of(level).stack) == ""


def test_black_that_is_too_low_is_told_with_the_value_to_pass():
    said = warnings_of(with_levels(0))
    value = int(said.rpartition("--black-level ")[2].rstrip("."))
    assert 226 <= value <= 280
    assert warnings_of(with_levels(value)) == ""


def test_black_that_is_too_high_is_told():
    assert "--black-level 2" in warnings_of(with_levels(400))


def test_a_white_level_that_values_never_reach_is_told():
    stack = stack_of("low").stack
    frames = np.minimum(stack.frames, np.uint16(2047))
    assert "Pass --white-level 2047." in warnings_of(replace(stack, frames=frames))


def test_a_level_to_pass_is_told_as_a_share_where_values_were_scaled():
    stack = stack_of("low").stack
    frames = (stack.frames.astype(np.uint32) * 16).astype(np.uint16)
    scaled = replace(stack, frames=frames, sensor=Sensor(black_level=0, white_level=65535))
    said = warnings_of(scaled)
    share = float(said.partition(", or ")[2].partition(" of white if the values were scaled")[0])
    assert 226 <= share * 4095 <= 280


def test_an_encoded_source_has_no_line_of_noise_and_hears_nothing():
    stack = with_levels(0)
    coded = replace(stack, sensor=replace(stack.sensor, transfer="srgb"))
    assert warnings_of(coded) == ""


def test_an_assumed_black_level_is_told():
    stack = stack_of("low").stack
    assumed = replace(stack, sensor=replace(stack.sensor, black_assumed=True))
    assert "256 DN, which is used. Pass --black-level" in warnings_of(assumed)


def test_of_very_many_frames_some_tell_the_noise_and_all_are_mended(monkeypatch):
    burst = Burst(stack_of("very-high").stack)
    whole = run(burst, Config())
    monkeypatch.setattr("burst.stages.noise.MOST_MEASURED", 10)
    some = run(burst, Config())
    assert len(some.linear) == len(whole.linear) > 10
    assert some.noise.std(MID_GREY) == pytest.approx(whole.noise.std(MID_GREY), rel=0.05)
    assert some.noise != whole.noise
    numbers = [each.report.entries[-1].numbers for each in (some, whole)]
    assert numbers[0]["row_noise_std"] == pytest.approx(numbers[1]["row_noise_std"], rel=0.1)
    assert numbers[0]["hot_pixels"] == pytest.approx(numbers[1]["hot_pixels"], abs=2)


def test_where_some_frames_show_no_row_noise_none_is_taken_out(monkeypatch):
    monkeypatch.setattr("burst.stages.noise.MOST_MEASURED", 10)
    simulated = stack_of("low")
    found = run(Burst(simulated.stack), Config(hot_pixels=False))
    assert torch.equal(found.linear, linear_of(simulated))


@pytest.mark.parametrize("drift", [0, 4])
def test_of_very_many_frames_some_tell_whether_the_camera_moved(drift, monkeypatch):
    random = np.random.default_rng(0)
    scene = cv2.resize(random.normal(size=(30, 60)), (400, 140), interpolation=cv2.INTER_CUBIC)
    rows = random.normal(0, 0.01, (24, 128, 1))
    frames = np.stack([scene[:128, drift * i : drift * i + 128] for i in range(24)]) / 10 + 0.5
    noisy = torch.from_numpy(frames + rows + random.normal(0, 0.01, frames.shape)).float()
    model, placed = NoiseModel(0.0, 1e-4), []
    find = similarity.find_motion
    monkeypatch.setattr(
        similarity, "find_motion", lambda some, *rest: placed.append(len(some)) or find(some, *rest)
    )
    whole = _row_offsets(noisy, model, None, None)
    monkeypatch.setattr("burst.stages.noise.MOST_MEASURED", 12)
    assert torch.equal(_row_offsets(noisy, model, None, None), whole)
    assert rms(whole - torch.from_numpy(rows[..., 0])) < 0.5 * rms(torch.from_numpy(rows))
    assert placed == ([24, 12, 24] if drift else [24, 12])
