"""Images of single instants come out of frames that rolled, and wrong use is told."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from rolled import FRAME_TIME, recording, reset_recording, truth

from burst.ops.metrics import psnr
from burst.pipeline import load, run_step
from burst.records import Burst, Sensor, Shutter, Stack, StackError
from burst.settings import ConfigError

INSIDE = (..., slice(16, -16), slice(24, -24))


def unroll(stack: Stack, *settings: str, pipeline: str = "rolling_geometry") -> Burst:
    """Run the pipeline with settings of its only stage."""
    step = load(pipeline, [f"unroll.{text}" for text in settings]).steps[0]
    return run_step(step, Burst(stack))


def score(image: torch.Tensor, wanted: torch.Tensor) -> float:
    return psnr(image[INSIDE], wanted[INSIDE])


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_an_instant_is_what_a_global_shutter_saw(share):
    sequence = recording()
    image = unroll(sequence.luminance(), f"instants=[{share}]", "frame=1").image
    wanted = truth(sequence, 1, share)
    rolled = torch.from_numpy(sequence.frames[1] / 255).float()
    assert image.shape == wanted.shape
    assert score(image, wanted) > score(rolled, wanted) + 6


def test_a_still_scene_stays_as_it_is():
    sequence = recording(speed=0.0)
    image = unroll(sequence.luminance()).image
    np.testing.assert_allclose(image, sequence.frames[0] / 255, atol=0.01)


def test_several_instants_are_those_of_each():
    stack = recording().luminance()
    together = unroll(stack, "instants=[0.0,1.0]").image
    alone = unroll(stack, "instants=[1.0]").image
    assert together.shape == (2, 128, 160)
    assert torch.equal(together[1], alone)


def test_a_video_has_so_many_images_a_frame_time():
    burst = unroll(recording(frames=3).luminance(), "video=2")
    assert burst.image.shape == (5, 128, 160)
    instants = burst.report.numbers("unroll")["instants"]
    np.testing.assert_allclose(np.diff(instants), 0.5, atol=1e-6)


@pytest.mark.parametrize(("frames", "order"), [(3, 2), (5, 3)])
def test_more_frames_follow_a_swinging_camera(frames, order):
    sequence = recording(frames=frames, swing=12.0)
    middle = frames // 2
    wanted = truth(sequence, middle, 1.0)
    scores = [
        score(
            unroll(
                sequence.luminance(), "instants=[1.0]", f"frame={middle}", f"order={degree}"
            ).image,
            wanted,
        )
        for degree in (1, order)
    ]
    assert scores[1] > scores[0] + 1


@pytest.mark.parametrize("frames", [3, 5])
def test_a_shake_is_taken_out_of_the_rows(frames):
    sequence = recording(frames=frames, shake=0.8)
    middle = frames // 2
    wanted = truth(sequence, middle, 0.5)
    said = f"frame={middle}"
    burst = unroll(sequence.luminance(), said)
    without = unroll(sequence.luminance(), said, "order=2")
    assert score(burst.image, wanted) > score(without.image, wanted) + 1
    assert burst.report.numbers("unroll")["shake"]["strength"] > 0.1
    assert "shake" not in without.report.numbers("unroll")


def test_an_object_moves_before_a_still_scene():
    sequence = recording(speed=0.0, object_speed=350.0)
    image = unroll(sequence.luminance(), "frame=1").image
    wanted = truth(sequence, 1, 0.5)
    rolled = torch.from_numpy(sequence.frames[1] / 255).float()
    assert score(image, wanted) > score(rolled, wanted) + 3


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_dual_reversed_pair_meets_in_one_instant(share):
    sequence = recording(Shutter.DUAL_REVERSED)
    burst = unroll(sequence.luminance(), f"instants=[{share}]", pipeline="dual_reversed_geometry")
    wanted = truth(sequence, 0, share)
    first = torch.from_numpy(sequence.frames[0] / 255).float()
    assert score(burst.image, wanted) > max(24, score(first, wanted) + 3 * (share != 0.5))
    assert np.abs(burst.report.numbers("unroll")["offset"]).max() < 0.3


def test_the_offset_of_a_rig_is_found_and_undone():
    sequence = recording(Shutter.DUAL_REVERSED)
    frames = sequence.frames.copy()
    frames[1] = np.roll(frames[1], (2, -3), (0, 1))
    burst = unroll(replace(sequence, frames=frames).luminance(), pipeline="dual_reversed_geometry")
    assert burst.report.numbers("unroll")["offset"][0] == pytest.approx([-3, 2], abs=0.3)
    assert score(burst.image, truth(sequence, 0, 0.5)) > 24


def test_colours_move_as_their_luminance():
    sequence = recording()
    colour = np.stack([sequence.frames, sequence.frames // 2, 255 - sequence.frames], axis=-1)
    grey = unroll(sequence.luminance()).image
    image = unroll(replace(sequence.luminance(), colour=colour)).image
    assert image.shape == (3, 128, 160)
    torch.testing.assert_close(image[0], grey, atol=0.02, rtol=0)
    torch.testing.assert_close(image[2], 1 - grey, atol=0.02, rtol=0)


def test_the_readout_ratio_is_told_by_the_motion_where_nobody_says():
    sequence = recording(frames=8, swing=20.0, ratio=0.6)
    told = unroll(sequence.with_readout_ratio(0.0).luminance())
    numbers = told.report.numbers("unroll")
    assert numbers["readout_ratio"] == pytest.approx(0.6, abs=0.08)
    assert len(numbers["readout"]["ratio"]) == len(numbers["readout"]["misfit"])
    assert "was estimated" in told.report.warnings[0]


def test_frames_read_upwards_are_the_mirrored_scene_read_downwards():
    sequence = recording(frames=8, swing=20.0, ratio=0.6)
    upside_down = replace(sequence, frames=sequence.frames[:, ::-1].copy(), scan=-sequence.scan)
    for given in (sequence, upside_down):
        told = unroll(given.with_readout_ratio(0.0).luminance(), "frame=4", "instants=[0.25]")
        image = told.image.flip(0) if given is upside_down else told.image
        assert told.report.numbers("unroll")["readout_ratio"] == pytest.approx(0.6, abs=0.08)
        assert score(image, truth(sequence, 4, 0.25)) > 28


def test_the_stack_has_the_word_on_its_readout_unless_it_is_set():
    stack = recording().luminance()
    for settings, ratio in (((), 0.8), (("readout_ratio=0.5",), 0.5)):
        numbers = unroll(stack, *settings).report.numbers("unroll")
        assert numbers["readout_ratio"] == pytest.approx(ratio)


def test_the_same_input_gives_the_same_bytes():
    stack = recording().luminance()
    assert torch.equal(unroll(stack).image, unroll(stack).image)


@pytest.mark.parametrize("ratio", ["0", "1.2", "-0.5", "fast", "true"])
def test_an_impossible_ratio_is_refused(ratio):
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        load("rolling_geometry", [f"unroll.readout_ratio={ratio}"])


def with_sensor(**changes: object) -> Stack:
    stack = recording().luminance()
    return replace(stack, sensor=replace(stack.sensor, **changes))


@pytest.mark.parametrize(
    ("stack", "pipeline", "message"),
    [
        (with_sensor(row_time=1.2 * FRAME_TIME / 128), "rolling_geometry", "within frame_time"),
        (with_sensor(row_time=0.0), "rolling_geometry", "at least 6 frames"),
        (replace(with_sensor(), scan=np.array([1, -1])), "rolling_geometry", "one direction"),
        (with_sensor(shutter=Shutter.GLOBAL_RESET), "rolling_geometry", "found global_reset"),
        (with_sensor(shutter=Shutter.GLOBAL), "dual_reversed_geometry", "opposite directions"),
        (with_sensor(), "dual_reversed_geometry", "Pass --pipeline rolling"),
        (
            with_sensor(shutter=Shutter.DUAL_REVERSED),
            "rolling_geometry",
            "Pass --pipeline dual_reversed",
        ),
    ],
)
def test_the_wrong_stack_is_told(stack, pipeline, message):
    with pytest.raises(StackError, match=message):
        unroll(stack, pipeline=pipeline)


def test_uniform_motion_does_not_tell_the_readout():
    stack = recording(frames=6).with_readout_ratio(0.0).luminance()
    with pytest.raises(StackError, match="fit alike"):
        unroll(stack)


def test_a_frame_that_is_not_there_is_told():
    with pytest.raises(StackError, match=r"0\.\.1"):
        unroll(recording().luminance(), "frame=2")


def test_colour_of_another_size_is_refused():
    with pytest.raises(StackError, match="expected colour"):
        Stack(np.zeros((2, 8, 9), np.uint16), Sensor(), colour=np.zeros((2, 8, 8, 3), np.uint8))


def reset(frames: int, share: float = 0.5) -> tuple[Stack, torch.Tensor]:
    """Return frames of a global reset, and the truth of a share of one's readout."""
    sequence = reset_recording(frames)
    return sequence.luminance(), truth(sequence, frames // 2, share)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_rows_of_a_global_reset_are_made_alike(frames):
    stack, wanted = reset(frames)
    burst = unroll(stack, pipeline="global_reset_geometry")
    recorded = torch.from_numpy(stack.frames[frames // 2] / 4000).float()
    assert score(burst.image, wanted) > score(recorded, wanted) + 12
    assert float(burst.views.gain[-1]) == pytest.approx(1 + 0.5 / 0.1 * 127 / 128, rel=1e-3)
    torch.testing.assert_close(burst.views.exposure, 0.1 * burst.views.gain)


def test_more_frames_straighten_what_slants():
    scores = []
    for frames in (1, 2):
        stack, wanted = reset(frames, 1.0)
        image = unroll(stack, "instants=[1.0]", pipeline="global_reset_geometry").image
        scores.append(score(image, wanted))
    assert scores[1] > scores[0] + 0.5


@pytest.mark.parametrize("frames", [1, 3])
def test_what_a_global_reset_saturates_is_as_bright_as_where_it_was_read_first(frames):
    sequence = reset_recording(frames, light=0.9)
    wanted = truth(sequence, frames // 2, 0.5)
    clipped = torch.from_numpy(sequence.frames[frames // 2] >= 3980)
    burst = unroll(sequence.luminance(), pipeline="global_reset_geometry")
    # Counted as measured they came out at 12 dB.
    assert psnr(burst.image[clipped], wanted[clipped]) > 15
    assert psnr(burst.image[~clipped], wanted[~clipped]) > 28
    assert "of the pixels are saturated" in burst.report.entries[-1].warnings[0]
    calm = unroll(reset(frames)[0], pipeline="global_reset_geometry")
    assert not calm.report.entries[-1].warnings


def test_a_colour_that_is_not_saturated_stays_as_it_was_measured():
    sensor = Sensor(
        white_level=4000, shutter=Shutter.GLOBAL_RESET, exposure_time=0.01, row_time=0.0005
    )
    gain = 1 + 0.05 * np.arange(20)[:, None, None]
    light = np.array([0.6, 0.3, 0.1])
    frames = np.minimum(4000 * gain * light, 4000).round().astype(np.uint16).repeat(24, axis=1)
    stack = Stack(frames[None, ..., 1], sensor, colour=frames[None])
    image = unroll(stack, pipeline="global_reset_geometry").image
    expected = torch.tensor(light)[:, None, None].expand(3, 20, 24).float()
    torch.testing.assert_close(image, expected, atol=0.02, rtol=0)


def test_a_global_reset_has_to_say_its_times():
    stack, _ = reset(1)
    stack = replace(stack, sensor=replace(stack.sensor, exposure_time=0.0))
    with pytest.raises(StackError, match="Say both in a sidecar"):
        unroll(stack, pipeline="global_reset_geometry")


def test_what_frames_show_alone_is_handed_on():
    views = unroll(recording(frames=3).luminance(), "instants=[0.0,0.5]").views
    assert views.images.shape == (2, 3, 1, 128, 160)
    assert views.later.shape == views.trust.shape == (2, 3, 128, 160)
    assert views.velocity.shape == (2, 2, 128, 160)
    across = views.velocity[1, 0, 40:-40, 40:-40].float().median()
    assert float(across) == pytest.approx(200 * FRAME_TIME, rel=0.1)
    # The rows of a frame are seen one after another.
    assert (views.later[0, 0].float().diff(dim=0) > 0).float().mean() > 0.9


def test_instants_at_the_end_are_seen_by_fewer_frames():
    views = unroll(recording(frames=3).luminance(), "video=1").views
    assert views.images.shape[:2] == (3, 3)
    assert not views.trust[0, 2].any()
    assert views.trust[1, 2].any()


def test_a_long_video_says_how_much_memory_it_takes():
    stack = recording().luminance()
    few, many = (
        load("rolling_geometry", [f"unroll.video={rate}"]).steps[0].memory(stack) for rate in (0, 9)
    )
    assert many == 9 * stack.count * few
    assert few > 4 * stack.height * stack.width


def uneven(kept: list[int], **kind: float) -> tuple[Stack, Stack]:
    """Return frames of nine that say when they were taken, and that do not."""
    stack = recording(frames=9, **kind).luminance()
    some = replace(stack, frames=stack.frames[kept], scan=stack.scan[kept])
    times = tuple(FRAME_TIME * (k - kept[0]) for k in kept)
    return replace(some, sensor=replace(some.sensor, frame_times=times)), some


def test_frames_are_where_their_times_say():
    kept = [0, 1, 2, 4, 5, 7, 8]
    told, untold = uneven(kept, swing=20.0, speed=100.0)
    wanted = truth(recording(frames=9, swing=20.0, speed=100.0), 4, 0.5)
    scores = [score(unroll(stack, "frame=3").image, wanted) for stack in (told, untold)]
    assert scores[0] > max(35, scores[1] + 6)
    instants = unroll(told, "video=1").report.numbers("unroll")["instants"]
    np.testing.assert_allclose(np.array(instants) - instants[0], range(9), atol=1e-5)


def test_a_dropped_frame_without_times_is_told():
    _, untold = uneven([0, 1, 2, 3, 5, 6, 7, 8])
    warnings = unroll(untold, "frame=2").report.warnings
    assert "From frame 3 to the next all moved 2 times as far" in warnings[0]


def test_the_readout_is_found_over_uneven_times():
    sequence = recording(frames=12, swing=20.0, ratio=0.6)
    stack = sequence.with_readout_ratio(0.0).luminance()
    kept = [0, 1, 2, 4, 5, 6, 7, 9, 10, 11]
    times = tuple(FRAME_TIME * k for k in kept)
    sensor = replace(stack.sensor, frame_times=times)
    told = replace(stack, frames=stack.frames[kept], scan=stack.scan[kept], sensor=sensor)
    found = unroll(told).report.numbers("unroll")
    assert found["readout_ratio"] == pytest.approx(0.6, abs=0.08)


def test_a_bad_frame_does_not_spoil_its_neighbours():
    sequence = recording(frames=9, swing=12.0)
    frames = sequence.frames.copy()
    frames[4] = frames[4, ::-1]
    spoilt = replace(sequence, frames=frames).luminance()
    for frame, least in ((3, 45), (4, 31), (5, 41)):
        burst = unroll(spoilt, f"frame={frame}")
        assert score(burst.image, truth(sequence, frame, 0.5)) > least
    assert burst.report.numbers("unroll")["left_out"].keys() == {"4"}
    assert "shows something else" in burst.report.warnings[0]


def test_repeated_frames_of_a_lower_rate_are_the_recording_itself():
    sequence = recording(frames=9, swing=12.0)
    order = [0, 1, 2, 3, 3, 4, 5, 6, 7, 7, 8]
    stack = sequence.luminance()
    repeated = replace(stack, frames=stack.frames[order], scan=stack.scan[[0] * 11])
    once, twice = (
        unroll(given, f"frame={frame}", "readout_ratio=0.8")
        for given, frame in ((stack, 4), (repeated, 5))
    )
    torch.testing.assert_close(once.image, twice.image, atol=1e-5, rtol=0)
    numbers = twice.report.numbers("unroll")
    assert numbers["frame_time"] == pytest.approx(1.25 * FRAME_TIME)
    assert once.report.numbers("unroll")["instants"] == pytest.approx(numbers["instants"])


def test_frames_that_another_stage_left_out_take_no_part():
    stack = recording(frames=5, swing=12.0).luminance()
    step = load("rolling_geometry", ["unroll.frame=1"]).steps[0]
    frames = stack.frames.copy()
    frames[3] = 40
    kept = torch.tensor([0, 1, 2, 4])
    images = [
        run_step(step, Burst(replace(stack, frames=given), kept=kept)).image
        for given in (stack.frames, frames)
    ]
    torch.testing.assert_close(*images, atol=0, rtol=0)
