"""Stacks through layers of air go through the same optics, shutter and sensor as all others."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from simulated import camera_scene, rms

from burst.data.exposures import Optics
from burst.data.levels import Conditions
from burst.data.turbulence import Camera, simulate
from burst.ops.blur.psf import equivalent_sigma, psf_from_zernike, short_exposure
from burst.ops.turbulence.air import Air, tilt_std, tilt_to_pixels
from burst.ops.turbulence.layers import Layer, LayeredAir, coefficients, draw_waves, layers_of
from burst.ops.turbulence.path import PATHS

DRAWS = 40  # paths of each simulator; the rms of 40 tilts is known to 6 %
WORLDS = Path(__file__).parents[2].parent / "shared/worlds"
STILL = Conditions(d_over_r0=2.0, electrons=1e5, read_noise=0, vibration=0, row_noise=0)
FLAWLESS = Camera(pixel_gain_std=0, pixel_offset_std=0, hot_pixels=0)


def road(outer_scale: float = math.inf, frame_time: float = 1.0) -> LayeredAir:
    """Return the layers of a road, whose wind brings new air with every frame."""
    air = layers_of(PATHS["road"], 1.0, frame_time, torch.Generator().manual_seed(0))
    return replace(air, outer_scale=outer_scale)


def seen_through(air: Air | LayeredAir, frames: int = 30, camera: Camera = FLAWLESS, seed: int = 1):
    generator = torch.Generator().manual_seed(seed)
    return simulate(camera_scene(), STILL, generator, frames, (96, 96), camera, air)


def test_layers_are_as_strong_as_the_conditions_say():
    truth = seen_through(road()).truth
    assert truth.air.d_over_r0 == pytest.approx(2.0)
    assert rms(truth.flow) == pytest.approx(tilt_std(2.0), rel=0.25)


def test_mean_psf_is_frieds_short_exposure():
    truth = seen_through(road()).truth
    theory = short_exposure(2.0, 1.0, 0.0, 33)
    torch.testing.assert_close(truth.psf.sum((1, 2)), torch.ones(30), atol=0.02, rtol=0)
    assert equivalent_sigma(truth.psf.mean(0)) == pytest.approx(equivalent_sigma(theory), rel=0.1)


def test_the_same_seed_gives_the_same_bytes():
    one, two, other = (seen_through(road(), 3, seed=s).stack.frames.tobytes() for s in (1, 1, 2))
    assert one == two != other


def test_slow_wind_leaves_neighbouring_frames_alike():
    def step(frame_time: float) -> float:
        flow = seen_through(road(10.0, frame_time), 8).truth.flow
        return rms(flow.diff(dim=0)) / rms(flow - flow.mean(0))

    assert step(1e-3) < 0.5 * step(1.0)


def test_layers_that_drift_during_the_exposure_blur_more():
    sensor = FLAWLESS.sensor
    long = replace(FLAWLESS, sensor=replace(sensor, exposure_time=sensor.frame_time))
    short = replace(FLAWLESS, sensor=replace(sensor, exposure_time=1e-5))
    detail = [
        float(seen_through(road(10.0), 6, camera).truth.noiseless.diff(dim=2).abs().mean())
        for camera in (short, long)
    ]
    assert detail[1] < 0.97 * detail[0]


@pytest.mark.parametrize("optics", [Optics(defocus=1.0), Optics(pixel=1.0)])
def test_optics_widen_the_psf(optics):
    plain, wider = (
        seen_through(Air(1.0), 3, replace(FLAWLESS, optics=chosen)).truth.psf.mean(0)
        for chosen in (Optics(), optics)
    )
    assert equivalent_sigma(wider) > 1.02 * equivalent_sigma(plain)
    assert float(wider.sum()) == pytest.approx(1, abs=0.01)


def test_a_square_pixel_adds_its_own_variance():
    plain, wide = (
        seen_through(Air(1.0, sampling=1.0), 2, replace(FLAWLESS, optics=Optics(pixel=side)))
        for side in (0.0, 1.0)
    )
    spectra = [torch.fft.fft(s.truth.psf.mean(0).sum(0)).abs() for s in (plain, wide)]
    # A box of one pixel takes 10 % at a quarter of a cycle per pixel.
    assert float(spectra[1][8] / spectra[0][8]) == pytest.approx(np.sinc(8 / 33), abs=0.02)


@pytest.mark.skipif(not WORLDS.is_dir(), reason="the other simulator is not here")
def test_another_simulator_of_layers_agrees_within_a_tenth(monkeypatch):
    """Displacement, how it differs between neighbours, and the width of the mean PSF."""
    monkeypatch.syspath_prepend(str(WORLDS))
    layers = pytest.importorskip("layers")
    world = layers.World("road", 2.0, field=4.5, wind=0.0)
    theirs, ours = [], []
    for seed in range(DRAWS):
        theirs.append(_their_figures(layers.Path(world, np.random.default_rng(seed))))
        ours.append(_our_figures(world, torch.Generator().manual_seed(seed)))
    ratio = np.mean(ours, 0) / np.mean(theirs, 0)
    assert ratio[:2] ** 0.5 == pytest.approx(1, abs=0.1)
    assert ratio[2] == pytest.approx(1, abs=0.1)
    sys.modules.pop("layers", None)


def _their_figures(path) -> np.ndarray:
    tilt, rest = path.look(0.0)
    return _figures(tilt, torch.from_numpy(path.psfs(rest[::6, ::6]).mean((0, 1))))


def _our_figures(world, generator: torch.Generator) -> np.ndarray:
    place = np.array(world.layers)
    share = (1 / (place ** (5 / 3)).sum()) ** (3 / 5) * world.d_over_r0
    beams = torch.arange(14)
    layers = []
    for where in place:
        layers.append(Layer(share, where, world.field / 14 * (1 - where), (0.0, 0.0)))
    air = LayeredAir(tuple(layers), world.outer)
    waves = draw_waves(air, generator)
    times = torch.zeros(1, 14)
    tilt = coefficients(air, waves, range(2, 4), beams, beams, times) * tilt_to_pixels(1.0)
    rest = coefficients(air, waves, range(4, 67), beams[::6], beams[::6], times[:, ::6])
    psf = psf_from_zernike(rest.permute(0, 2, 3, 1).flatten(0, 2), 1.0, 33).mean(0)
    return _figures(tilt[0].permute(1, 2, 0).numpy(), psf)


def _figures(tilt: np.ndarray, psf: torch.Tensor) -> np.ndarray:
    """Return variances of tilt [gy, gx, 2] and of its differences, and the width of the PSF."""
    apart = tilt[:, 4:] - tilt[:, :-4]
    return np.array([(tilt**2).mean(), (apart**2).mean(), equivalent_sigma(psf)])
