"""Images of single instants made of rolling-shutter frames, their times, and the truths that lie
with the frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from burst.files.layouts.listing import read_images_alike
from burst.files.layouts.published import truths_beside
from burst.lazy import torch
from burst.log import LOG
from burst.ops import color, metrics
from burst.ops.rolling import unroll
from burst.records import Burst, Sensor, StackError, Unrolled, given


@dataclass(frozen=True)
class Instants:
    """Images [t, h, w] or [t, h, w, 3], black 0 and white 1 in the sensor's encoding, and the
    truths that are known, by number of the image."""

    burst: Burst
    images: np.ndarray
    truths: Mapping[int, np.ndarray] = field(default_factory=dict)

    @property
    def shown(self) -> int:
        """The number of the image that the page shows."""
        return len(self.images) // 2

    @property
    def times(self) -> list[float]:
        """The instants of the images, in frame times."""
        return list(self.unrolled.instants)

    @property
    def unrolled(self) -> Unrolled:
        """How the frames became images of instants."""
        return given(self.burst.unrolled)

    @cached_property
    def clock(self) -> unroll.Clock:
        """When every row was read, in frame times; in readouts under a dual reversed shutter."""
        start, pace = torch.tensor(self.unrolled.start), torch.tensor(self.unrolled.pace)
        return unroll.Clock(start, pace, torch.zeros(len(start), 2))

    @property
    def paired(self) -> bool:
        """Whether frames 2i and 2i + 1 are of the same moment."""
        return self.unrolled.shutter == "dual_reversed"

    @property
    def unit(self) -> float:
        """The unit of time in seconds; 0 if it is not known."""
        sensor, height = self.burst.stack.sensor, self.burst.stack.height
        return height * sensor.row_time if self.paired else self.unrolled.frame_time

    def image_of(self, frame: int, share: float) -> int | None:
        """Return the number of the image of a share of a frame's readout; None if there is none."""
        if frame >= self.burst.stack.count:
            return None
        height = self.burst.stack.height
        away = np.abs(np.array(self.times) - self.clock.instant(frame, share, height))
        nearest = int(away.argmin())
        return nearest if away[nearest] < 0.5 / height else None

    def frame_of(self, number: int) -> int:
        """Return the used frame read closest to the time of an image; of a pair the first."""
        kept, height = self.unrolled.kept, self.burst.stack.height
        middles = [self.clock.instant(k, 0.5, height) for k in kept]
        return kept[int(np.abs(np.array(middles) - self.times[number]).argmin())]


def frame_image(burst: Burst, frame: int) -> np.ndarray:
    """Return a frame [h, w] or [h, w, 3] as it was recorded, black 0 and white 1."""
    stack, sensor = burst.stack, burst.stack.sensor
    recorded = stack.frames if stack.colour is None else stack.colour
    return from_dn(recorded[frame], sensor)


def from_dn(image: np.ndarray, sensor: Sensor) -> np.ndarray:
    """Return an image in DN with black 0 and white 1."""
    black = float(np.mean(sensor.black_levels))
    return np.asarray((image - black) / (sensor.white_level - black), np.float32)


def grey(image: np.ndarray) -> np.ndarray:
    """Return an image [h, w] of one [h, w] or [h, w, 3]."""
    return image if image.ndim == 2 else np.asarray(image.mean(-1))


def as_displayed(image: np.ndarray, sensor: Sensor) -> np.ndarray:
    """Return an image of any shape within 0..1, encoded as a display shows it."""
    clipped = np.asarray(np.clip(np.nan_to_num(image), 0, 1))
    if sensor.transfer == "srgb":
        return clipped
    return np.asarray(color.linear_to_display(torch.from_numpy(clipped)).numpy())


def scores(instants: Instants) -> list[dict[str, float]]:
    """Return for each truth its instant (frame times) and the PSNR (dB) of the nearest frame and
    of the image, encoded for a display and with nothing fitted."""
    burst, found = instants.burst, []
    for number, truth in sorted(instants.truths.items()):
        frame = frame_image(burst, instants.frame_of(number))
        shown = [as_displayed(x, burst.stack.sensor) for x in (frame, instants.images[number])]
        wanted = as_displayed(truth, burst.stack.sensor)
        before, after = (_psnr(image, wanted) for image in shown)
        found.append({"instant": instants.times[number], "frame_psnr": before, "psnr": after})
    return found


def _psnr(image: np.ndarray, truth: np.ndarray) -> float:
    return metrics.psnr(torch.from_numpy(image), torch.from_numpy(truth))


def instants_of(burst: Burst, images: np.ndarray | None, source: str) -> Instants | None:
    """Return the images [t, ...] of instants with the truths beside `source`; None of others."""
    if images is None or burst.unrolled is None:
        return None
    instants = Instants(burst, images)
    if not Path(source or "-").exists():
        return instants
    try:
        return replace(instants, truths=dict(_truths(Path(source), instants)))
    except StackError as error:
        # The truth is only shown; the image does not need it.
        LOG.warning("%s", error)
        return instants


def _truths(folder: Path, instants: Instants) -> Iterator[tuple[int, np.ndarray]]:
    """Yield number and truth of every image whose truth lies beside the stack."""
    size = frame_image(instants.burst, 0).shape
    for truth_file in truths_beside(folder):
        number = instants.image_of(truth_file.frame, truth_file.share)
        if number is not None:
            truth = read_images_alike([truth_file.path])[0]
            if truth.shape == instants.images[number].shape == size:
                yield number, from_dn(truth, instants.burst.stack.sensor)
