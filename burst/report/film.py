"""A strip of small pictures that the page shows one after another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from burst.ops.orientation import upright
from burst.report.pictures import balanced, data_uri, display_points, encode, reduced
from burst.report.rolling import Instants

LONGEST_SIDE = 360  # px
MOST_IMAGES = 24  # the page stays small however long the video is
JPEG_QUALITY = 80


@dataclass(frozen=True)
class Filmstrip:
    """A strip of `count` pictures below one another as a data URI, the size of one, a caption."""

    uri: str
    count: int
    width: int
    height: int
    caption: str


def film_of(instants: Instants) -> Filmstrip | None:
    """Return the images of instants as a filmstrip, evenly sampled if many; None for one image."""
    images, burst = instants.images, instants.burst
    if len(images) < 2:
        return None
    chosen = np.linspace(0, len(images) - 1, min(len(images), MOST_IMAGES)).round().astype(int)
    sensor, turned = burst.stack.sensor, burst.stack.sensor.orientation
    levels = display_points(balanced(images[instants.shown], burst))
    pictures = [
        reduced(upright(encode(balanced(images[k], burst), *levels, sensor), turned), LONGEST_SIDE)
        for k in chosen
    ]
    height, width = pictures[0].shape[:2]
    times = instants.times
    caption = (
        f"{len(chosen)} of {len(images)} images, from {times[0]:.2f} to {times[-1]:.2f}"
        f" {'readouts' if instants.paired else 'frame times'} after the first row, to and fro."
    )
    uri = data_uri(np.concatenate(pictures), ".jpg", JPEG_QUALITY)
    return Filmstrip(uri, len(chosen), width, height, caption)
