"""Compare all methods on a rolling-shutter sequence with the truth of a global shutter.

Figures are those of the literature: of display-encoded images, without any fit; of the whole image,
without a border of 20 px, by thirds of the rows, and within the mask where a set has masks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Protocol

import cv2
import numpy as np
import torch
from einops import rearrange

from burst.files.sequence import Sequence as Recorded
from burst.measure.cost import measure_cost
from burst.measure.results import Record
from burst.measure.tables import CLASSICAL, OURS, markdown, mean_of
from burst.ops.color import linear_to_display
from burst.ops.flow import match, to_bytes
from burst.ops.metrics import psnr, ssim
from burst.ops.noise import to_linear
from burst.ops.shutter import frame_starts
from burst.ops.warp import invert, pixel_grid, warp
from burst.pipeline import Pipeline
from burst.records import Burst, Sensor, Shutter, Stack, given

BASELINE, UNTOUCHED = "DIS, constant velocity", "frame"
BORDER = 20  # px
MIN_TRUST = 0.5  # trust
THIRDS = ("top", "middle", "bottom")


class TruthSource(Protocol):
    """A source of frames with one truth."""

    def read(self) -> Recorded:
        """Return the frames and the truth."""


@dataclass(frozen=True)
class ShutterBench:
    """Compares the pipelines, with and without a network, with a baseline and the recorded frame.
    `pipelines` loads a pipeline by name, with assignments."""

    pipelines: Callable[[str, Sequence[str]], Pipeline]
    assignments: tuple[str, ...] = ()

    def measure(self, source: TruthSource) -> Record:
        """Restore one instant by every method and return the figures of each."""
        recorded = self._with_set_readout_ratio(source.read())
        frame, share = int(recorded.truth_frame[0]), float(recorded.truth_share[0])
        stack = recorded.luminance()
        if recorded.frames.ndim == 4:
            stack = replace(stack, colour=recorded.frames)
        methods: dict[str, Callable[[], torch.Tensor]] = {
            UNTOUCHED: partial(frame_planes, stack, frame),
            OURS: partial(self._restore, stack, frame, share, ""),
            CLASSICAL: partial(self._restore, stack, frame, share, "_geometry"),
        }
        if stack.sensor.shutter is Shutter.ROLLING:
            methods[BASELINE] = partial(constant_velocity, stack, frame, share)
        found: Record = {}
        for name, work in methods.items():
            image, cost = measure_cost(work)
            found[name] = {**figures(image, recorded), **asdict(cost)}
        return {"methods": found, "share": share, "readout_ratio": recorded.readout_ratio}

    def _with_set_readout_ratio(self, recorded: Recorded) -> Recorded:
        """Return a recording with the readout ratio of the settings, for all methods."""
        if recorded.sensor.shutter is not Shutter.ROLLING:
            return recorded
        assignments = [text for text in self.assignments if text.startswith("unroll.")]
        steps = {step.name: step for step in self.pipelines("rolling_geometry", assignments).steps}
        ratio = steps["unroll"].config.readout_ratio
        return recorded.with_readout_ratio(ratio) if isinstance(ratio, float) else recorded

    def _restore(self, stack: Stack, frame: int, share: float, suffix: str) -> torch.Tensor:
        moment = [f"unroll.frame={frame}", f"unroll.instants=[{share}]"]
        common = [text for text in self.assignments if text.startswith("unroll.")]
        said = [*moment, *(common if suffix else self.assignments)]
        pipeline = self.pipelines(f"{stack.sensor.shutter}{suffix}", said)
        return given(pipeline.run(Burst(stack)).image)


def constant_velocity(stack: Stack, frame: int, share: float) -> torch.Tensor:
    """Return the image [h, w] or [3, h, w] of an instant by the simplest method. OpenCV's DIS flow
    to the next frame (of the last frame, to the one before) gives each pixel a constant velocity;
    the frame is warped by the displacement that follows, inverted by fixed point."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    other = frame + 1 if frame + 1 < stack.count else frame - 1
    scale = 255 / stack.sensor.white_level
    first, second = ((stack.frames[k] * scale).astype(np.uint8) for k in (frame, other))
    found = search.calc(first, second, None)  # type: ignore[call-overload]
    flow = rearrange(torch.from_numpy(found), "h w xy -> xy h w")
    ratio, height = stack.sensor.readout_ratio(stack.height), stack.height
    start = frame_starts(stack.sensor, stack.count) / stack.sensor.frame_time
    _, y = pixel_grid(flow)
    velocity = flow / (float(start[other] - start[frame]) + ratio * flow[1] / height)
    displacement = invert(-(velocity * ratio * (share - y / height))[None], iterations=8)
    planes = frame_planes(stack, frame)
    stacked = planes if planes.ndim == 3 else planes[None]
    return warp(stacked, displacement.expand(len(stacked), -1, -1, -1)).reshape(planes.shape)


