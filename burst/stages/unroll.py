"""Make images of single instants, as a global shutter takes them, from rolling-shutter frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from burst.lazy import torch
from burst.ops import flow
from burst.ops import shutter as shutter_ops
from burst.ops.rolling import planes as planes_ops
from burst.ops.rolling import readout, synthesis, unroll, used_frames
from burst.ops.rolling import recording as recording_ops
from burst.ops.rolling import views as views_ops
from burst.progress import counted
from burst.records import Burst, Report, Shutter, Stack, StackError, Unrolled
from burst.settings import checked, setting

NEEDS = ("stack",)
GIVES = ("image", "views", "unrolled")
MAY_GIVE = ("noise",)  # where it was measured: frames that differ by less have less
COLOUR = True  # takes `stack.colour` where the frames were in colour

AUTO, ROLLING, DUAL_REVERSED = "auto", "rolling", "dual_reversed"
MIDDLE = -1  # of the frames
LEAST_SATURATED = 0.002  # share of pixels; with more, a warning; chosen by hand
LEAST_TRUSTED = 0.5  # share of pixels with trusted motion; with less, a warning; chosen by hand
BYTES_OF_IMAGE = 50, 20  # a pixel, and each of its colours, of an image with its views

Share = Annotated[float, Field(ge=-1, le=2)]


def _is_ratio(value: object) -> object:
    # "true" would count as 1.
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if value != AUTO and not 0 < number <= 1:
        raise ValueError("expected auto or a number above 0 and at most 1, in frame times")
    return value


@checked
@dataclass(frozen=True)
class Config:
    """Which shutter, and which instants."""

    shutter: Annotated[
        Literal["rolling", "dual_reversed", "global_reset"], setting("how the rows were read")
    ] = "rolling"
    instants: Annotated[
        tuple[Share, ...],
        setting(
            "when the images are taken: 0 is the first row of `frame`, 0.5 its middle, 1 its last",
            "of the readout",
            min_length=1,
        ),
    ] = (0.5,)
    frame: Annotated[
        int, setting("number of the frame, from 0; -1 is the frame in the middle", ge=-1)
    ] = MIDDLE
    video: Annotated[
        int,
        setting("images of the whole recording, not of `instants`; 0: none", "a frame time", ge=0),
    ] = 0
    readout_ratio: Annotated[
        float | str,
        BeforeValidator(_is_ratio),
        setting("how long it takes; auto: what the stack, or else its motion says", "frame times"),
    ] = AUTO
    order: Annotated[
        int,
        setting(
            "degree of motion: 1 constant velocity, 2 acceleration, 3 through four frames; 0: at"
            " most 2 beside the camera's own path, else the highest that the frames allow",
            ge=0,
            le=3,
        ),
    ] = 0


def memory(stack: Stack, config: Config) -> int:
    """Return the approximate size in bytes of the images and views of all instants."""
    images = stack.count * config.video or len(config.instants)
    colours = 1 if stack.colour is None else 3
    each = BYTES_OF_IMAGE[0] + BYTES_OF_IMAGE[1] * colours
    return images * stack.height * stack.width * each


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with the image [h, w] of one instant or [t, h, w] of several; of a stack in
    colour [3, h, w] or [t, 3, h, w]."""
    # On the host: OpenCV's dense inverse search runs there, and the rest is as fast as copying.
    _check(burst.stack, config)
    sensor = replace(burst.stack.sensor, shutter=Shutter(config.shutter))
    stack = replace(burst.stack, sensor=sensor)
    instants, stack, unrolled, report = _unroll(stack, burst.numbers, config, burst.report)
    image = torch.stack([one.image for one in instants])
    views = views_ops.views_of(instants, stack)
    image = image if burst.stack.colour is not None else image[:, 0]
    several = config.video or len(image) > 1
    return replace(
        burst,
        image=(image if several else image[0]).to(burst.device),
        views=views,
        noise=None if burst.noise is None else views_ops.noise_between(views, burst.noise),
        unrolled=unrolled,
        report=report,
    )


