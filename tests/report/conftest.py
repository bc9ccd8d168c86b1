"""A small burst of which everything is known, and what made it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from burst import Burst, Entry, Level, NoiseModel, Provenance, Report, Sensor, Shutter, Stack

N, H, W, K = 8, 40, 48, 15
KEPT = [0, 2, 3, 5]


@pytest.fixture
def provenance() -> Provenance:
    return Provenance("0.1.0", "clip.npy", 'stages = ["noise"]\n', seed=3, threads=2, device="cpu")


@pytest.fixture
def stack() -> Stack:
    frames = np.random.default_rng(0).integers(100, 4000, (N, H, W)).astype(np.uint16)
    sensor = Sensor(shutter=Shutter.ROLLING, row_time=2e-4, exposure_time=1e-3, frame_time=0.02)
    return Stack(frames, sensor, name="clip", source="clip.npy")


@pytest.fixture
def burst(stack: Stack) -> Burst:
    linear = torch.from_numpy(stack.frames.astype(np.float32) / 4095)
    mean = linear.mean(0)
    weights = torch.zeros(N)
    weights[KEPT] = 1.0
    time = torch.linspace(0, 20, N * H)
    return Burst(
        stack,
        linear=linear,
        noise=NoiseModel(shot=1e-4, read=1e-5),
        weights=weights,
        flow=torch.randn(N, 2, H, W, generator=torch.Generator().manual_seed(0)),
        level=Level(noise=0.008, displacement=1.0),
        row_motion=torch.stack((time.sin(), time.cos()), -1).reshape(N, H, 2),
        psf=gaussian_psf(sigma=1.5).expand(N, K, K),
        merged=mean,
        image=mean,
        report=Report(_entries()),
    )


def gaussian_psf(sigma: float) -> torch.Tensor:
    offset = torch.arange(K) - K // 2
    section = torch.exp(-(offset**2) / (2 * sigma**2))
    return torch.outer(section, section) / section.sum() ** 2


def _entries() -> tuple[Entry, ...]:
    level, distance = [0.1, 0.4, 0.8], [20.0, 40.0, 60.0]
    curve = {"level": level, "variance": [1e-4 * x + 1e-5 for x in level]}
    structure = {
        "distance": distance,
        "measured": [0.9, 0.5, math.nan],
        "model": [1 - math.exp(-d / 30) for d in distance],
    }
    found = {"pixels": 3, "clusters": 0, "rows": 1, "columns": 0}
    noise = {"shot": 1e-4, "hot_pixels": 3, "defects": found, "curve": curve}
    dropped = {str(i): "less sharp than half of the frames" for i in range(N) if i not in KEPT}
    sharpness = [1.5 if i in KEPT else 0.5 for i in range(N)]
    return (
        Entry("noise", 0.1, {"rows": True}, noise),
        Entry("select", 0.2, {"keep": 0.5}, {"sharpness": sharpness, "reasons": dropped}),
        Entry("align", 2.0, {"reference": "auto"}, {"shift": [[0.1 * i, -0.2] for i in range(N)]}),
        Entry("row_motion", 0.3, {}, {"rms": 0.7}),
        Entry("blur", 0.4, {}, {"d_over_r0": 2.9, "psf_sigma": 1.5, "structure": structure}),
        Entry("deconvolve", 1.0, {}, {"effective_frames": 3.6}, ("The border is <not> restored.",)),
    )
