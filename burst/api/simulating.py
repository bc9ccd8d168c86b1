"""Simulate a stack with its truth, and compare images with it: `simulate`, `score`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from burst.api.words import check_device, in_words_of_python
from burst.data import levels, turbulence
from burst.data import recording as data_recording
from burst.data.scenes import read_scene
from burst.lazy import torch
from burst.machine import as_before, drawing_device, resolve_device
from burst.measure import scores as measure_scores
from burst.measure.peers import baselines
from burst.ops.orientation import upright
from burst.records import Stack, StackError
from burst.result import Result
from burst.settings import ConfigError, build

if TYPE_CHECKING:
    Image = np.ndarray | torch.Tensor


def simulate(
    image: str = "camera",
    *,
    level: str = "medium",
    frames: int = 100,
    size: int = 271,
    seed: int = 0,
    device: str = "cpu",
    **recording: Any,
) -> turbulence.SimulatedStack:
    """Simulate what a camera records of a still scene through turbulent air, and keep the truth.

    image   a file, or the name of an image that scikit-image carries
    level   low, medium, high or very-high
    size    rows and columns, px

    More words say through which air, optics and programs the frames went: the fields of
    `burst.data.recording.Recording`, which are the options of `burst simulate`.

    `stack` of what is returned is restored like any other; `truth` holds the scene, the flow and
    more as torch tensors. The same as `burst simulate` makes.

    >>> import burst
    >>> simulated = burst.simulate("camera", level="low", frames=4, size=48)
    >>> simulated.stack.frames.shape, tuple(simulated.truth.scene.shape)
    ((4, 48, 48), (48, 48))
    >>> road = burst.simulate(frames=4, size=48, path="road", cn2=2e-14, display=True, jpeg=90)
    >>> road.stack.sensor.transfer
    'srgb'
    """
    with in_words_of_python(), as_before():
        conditions = levels.find_level(level).point()
        whole = all(isinstance(number, (int, np.integer)) for number in (frames, size))
        if not whole or frames < 2 or size < 16:
            raise ConfigError(
                f"frames {frames}, size {size}: expected at least 2 frames of 16 pixels."
            )
        check_device(device)
        generator = torch.Generator(drawing_device(resolve_device(device))).manual_seed(seed)
        chosen = build(data_recording.Recording, recording, "simulate")
        return data_recording.record(chosen, read_scene(image), conditions, frames, size, generator)


def plain_mean(stack: Stack) -> np.ndarray:
    """Return the mean (h, w) of all frames, linear and upright: what averaging alone gives.

    >>> import burst
    >>> burst.plain_mean(burst.simulate(frames=4, size=48).stack).shape
    (48, 48)
    """
    return upright(baselines.plain_mean(stack).cpu().numpy(), stack.sensor.orientation)


def score(
    image: Result | Image, truth: turbulence.SimulatedStack | turbulence.Truth | Image
) -> measure_scores.Scores:
    """Compare an image (h, w) with the truth of its stack, both linear.

    One shift, one gain and one offset are fitted first, for every image alike. What is returned
    holds `psnr` and `psnr_without_warp` in dB, `ssim`, and `mtf50` in cycles per pixel.

    >>> import burst
    >>> simulated = burst.simulate("camera", level="low", frames=8, size=64)
    >>> result = burst.restore(simulated.stack, "classical", progress=False)
    >>> mean = burst.plain_mean(simulated.stack)
    >>> burst.score(result, simulated).psnr > burst.score(mean, simulated).psnr
    True
    """
    with in_words_of_python(), as_before():
        pixels = image.image if isinstance(image, Result) else image
        scene = truth.truth if isinstance(truth, turbulence.SimulatedStack) else truth
        return measure_scores.score(
            _grey(pixels, "image"), _grey(getattr(scene, "scene", scene), "truth")
        )


def _grey(image: Any, what: str) -> torch.Tensor:
    """Return an image [h, w] as a tensor; StackError if it is none."""
    pixels = np.ascontiguousarray(image.detach().cpu() if hasattr(image, "detach") else image)
    if pixels.ndim != 2 or pixels.dtype.kind not in "buif" or not np.isfinite(pixels).all():
        raise StackError(
            f"{what}: expected a grey image (h, w) of finite numbers, found shape {pixels.shape} of"
            f" {pixels.dtype}. Of colours or several instants, pass one at a time."
        )
    return torch.tensor(pixels)