def _unroll(
    stack: Stack, given: list[int], config: Config, report: Report
) -> tuple[list[synthesis.InstantImage], Stack, Unrolled, Report]:
    """Return the images of the instants, the stack of the frames used for them, the record of how
    they were made, and the report."""
    grey = flow.to_bytes(planes_ops.luminance(stack), given)
    paired = config.shutter == DUAL_REVERSED
    used = _used_frames(stack, grey, given) if config.shutter == ROLLING else None
    matches = used.matches if used else _match(grey, paired)
    frame = stack.count // 2 if config.frame == MIDDLE else config.frame
    kept = list(range(stack.count))
    if used:
        report = report.note(**used.numbers(stack.sensor.frame_time))
        for sentence in used.words():
            report = report.warn(sentence)
        stack, grey, kept = used_frames.with_used_frames(stack, used), grey[used.kept], used.kept
    ratio, interval, report = _readout_ratio(stack, config, grey, matches, report)
    times = whole = unroll.clock_of(stack, config.shutter, ratio)
    if used:
        times, whole = used_frames.clocks(times, used)
    instants = _instants(whole, frame, (kept[0], kept[-1]), stack.height, config)
    order = 1 if paired else min(config.order or 3, stack.count - 1)
    frames, usable = torch.from_numpy(grey).float(), planes_ops.unclipped(stack)
    saturated = 0.0 if usable is None else 1 - float(usable.amin(1).mean())
    if saturated > LEAST_SATURATED:
        report = report.note(saturated=saturated).warn(
            f"{saturated:.1%} of the pixels are saturated, most in the rows that are exposed"
            " longest. There the image is as bright as it was recorded at least, and may be"
            " brighter. Expose for a shorter time."
        )
    recording = recording_ops.Recording(frames, matches, times, order, paired, usable=usable)
    if paired:
        for first in range(0, stack.count, 2):
            recording = recording_ops.with_camera_offset(recording, first)
    elif stack.count == 2 and config.order == 0:
        recording = replace(recording, growth=recording_ops.measure_growth(recording))
        report = report.note(velocity_growth=recording.growth)
    if config.order == 0 and not paired:
        recording = recording_ops.with_shake(recording, instants)
        shake = recording.shake_near(instants[len(instants) // 2])
        report = report if shake is None else report.note(shake=shake.points())
    planes = planes_ops.planes_of(stack)
    made = [
        synthesis.image_at(recording, planes, one) for one in counted(instants, "unroll: images")
    ]
    offset = recording.times.offset[1::2].tolist() if paired else []
    unrolled = Unrolled(
        shutter=config.shutter,
        instants=tuple(instants),
        kept=tuple(kept),
        start=tuple(whole.start.tolist()),
        pace=tuple(whole.pace.tolist()),
        frame_time=stack.sensor.frame_time,
        displacement_rms=recording.displacement_rms,
        readout_ratio=None if paired else ratio,
        readout_range=interval,
        offset=tuple((dx, dy) for dx, dy in offset),
    )
    return made, stack, unrolled, _note(report, recording, unrolled)


def _used_frames(stack: Stack, grey: np.ndarray, given: list[int]) -> used_frames.UsedFrames:
    """Return which of the given frames are used, and their times."""
    times_known = stack.sensor.frame_times is not None
    unit = stack.sensor.frame_time if times_known else 1.0
    seconds = shutter_ops.frame_starts(replace(stack.sensor, frame_time=unit), stack.count)
    return used_frames.find_used_frames(grey, seconds.numpy() / unit, given, times_known)


def _check(stack: Stack, config: Config) -> None:
    """Raise StackError for a stack with another shutter, or without the frame asked for."""
    shutter_ops.check_shutter(stack, config.shutter)
    where = stack.source or stack.name
    if config.frame >= stack.count:
        raise StackError(
            f"{where}: expected unroll.frame to be one of 0..{stack.count - 1}, found"
            f" {config.frame}."
        )
    if config.shutter == DUAL_REVERSED and config.video:
        raise StackError(
            f"{where}: expected unroll.instants for a dual reversed pair, found unroll.video ="
            f" {config.video}. Pass --set unroll.instants=[0,0.5,1]."
        )


def _match(grey: object, paired: bool) -> dict[tuple[int, int], flow.Match]:
    frames = np.asarray(grey)
    firsts = range(0, len(frames) - 1, 2 if paired else 1)
    return {(k, k + 1): flow.match(frames[k], frames[k + 1]) for k in firsts}


def _readout_ratio(
    stack: Stack,
    config: Config,
    grey: np.ndarray,
    matches: Mapping[tuple[int, int], flow.Match],
    report: Report,
) -> tuple[float, tuple[float, float] | None, Report]:
    """Return the readout ratio (frame times), the range of ratios that fit as well if it was
    estimated, and the report with its source; StackError where it cannot be found."""
    where = stack.source or stack.name
    if config.shutter == DUAL_REVERSED:
        # Both frames of a pair are read at the same time: the readout is the unit of time.
        return 1.0, None, report
    if isinstance(config.readout_ratio, float):
        known = config.readout_ratio
        report = report.note(readout_ratio=known, readout_from="unroll.readout_ratio")
        return known, None, report
    stated = stack.sensor.readout_ratio(stack.height)
    if stated > 1.0001:
        raise StackError(
            f"{where}: expected {stack.height} rows to be read within frame_time"
            f" {stack.sensor.frame_time:g} s, found row_time {stack.sensor.row_time:g} s."
            " Correct the sidecar, or pass --set unroll.readout_ratio=0.8 or what it is."
        )
    if stated > 0:
        report = report.note(readout_ratio=stated, readout_from="row_time and frame_time")
        return stated, None, report
    found = readout.measure_readout(stack, grey, matches)
    report = report.note(
        readout_ratio=found.ratio,
        readout_from="the motion",
        readout_range=[found.low, found.high],
        readout={"ratio": found.ratios, "misfit": found.misfits},
    )
    return (
        found.ratio,
        (found.low, found.high),
        report.warn(
            f"The readout ratio was estimated as {found.ratio:.3f} ({found.low:.2f} to"
            f" {found.high:.2f}). Set unroll.readout_ratio if you know it."
        ),
    )


def _instants(
    times: unroll.Clock, frame: int, ends: tuple[int, int], height: int, config: Config
) -> list[float]:
    """Return the times of the images, in frame times: within one frame, or for a video between the
    frames `ends`."""
    if config.video:
        first, last = (times.instant(k, 0.5, height) for k in ends)
        images = round((last - first) * config.video)
        return [first + k / config.video for k in range(images + 1)]
    return [times.instant(frame, share, height) for share in config.instants]


def _note(report: Report, recording: recording_ops.Recording, unrolled: Unrolled) -> Report:
    if unrolled.offset:
        report = report.note(offset=[list(one) for one in unrolled.offset])
    report = report.note(
        shutter=unrolled.shutter,
        instants=list(unrolled.instants),
        order=recording.order,
        trusted=recording.trusted,
        displacement_rms=unrolled.displacement_rms,
    )
    if recording.trusted < LEAST_TRUSTED:
        return report.warn(
            f"Only {recording.trusted:.0%} of the pixels were found again in the next frame; the"
            " motion of the others is taken from around them."
        )
    return report
