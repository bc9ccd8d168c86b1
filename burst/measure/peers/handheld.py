"""What bursts of photographs are compared with: one developed frame, the mean of all, a robust
merge of mosaics."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rawpy
import tifffile
import torch
from einops import rearrange
from torch.nn import functional

from burst.data.handheld import Handheld
from burst.files.raw import developed_linearly
from burst.ops.alignment.motion import chain, inverse
from burst.ops.bayer import mosaic_to_planes, planes_to_mosaic
from burst.ops.noise import to_dn, to_linear
from burst.ops.warp import warp
from burst.records import Sensor

TILE, SHARE = 16, 8.0  # px of a plane; Hasinoff et al., ACM TOG 35, 192 (2016), equation 8: c


def developed(frame: np.ndarray, sensor: Sensor) -> torch.Tensor:
    """Return the camera's colours [3, h, w] of a mosaic [h, w] DN, interpolated by AHD."""
    identity = [n for row in np.eye(3, dtype=int) for one in row for n in (int(one), 1)]
    tags = [
        (33421, "H", 2, (2, 2), False),
        (33422, "B", 4, bytes("RGB".index(name) for name in sensor.cfa), False),
        (50706, "B", 4, b"\1\4\0\0", False),
        (50708, "s", 0, "burst", False),
        (50714, "H", 1, int(sensor.black), False),
        (50717, "H", 1, int(sensor.white_level), False),
        (50721, "2i", 9, identity, False),
        (50778, "H", 1, 21, False),
    ]
    red, green, blue = sensor.white_balance
    with TemporaryDirectory() as folder:
        path = Path(folder) / "frame.dng"
        tifffile.imwrite(path, frame, photometric=32803, extratags=tags, metadata=None)
        with rawpy.imread(str(path)) as raw:
            ahd, gains = rawpy.DemosaicAlgorithm.AHD, [red, green, blue, green]
            pixels = developed_linearly(raw, demosaic_algorithm=ahd, user_wb=gains)
    colours = torch.from_numpy(pixels.astype(np.float32) / 65535)
    return rearrange(colours / torch.tensor(sensor.white_balance), "h w c -> c h w")


def developed_mean(burst: Handheld, reference: int) -> torch.Tensor:
    """Return the mean of all frames [3, h, w], developed, then aligned by their true motion."""
    total = torch.zeros(3, *burst.size)
    for frame, flow in zip(burst.stack.frames, burst.onto(reference), strict=True):
        total += warp(developed(frame, burst.stack.sensor), flow.expand(3, -1, -1, -1))
    return total / len(burst.motion)


def tile_merge(burst: Handheld, reference: int) -> torch.Tensor:
    """Return a merge of mosaics in tiles, shifted by whole cells and weighted by frequency against
    the noise (Hasinoff et al., ACM TOG 35, 192, 2016), developed; motion is the true one."""
    sensor = burst.stack.sensor
    planes = mosaic_to_planes(to_linear(burst.stack.frames, sensor), sensor.cfa)
    n, _, high, wide = planes.shape
    step, half = TILE, TILE // 2
    padded = functional.pad(planes, (step,) * 4, mode="reflect")
    motion = chain(inverse(burst.motion[reference][None]), burst.motion)
    wave = (0.5 - 0.5 * torch.cos(2 * torch.pi * (torch.arange(step) + 0.5) / step)).float()
    window = torch.outer(wave, wave)
    total, weight = torch.zeros_like(padded[0]), torch.zeros_like(padded[0, 0])
    noise = sensor.noise
    assert noise is not None
    for y in range(0, high + step, half):
        for x in range(0, wide + step, half):
            middle = torch.tensor([2.0 * (x - half), 2.0 * (y - half)])
            moved = ((motion[:, :, :2] @ middle + motion[:, :, 2] - middle) / 2).round().long()
            tiles = []
            for k in range(n):
                left = int((x + moved[k, 0]).clamp(0, padded.shape[-1] - step))
                top = int((y + moved[k, 1]).clamp(0, padded.shape[-2] - step))
                tiles.append(padded[k, :, top : top + step, left : left + step])
            spectra = torch.fft.fft2(torch.stack(tiles))
            own = spectra[reference]
            off = (own - spectra).abs().square()
            variance = SHARE * 2 * step**2 * noise.variance(tiles[reference].mean())
            mean = (spectra + off / (off + variance) * (own - spectra)).mean(0)
            place = (slice(y, y + step), slice(x, x + step))
            total[(slice(None), *place)] += window * torch.fft.ifft2(mean).real
            weight[place] += window
    merged = (total / weight.clamp(min=1e-6))[:, step:-step, step:-step]
    return developed(to_dn(planes_to_mosaic(merged, sensor.cfa), sensor), sensor)
