"""Every shutter takes each row at its own time, in linear light; a truth takes all at one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from burst.data.rolling import TRUTHS, Drift, Footage, Layers, draw_layers, simulate_shutter
from burst.data.samples.crops import crop, flip_rows
from burst.files.sequence import Sequence
from burst.ops.color import display_to_linear
from burst.records import NoiseModel, Sensor, Shutter, StackError

HEIGHT, WIDTH = 17, 20
RATE = 1000.0
OFF = 0.05  # px by which bicubic interpolation misplaces a ramp
RNG = np.random.default_rng(0)
FILM = Footage(
    RNG.integers(0, 256, (80, HEIGHT, WIDTH), np.uint8),
    Sensor(white_level=255, transfer="srgb"),
    RATE,
)
LIGHT = display_to_linear(torch.from_numpy(FILM.frames / 255)).numpy()
# A row a film frame, 25 film frames a frame.
SENSOR = Sensor(white_level=60000, row_time=1 / RATE, frame_time=25 / RATE)


def camera(kind: Shutter, exposure: int = 0, **changes) -> Sensor:
    """Return a sensor that exposes for so many film frames."""
    return replace(SENSOR, shutter=kind, exposure_time=exposure / RATE, **changes)


def linear(images: np.ndarray) -> np.ndarray:
    """Return DN of `SENSOR` as linear light."""
    return images / SENSOR.white_level


def assert_close(images: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(linear(images), expected, atol=1e-5)


@pytest.mark.parametrize("exposure", [1, 4])
def test_a_rolling_row_is_the_mean_of_the_film_while_it_is_exposed(exposure):
    frames = simulate_shutter(FILM, camera(Shutter.ROLLING, exposure), 2).frames
    for i in range(2):
        expected = [
            LIGHT[25 * i + y : 25 * i + y + exposure, y].mean(axis=0) for y in range(HEIGHT)
        ]
        assert_close(frames[i], np.stack(expected))


def test_without_exposure_a_row_is_the_film_at_its_instant():
    frames = simulate_shutter(FILM, camera(Shutter.ROLLING), 1).frames
    assert_close(frames[0], np.stack([LIGHT[y, y] for y in range(HEIGHT)]))


def test_dual_reversed_pairs_read_the_same_film_from_both_ends():
    sequence = simulate_shutter(FILM, camera(Shutter.DUAL_REVERSED), 4)
    assert sequence.scan.tolist() == [1, -1, 1, -1]
    last = HEIGHT - 1
    assert_close(sequence.frames[1], np.stack([LIGHT[last - y, y] for y in range(HEIGHT)]))
    assert_close(sequence.frames[2], np.stack([LIGHT[25 + y, y] for y in range(HEIGHT)]))


def test_a_global_reset_sums_film_up_to_the_row_and_clips():
    sensor = camera(Shutter.GLOBAL_RESET, 2)
    frames = simulate_shutter(FILM, sensor, 1).frames
    # Row y sums film frames 0 .. y + 1, in units of the first row's two.
    expected = np.stack([LIGHT[: y + 2, y].sum(axis=0) / 2 for y in range(HEIGHT)])
    assert expected[-1].min() > 1
    assert_close(frames[0], expected.clip(max=1))
    assert (frames[0, -1] == sensor.white_level).all()


@pytest.mark.parametrize("kind", [kind for kind in Shutter if kind is not Shutter.GLOBAL])
def test_without_row_time_frames_are_the_truth(kind):
    sequence = simulate_shutter(FILM, camera(kind, 1, row_time=0.0), 2)
    for index, frame in enumerate(sequence.truth_frame):
        np.testing.assert_array_equal(sequence.truths[index], sequence.frames[frame])


def test_truths_meet_the_frame_at_the_first_the_middle_and_the_last_row():
    sequence = simulate_shutter(FILM, camera(Shutter.DUAL_REVERSED), 4)
    assert len(sequence.truths) == 2 * TRUTHS
    down, up, truths = sequence.frames[2], sequence.frames[3], sequence.truths[TRUTHS:]
    np.testing.assert_array_equal(truths[0, 0], down[0])
    np.testing.assert_array_equal(truths[0, -1], up[-1])
    np.testing.assert_array_equal(truths[-1, -1], down[-1])
    for frame in (down, up):
        np.testing.assert_array_equal(truths[TRUTHS // 2, HEIGHT // 2], frame[HEIGHT // 2])


@pytest.mark.parametrize("ratio", [0.3, 0.9, 1.0])
def test_truths_span_the_readout_at_any_ratio(ratio):
    sensor = camera(Shutter.ROLLING, row_time=ratio * SENSOR.frame_time / HEIGHT)
    sequence = simulate_shutter(FILM, sensor, 1)
    assert sequence.readout_ratio == pytest.approx(ratio)
    span = ratio * SENSOR.frame_time * (HEIGHT - 1) / HEIGHT
    np.testing.assert_allclose(sequence.instants, np.linspace(0, span, TRUTHS))


def test_black_and_white_make_half_the_light_not_half_the_display():
    film = Footage(np.repeat([[[0]], [[255]]], 16, axis=2).astype(np.uint8), FILM.sensor, RATE)
    sensor = camera(Shutter.ROLLING, 2, row_time=0.0)
    assert_close(simulate_shutter(film, sensor, 1).frames, np.full((1, 1, 16), 0.5))


@pytest.mark.parametrize("kind", [Shutter.ROLLING, Shutter.DUAL_REVERSED])
def test_rows_keep_their_film_through_crops_and_flips(kind):
    sequence = simulate_shutter(FILM, camera(kind), 2)
    turned = flip_rows(crop(sequence, slice(3, 11), slice(0, WIDTH)))
    begin, _ = turned.exposures()
    film = torch.floor(begin * RATE + 1e-6).long().numpy()
    upside_down = LIGHT[:, 3:11][:, ::-1]
    assert_close(turned.frames, upside_down[film, np.arange(8)])
    assert (np.diff(film[0]) == -1).all()


def test_half_the_light_is_half_the_signal_of_frames_and_truths():
    sensor = camera(Shutter.GLOBAL_RESET, 20)
    bright, dim = (simulate_shutter(FILM, sensor, 1, light=light) for light in (0.5, 0.25))
    assert_close(dim.frames, linear(bright.frames) / 2)
    assert_close(dim.truths, linear(bright.truths) / 2)
    assert bright.frames.max() < sensor.white_level


def test_noise_follows_the_model_of_the_sensor_row_by_row():
    film = Footage(np.full((40, 16, 4000), 40, np.uint8), Sensor(white_level=255), RATE)
    noise = NoiseModel(shot=1e-3, read=4e-5)
    sensor = camera(Shutter.GLOBAL_RESET, 10, noise=noise, black_level=4000.0)
    sequence = simulate_shutter(film, sensor, 1, torch.Generator().manual_seed(0))
    rows = (sequence.frames[0] - 4000.0) / (sensor.white_level - 4000)
    level = 40 / 255 * (1 + np.arange(16) / 10)
    np.testing.assert_allclose(rows.mean(axis=1), level, rtol=0.02)
    np.testing.assert_allclose(rows.var(axis=1), noise.shot * level + noise.read, rtol=0.12)
    # The truth is that of a global shutter, free of noise.
    assert np.ptp(sequence.truths) == 0


def test_the_same_seed_gives_the_same_frames():
    sensor = camera(Shutter.ROLLING, 1, noise=NoiseModel(1e-3, 1e-6))
    one, two, three = (
        simulate_shutter(FILM, sensor, 1, torch.Generator().manual_seed(seed)).frames
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, two)
    assert not np.array_equal(one, three)


def test_film_that_ends_too_soon_is_told():
    with pytest.raises(StackError, match="at least 92 frames at 1000 a second, found 80"):
        simulate_shutter(FILM, camera(Shutter.ROLLING), 4)


@pytest.mark.parametrize(
    ("kind", "message"),
    [(Shutter.DUAL_REVERSED, "whole pairs"), (Shutter.GLOBAL_RESET, "seconds above 0")],
)
def test_what_no_such_sensor_takes_is_told(kind, message):
    with pytest.raises(StackError, match=message):
        simulate_shutter(FILM, camera(kind), 1)


def ramp(sensor: Sensor, object_speed: float = 0.0, cover: float = 0.0) -> Sequence:
    """Take two frames of a ramp 0.01 a pixel that moves 100 px/s right, through a cover."""
    light = torch.arange(64) * 0.01
    scene = Layers(
        background=light.expand(40, -1),
        object=light.expand(40, -1) / 2,
        cover=torch.full((40, 64), cover),
        camera_path=Drift((100.0, 0.0)),
        object_path=Drift((object_speed, 0.0)),
        size=(HEIGHT, WIDTH),
    )
    return simulate_shutter(scene, sensor, 2)


def shift_of(image: np.ndarray, slope: float = 0.01) -> np.ndarray:
    """Return by how much each row [h] of a ramp is displaced to the right, px."""
    still = slope * (np.arange(WIDTH) + (64 - WIDTH) // 2)
    shift: np.ndarray = ((still - linear(image)) / slope)[:, 5:-5].mean(axis=1)
    return shift


@pytest.mark.parametrize("ratio", [0.25, 1.0])
def test_rows_of_a_moving_still_are_displaced_by_velocity_and_time(ratio):
    sensor = camera(Shutter.ROLLING, row_time=ratio * SENSOR.frame_time / HEIGHT)
    sequence = ramp(sensor)
    expected = 100 * (SENSOR.frame_time + np.arange(HEIGHT) * sensor.row_time)
    np.testing.assert_allclose(shift_of(sequence.frames[1]), expected, atol=OFF)
    for truth, instant in zip(sequence.truths, sequence.instants, strict=True):
        np.testing.assert_allclose(shift_of(truth), 100 * instant, atol=OFF)


def test_an_exposure_shifts_by_half_of_it():
    frame = ramp(camera(Shutter.ROLLING, 10)).frames[0]
    np.testing.assert_allclose(shift_of(frame), 0.1 * np.arange(HEIGHT) + 0.5, atol=0.01)


def test_a_global_reset_leaves_half_of_the_skew():
    sequence = ramp(camera(Shutter.GLOBAL_RESET, 10, white_level=60000.0))
    gain = 1 + np.arange(HEIGHT) / 10
    frame = sequence.frames[0] / gain[:, None]
    np.testing.assert_allclose(shift_of(frame), 0.5 * gain, atol=0.02)


def test_the_object_hides_the_background_and_moves_in_its_own_way():
    sequence = ramp(camera(Shutter.ROLLING), object_speed=-300.0, cover=1.0)
    expected = -200 * (SENSOR.frame_time + np.arange(HEIGHT) / RATE)
    np.testing.assert_allclose(shift_of(sequence.frames[1], 0.005), expected, atol=OFF)


def test_the_edge_of_the_object_slants_and_hides_what_is_behind():
    black, white = torch.zeros(40, 64), torch.ones(40, 64)
    cover = (torch.arange(64) < 32).float().expand(40, -1)
    still, moving = Drift((0.0, 0.0)), Drift((200.0, 0.0))
    scene = Layers(black, white, cover, still, moving, (HEIGHT, WIDTH))
    frame = linear(simulate_shutter(scene, camera(Shutter.ROLLING), 1).frames[0])
    # The object's edge lies in column 10 of 20 at first, and a fifth of a pixel further each row.
    np.testing.assert_allclose(frame.sum(axis=1), 10 + 0.2 * np.arange(HEIGHT), atol=0.1)


def test_drawn_scenes_move_at_about_their_speed_and_repeat():
    still = torch.rand(64, 80, generator=torch.Generator().manual_seed(0))
    scene, again, other = (draw_layers(still, (32, 40), 90.0, 0.0, seed) for seed in (3, 3, 4))
    seconds = torch.linspace(0, 2, 200)
    for path in (scene.camera_path, scene.object_path):
        speed = path(seconds).diff(dim=0).norm(dim=-1) * 199 / 2
        assert 40 < float(speed.min()) < float(speed.max()) < 140
    assert torch.equal(scene.camera_path(seconds), again.camera_path(seconds))
    assert not torch.equal(scene.camera_path(seconds), other.camera_path(seconds))
    # The object covers the middle of what is seen and not its corners.
    assert (float(scene.cover[32, 40]), float(scene.cover[16, 20])) == (1, 0)
