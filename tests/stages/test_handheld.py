"""A burst taken by hand comes out in colour, sharp, quiet, and with what moves shown once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from burst.data.handheld import WHITE_BALANCE, noise_of_iso, simulate_handheld
from burst.data.scenes import read_colours
from burst.measure.peers.handheld import developed, developed_mean
from burst.ops.alignment.camera import places, places_back
from burst.ops.bayer import cfa_sites
from burst.ops.noise import to_dn
from burst.pipeline import load
from burst.records import Burst, CameraFlow, Stack
from burst.settings import ConfigError

BALANCE = torch.tensor(WHITE_BALANCE)[:, None, None]


def scene(side=400):
    return read_colours("astronaut")[:, 40 : 40 + side, 60 : 60 + side]


def psnr(image, truth, mask=None):
    error = (BALANCE * (image - truth))[:, 14:-14, 14:-14]
    error = error if mask is None else error[:, mask[14:-14, 14:-14]]
    return -10 * float(error.square().mean().log10())


def restored(burst, *settings):
    return load("handheld", settings).run(Burst(burst.stack))


def reference_of(done):
    return int(done.kept[done.camera.reference])


@pytest.fixture(scope="module")
def noisy():
    burst = simulate_handheld(scene(), 3200, 10, seed=1)
    return burst, restored(burst)


@pytest.fixture(scope="module")
def walker():
    burst = simulate_handheld(scene(), 400, 7, seed=2, walks=True)
    return burst, restored(burst)


def test_the_cameras_motion_is_found_to_a_tenth_of_a_pixel(noisy):
    burst, done = noisy
    x, y = (torch.arange(16.0, side - 16, 4) for side in burst.size[::-1])
    flow, true = done.camera, burst.onto(reference_of(done))
    for k in range(flow.motion.shape[0]):
        there = places(flow, k, x, y)
        grid = torch.stack(torch.broadcast_tensors(x[None], y[:, None]))
        wanted = grid + true[k][:, y.long()][:, :, x.long()]
        assert float((there - wanted).square().mean().sqrt()) < 0.1


def test_the_image_is_better_than_the_mean_of_developed_frames(noisy):
    burst, done = noisy
    reference = reference_of(done)
    truth = burst.truth(reference)
    mean = psnr(developed_mean(burst, reference), truth)
    one = psnr(developed(burst.stack.frames[reference], burst.stack.sensor), truth)
    assert psnr(done.image, truth) > mean + 1 > one + 5


def test_at_low_iso_detail_is_finer_than_in_the_mean():
    burst = simulate_handheld(scene(), 100, 10, seed=3)
    done = restored(burst)
    reference = reference_of(done)
    truth = burst.truth(reference)
    assert psnr(done.image, truth) > psnr(developed_mean(burst, reference), truth) + 2


def test_the_example_of_noise_is_as_strong_as_the_noise(noisy):
    burst, done = noisy
    quiet = restored(burst, "denoise.strength=0")
    error = (quiet.image - burst.truth(reference_of(done)))[:, 14:-14, 14:-14]
    example = done.gathered.noise[:, 14:-14, 14:-14]
    ratio = example.std((1, 2)) / error.std((1, 2))
    assert ((ratio > 0.75) & (ratio < 1.2)).all()


def test_who_walks_through_shows_once(walker):
    burst, done = walker
    reference = reference_of(done)
    truth, mask = burst.truth(reference), burst.moved(reference)
    single = developed(burst.stack.frames[reference], burst.stack.sensor)
    assert psnr(done.image, truth, mask) > psnr(single, truth, mask)
    everything = restored(burst, "merge.moving=false")
    assert psnr(done.image, truth, mask) > psnr(everything.image, truth, mask) + 8


def test_where_something_moved_few_frames_are_believed(walker):
    burst, done = walker
    moved = burst.moved(reference_of(done))[::2, ::2]
    believed, inside = done.gathered.believed, torch.zeros_like(moved)
    inside[8:-8, 8:-8] = True
    assert float(believed[inside & ~moved].mean()) > 0.7
    assert float(believed[inside & moved].mean()) < 0.6


@pytest.mark.parametrize("scale", [1.5, 2.0])
def test_the_grid_may_be_finer(noisy, scale):
    burst, _ = noisy
    done = restored(burst, f"merge.scale={scale}")
    height, width = burst.size
    assert done.image.shape == (3, round(scale * height), round(scale * width))
    assert psnr(done.image, burst.truth(reference_of(done), scale)) > 27


@pytest.mark.parametrize("cfa", ["GRBG", "GBRG", "BGGR"])
def test_every_pattern_gives_the_same_colours(noisy, cfa):
    burst, _ = noisy
    y, x = divmod(cfa.index("R"), 2)
    frames = burst.stack.frames[:, y : burst.size[0] - y or None, x : burst.size[1] - x or None]
    stack = Stack(frames, replace(burst.stack.sensor, cfa=cfa))
    other = load("handheld", ("align_camera.reference=0",)).run(Burst(stack))
    truth = burst.truth(0)[:, y:, x:][:, : frames.shape[1], : frames.shape[2]]
    mean = (BALANCE * (other.image[:, :-2, :-2] - truth[:, : other.image.shape[1] - 2,
            : other.image.shape[2] - 2])).mean((1, 2))  # fmt: skip
    assert float(mean.abs().max()) < 0.01


def test_mono_frames_give_a_mono_image(noisy):
    burst, _ = noisy
    stack = Stack(burst.stack.frames[:, ::2, 1::2].copy(), replace(burst.stack.sensor, cfa="mono"))
    done = load("handheld").run(Burst(stack))
    assert done.image.shape == stack.frames.shape[1:]


def test_colours_of_other_files_stay_colours():
    burst = simulate_handheld(scene(200), 100, 4, seed=4)
    sensor = replace(burst.stack.sensor, cfa="mono", white_balance=(1.0, 1.0, 1.0))
    seen = torch.stack([burst.truth(k) for k in range(4)]).permute(0, 2, 3, 1)
    draw = torch.Generator().manual_seed(0)
    colour = to_dn(seen + 0.01 * torch.randn(seen.shape, generator=draw), sensor)
    luminance = np.rint(colour @ np.array([0.2126, 0.7152, 0.0722])).astype(np.uint16)
    done = load("handheld").run(Burst(Stack(luminance, sensor, colour=colour)))
    truth = burst.truth(reference_of(done))
    noise = -20 * np.log10(0.01)
    assert -10 * float((done.image - truth)[:, 14:-14, 14:-14].square().mean().log10()) > noise


def test_of_a_bracket_saturated_samples_do_not_count():
    burst = simulate_handheld(scene(200), 400, 6, seed=5)
    gain = torch.tensor([1, 4, 1, 4, 1, 4.0])[:, None, None]
    sensor = burst.stack.sensor
    linear = (torch.from_numpy(burst.stack.frames.astype(np.float32)) - 1024) / 15359
    stack = replace(burst.stack, frames=to_dn(linear * gain, sensor))
    done = load("handheld").run(Burst(stack))
    truth = burst.truth(reference_of(done))
    bright = BALANCE[:, 0, 0].numpy() @ truth.reshape(3, -1).numpy() > 1.2
    ratio = done.image.reshape(3, -1)[:, bright].mean() / truth.reshape(3, -1)[:, bright].mean()
    assert 0.97 < float(ratio) < 1.03


def test_a_bracket_over_a_gradient_is_aligned_and_as_bright():
    ramp = torch.linspace(0.02, 0.25, 320)
    burst = simulate_handheld(0.3 * ramp * (1 + scene(320)), 400, 6, seed=1)
    truth = torch.stack([burst.truth(k) for k in range(6)])
    gain = torch.tensor([1, 4, 1, 4, 1, 4.0])[:, None, None]
    linear = torch.empty(6, *burst.size)
    for channel, (y, x) in zip((0, 1, 1, 2), cfa_sites("RGGB"), strict=True):
        linear[:, y::2, x::2] = truth[:, channel, y::2, x::2]
    draw = torch.Generator().manual_seed(1)
    variance = noise_of_iso(400).variance(gain * linear)
    noisy = gain * linear + variance.sqrt() * torch.randn(linear.shape, generator=draw)
    done = restored(
        replace(burst, stack=replace(burst.stack, frames=to_dn(noisy, burst.stack.sensor)))
    )
    assert torch.allclose(done.gain[1::2].mean() / done.gain[::2], torch.tensor(4.0), rtol=0.01)
    x, y = (torch.arange(16.0, side - 16, 4) for side in burst.size[::-1])
    true = burst.onto(reference_of(done))
    grid = torch.stack(torch.broadcast_tensors(x[None], y[:, None]))
    for k in range(6):
        wanted = grid + true[k][:, y.long()][:, :, x.long()]
        assert float((places(done.camera, k, x, y) - wanted).square().mean().sqrt()) < 0.25


def test_frames_of_slightly_other_brightness_give_the_same_image():
    burst = simulate_handheld(scene(300), 100, 8, seed=5)
    black = burst.stack.sensor.black
    light = np.linspace(0.985, 1.015, 8)
    frames = (burst.stack.frames - black) * light[:, None, None] + black
    flickers = replace(burst, stack=Stack(frames.round().astype(np.uint16), burst.stack.sensor))
    steady, done = restored(burst), restored(flickers)
    assert bool((steady.gain == 1).all())
    reference = reference_of(done)
    lit = done.image / float(light[reference])
    assert psnr(lit, steady.image) > psnr(burst.truth(reference), steady.image) + 5


def test_a_reference_that_takes_no_part_is_refused(noisy):
    burst, _ = noisy
    with pytest.raises(ConfigError, match=r"align_camera\.reference: expected the number"):
        restored(burst, "align_camera.reference=99")


@pytest.mark.parametrize(("side", "seed"), [(128, 0), (144, 1)])
def test_small_frames_full_of_someone_who_walks_give_finite_images(side, seed):
    part = read_colours("astronaut")[:, 100 : 100 + side, 100 : 100 + side]
    done = restored(simulate_handheld(part, 3200, 4, seed, walks=True))
    assert done.image.isfinite().all()
    assert done.weights.isfinite().all()


def test_frames_without_anything_to_see_keep_their_place(noisy):
    sensor = noisy[0].stack.sensor
    done = load("handheld").run(Burst(Stack(np.full((3, 48, 48), 4000, np.uint16), sensor)))
    assert done.image.isfinite().all()


def test_the_same_bytes_again(noisy):
    burst, done = noisy
    assert torch.equal(restored(burst).image, done.image)


def test_places_and_back_agree():
    motion = torch.tensor([[[1.0, -0.01, 3.0], [0.01, 1.0, -2.0]]])
    flow = CameraFlow(0, motion, torch.full((1, 2, 8, 8), 0.3), 8)
    x, y = torch.arange(10.0, 50), torch.arange(12.0, 40)
    there = places(flow, 0, x, y)
    grid = torch.stack(torch.broadcast_tensors(x[None], y[:, None]))
    back = torch.stack(
        [places_back(flow, 0, there[0, 3, 5:6], there[1, 3, 5:6])[i, 0, 0] for i in (0, 1)]
    )
    torch.testing.assert_close(back, grid[:, 3, 5], atol=0.02, rtol=0)