def figures(image: torch.Tensor, recorded: Recorded) -> Record:
    """Return the figures of an image [h, w] or [3, h, w] against the only truth of a sequence."""
    sensor = recorded.sensor
    truth = _displayed(_planes(recorded.truths[0], sensor), sensor)
    image = _displayed(image if image.ndim == 3 else image[None], sensor)
    inside = (slice(None), slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    found: Record = {
        "psnr": psnr(image, truth),
        "psnr_inside": psnr(image[inside], truth[inside]),
        "ssim": float(np.mean([ssim(a, b) for a, b in zip(image, truth, strict=True)])),
        "mse": float((255 * (image - truth)).square().mean()),
        "row_displacement": row_displacement(image[inside].mean(0), truth[inside].mean(0)),
    }
    parts = zip(image.tensor_split(3, dim=1), truth.tensor_split(3, dim=1), strict=True)
    found.update({f"psnr_{name}": psnr(*part) for name, part in zip(THIRDS, parts, strict=True)})
    if recorded.masks is not None:
        counts = torch.from_numpy(recorded.masks[0])
        found["psnr_masked"] = psnr(image[:, counts], truth[:, counts])
    return found


def row_displacement(image: torch.Tensor, truth: torch.Tensor) -> float:
    """Return the displacement (px rms) of rows of an image [h, w]: the medians of trusted flow."""
    found = match(*to_bytes(torch.stack([truth, image])))
    unsure = found.forth_trust < MIN_TRUST
    rows = found.forth.masked_fill(unsure, torch.nan).nanmedian(dim=2).values
    return float(rows.square().sum(0).nanmean().sqrt())


def frame_planes(stack: Stack, frame: int) -> torch.Tensor:
    """Return a frame [h, w], or [3, h, w] in colour, as recorded; white is 1."""
    if stack.colour is not None:
        return _planes(stack.colour[frame], stack.sensor)
    return _planes(stack.frames[frame], stack.sensor)[0]


def _planes(image: np.ndarray, sensor: Sensor) -> torch.Tensor:
    """Return planes [c, h, w] of an image [h, w] or [h, w, c] in DN; black is 0 and white 1."""
    planes = image[None] if image.ndim == 2 else rearrange(image, "h w c -> c h w")
    return to_linear(planes, sensor)


def _displayed(planes: torch.Tensor, sensor: Sensor) -> torch.Tensor:
    """Return planes of any shape encoded for a display."""
    return planes.clamp(0, 1) if sensor.transfer == "srgb" else linear_to_display(planes)


def moments_table(records: Sequence[Record]) -> str:
    """Return a table of the mean figures of each method."""
    columns = {
        "psnr": "PSNR dB", "psnr_inside": "without border", "psnr_top": "top third",
        "psnr_middle": "middle", "psnr_bottom": "bottom", "psnr_masked": "masked",
        "ssim": "SSIM", "mse": "MSE", "row_displacement": "rows displaced by, px",
        "seconds": "seconds",
    }  # fmt: skip
    known = {k: v for k, v in columns.items() if k in records[0]["methods"][OURS]}
    digits = {"ssim": 3, "mse": 0}
    methods = [name for name in records[0]["methods"] if all(name in r["methods"] for r in records)]
    rows = [
        [name, *(f"{mean_of(records, name, k):.{digits.get(k, 2)}f}" for k in known)]
        for name in methods
    ]
    return markdown(["method", *known.values()], rows)
