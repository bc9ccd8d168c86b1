"""Clips of a rolling shutter from still images and high-speed video, with their truths: a camera
that pans, swings and shakes in front of them, and lamps that flicker."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

TONES = (2.3, 5.1, 8.7, 13.0, 19.0)  # Hz, of a hand and of a motor


@dataclass(frozen=True)
class FilmedScene:
    """What is before the camera, and how the camera moves.

    images     [n, h, w, 3] uint8 encoded for a display, blue first; shown over and over
    rate       images a second
    pan        px a second to the right and down
    shake      px rms along each axis, of tones from 2 to 19 Hz
    lamp       Hz and amplitude of a lamp that flickers; the amplitude is of the logarithm
    seed       of the phases of the shake
    """

    images: np.ndarray
    rate: float = 1000.0
    pan: tuple[float, float] = (0.0, 0.0)
    shake: float = 0.0
    lamp: tuple[float, float] = (100.0, 0.0)
    seed: int = 0

    def path(self, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where the camera looks, px to the right and down, at times, s."""
        phases = np.random.default_rng(self.seed).uniform(0, 2 * np.pi, (2, len(TONES)))
        # A hand is a low-pass filter: displacement falls with the frequency.
        falling = 1 / np.array(TONES)
        each = self.shake * falling / np.sqrt((falling**2 / 2).sum())
        along = [
            speed * time
            + sum(
                size * np.sin(2 * np.pi * tone * time + shift)
                for size, tone, shift in zip(each, TONES, phase, strict=True)
            )
            for speed, phase in zip(self.pan, phases, strict=True)
        ]
        return along[0], along[1]

    def seen(self, time: np.ndarray, lit: bool) -> np.ndarray:
        """Return the image [h, w, 3] of which each pixel is seen at a time [h, w], s; each row, or
        each column, has one time. `lit` says whether the lamp flickers."""
        height, width = time.shape
        dx, dy = self.path(time)
        left, above = (self.images.shape[2] - width) / 2, (self.images.shape[1] - height) / 2
        x = (np.arange(width) + left + dx).astype(np.float32)
        y = (np.arange(height)[:, None] + above + dy).astype(np.float32)
        number = np.floor(time * self.rate).astype(int) % len(self.images)
        image = np.zeros((height, width, 3), np.float32)
        for one in np.unique(number):
            rows, columns = (np.flatnonzero((number == one).any(axis)) for axis in (1, 0))
            part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            image[part] = cv2.remap(
                self.images[one].astype(np.float32), x[part], y[part], cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_REFLECT_101,
            )  # fmt: skip
        frequency, amplitude = self.lamp
        if lit and amplitude:
            image *= np.exp(amplitude * np.sin(2 * np.pi * frequency * time))[..., None]
        return np.asarray(np.rint(image).clip(0, 255), np.uint8)


def film(
    scene: FilmedScene, size: tuple[int, int], frame_time: float, readout: float, scan: str = "top"
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield frames [h, w, 3] uint8 of a scene, read from `scan` within `readout` s each, without
    end, and what a global shutter sees in the middle of the readout."""
    height, width = size
    lines = height if scan in ("top", "bottom") else width
    share = (np.arange(lines) + 0.5) / lines
    share = share[::-1] if scan in ("bottom", "right") else share
    share = share[:, None] if scan in ("top", "bottom") else share[None]
    for number in itertools.count():
        begun = number * frame_time
        rows = np.broadcast_to(begun + readout * share, size)
        yield scene.seen(rows, True), scene.seen(np.full(size, begun + readout / 2), False)
