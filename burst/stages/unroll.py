"""Make images of single instants, as a global shutter takes them, from frames that rolled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from burst.progress import counted
from burst.records import MINIMUM_FRAMES, Shutter, StackError

if TYPE_CHECKING:
    import numpy as np

    from burst.ops.flow import Match
    from burst.ops.instants import Instant
    from burst.ops.readout import Readout
    from burst.ops.recording import Recording
    from burst.records import Burst, Report, Stack

NEEDS = ("stack",)
GIVES = ("image", "views")
COLOUR = True  # takes `stack.colour` where the frames were in colour

AUTO, PAIRED, RESET = "auto", "dual_reversed", "global_reset"
MIDDLE = -1  # of the frames
WIDEST_RANGE = 0.2  # of readout ratios that fit alike; wider ones tell nothing
PATH_STEP = 1 / 16  # frame times, between the points of a path that are noted
LEAST_TRUSTED = 0.5  # share of the pixels
BYTES_OF_IMAGE = 50, 20  # a pixel, and each of its colours, of an image with its views

Share = Annotated[float, Field(ge=-1, le=2)]


def _is_ratio(value: object) -> object:
    # "true" would count as 1.
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if value != AUTO and not 0 < number <= 1:
        raise ValueError("expected auto or a number above 0 and at most 1, in frame times")
    return value


@dataclass(frozen=True)
class Config:
    """Which shutter, and which instants.

    instants       shares of the readout of `frame`: 0 is its first row, 0.5 its middle, 1 its last
    frame          its number; -1 is the frame in the middle
    video          images a frame time over the whole recording, instead of `instants`; 0 is none
    readout_ratio  readout in frame times; "auto" is what the stack says, or else what its motion
                   says
    order          degree of each point's motion: 1 constant velocity, 2 acceleration, 3 through
                   four frames; 0 is at most 2 beside the camera's own path, where three frames or
                   more tell it, and else the highest that the frames allow
    """

    shutter: Literal["rolling", "dual_reversed", "global_reset"] = "rolling"
    instants: Annotated[tuple[Share, ...], Field(min_length=1)] = (0.5,)
    frame: Annotated[int, Field(ge=-1)] = MIDDLE
    video: Annotated[int, Field(ge=0)] = 0
    readout_ratio: Annotated[float | str, BeforeValidator(_is_ratio)] = AUTO
    order: Annotated[int, Field(ge=0, le=3)] = 0


def memory(stack: Stack, config: Config) -> int:
    """Return how many bytes the images and views of all instants take, about."""
    images = stack.count * config.video or len(config.instants)
    colours = 1 if stack.colour is None else 3
    each = BYTES_OF_IMAGE[0] + BYTES_OF_IMAGE[1] * colours
    return images * stack.height * stack.width * each


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with the image [h, w] of one instant or [t, h, w] of several; of a stack in
    colour [3, h, w] or [t, 3, h, w]."""
    import torch

    from burst.ops.views import views_of

    # On the host: dense inverse search is OpenCV's, and the rest takes no longer than copying.
    _check(burst.stack, config)
    stack = _of_shutter(burst.stack, config)
    instants, report = _unroll(stack, config, burst.report)
    image = torch.stack([one.image for one in instants])
    views = views_of(instants, stack)
    image = image if burst.stack.colour is not None else image[:, 0]
    several = config.video or len(image) > 1
    return replace(
        burst, image=(image if several else image[0]).to(burst.device), views=views, report=report
    )


def _of_shutter(stack: Stack, config: Config) -> Stack:
    """Return the stack as one of the shutter that the pipeline says."""
    return replace(stack, sensor=replace(stack.sensor, shutter=Shutter(config.shutter)))


def _unroll(stack: Stack, config: Config, report: Report) -> tuple[list[Instant], Report]:
    import torch

    from burst.ops.flow import to_bytes
    from burst.ops.instants import image_at
    from burst.ops.light import luminance, planes_of, unclipped
    from burst.ops.recording import Recording, growth, with_offset, with_shake
    from burst.ops.unroll import clock_of

    grey = to_bytes(luminance(stack))
    paired = config.shutter == PAIRED
    matches = _match(grey, paired)
    ratio, report = _readout_ratio(stack, config, grey, matches, report)
    times = clock_of(stack, config.shutter, ratio)
    order = 1 if paired else min(config.order or 3, stack.count - 1)
    frames = torch.from_numpy(grey).float()
    recording = Recording(frames, matches, times, order, paired, usable=unclipped(stack))
    if paired:
        for first in range(0, stack.count, 2):
            recording = with_offset(recording, first)
        report = report.note(offset=recording.times.offset[1::2].tolist())
    elif stack.count == 2 and config.order == 0:
        recording = replace(recording, gain=growth(recording))
        report = report.note(velocity_growth=recording.gain)
    instants = _instants(recording, config)
    if config.order == 0 and not paired:
        recording = with_shake(recording, instants)
        report = _note_shake(report, recording, instants[len(instants) // 2])
    planes = planes_of(stack)
    made = [image_at(recording, planes, one) for one in counted(instants, "unroll: images")]
    return made, _note(report.note(shutter=config.shutter), recording, instants)


def _check(stack: Stack, config: Config) -> None:
    """Raise StackError for a stack that is not of this shutter."""
    where = stack.source or stack.name
    sensor = stack.sensor
    if sensor.shutter not in (Shutter.GLOBAL, config.shutter):
        raise StackError(
            f"{where}: expected the shutter to be {config.shutter}, as the pipeline says, found"
            f" {sensor.shutter}. Pass --pipeline {sensor.shutter}, or correct the sidecar."
        )
    if config.shutter == RESET and not (sensor.exposure_time and sensor.row_time):
        raise StackError(
            f"{where}: expected to be told how long the rows of a global reset are exposed, found"
            f" exposure_time {sensor.exposure_time:g} s and row_time {sensor.row_time:g} s. Say"
            " both in a sidecar."
        )
    if config.shutter != RESET and stack.count < MINIMUM_FRAMES:
        raise StackError(
            f"{where}: expected at least {MINIMUM_FRAMES} frames, found {stack.count}. One frame"
            " does not show how things move."
        )
    if config.frame >= stack.count:
        raise StackError(
            f"{where}: expected unroll.frame to be one of 0..{stack.count - 1}, found"
            f" {config.frame}."
        )
    assert stack.scan is not None
    if config.shutter != PAIRED and len(set(stack.scan.tolist())) > 1:
        raise StackError(
            f"{where}: expected frames all read in one direction, found scan"
            f" {stack.scan.tolist()[:8]}. Pass --pipeline dual_reversed if they are pairs."
        )
    if config.shutter == PAIRED:
        pairs = stack.scan[: stack.count // 2 * 2].reshape(-1, 2)
        if stack.count % 2 or (pairs[:, 0] == pairs[:, 1]).any():
            raise StackError(
                f"{where}: expected pairs of frames read in opposite directions, found"
                f" {stack.count} frames with scan {stack.scan.tolist()[:8]}. Say so in a sidecar:"
                " scan = [1, -1], the order of the files."
            )
        if config.video:
            raise StackError(
                f"{where}: expected unroll.instants for a dual reversed pair, found unroll.video ="
                f" {config.video}. Pass --set unroll.instants=[0,0.5,1]."
            )


def _match(grey: object, paired: bool) -> dict[tuple[int, int], Match]:
    import numpy as np

    from burst.ops.flow import match

    frames = np.asarray(grey)
    firsts = range(0, len(frames) - 1, 2 if paired else 1)
    return {(k, k + 1): match(frames[k], frames[k + 1]) for k in firsts}


def _readout_ratio(
    stack: Stack,
    config: Config,
    grey: np.ndarray,
    matches: dict[tuple[int, int], Match],
    report: Report,
) -> tuple[float, Report]:
    """Return the readout in frame times and note where it came from; StackError where nothing
    tells."""
    where = stack.source or stack.name
    if config.shutter == PAIRED:
        # All that happens, happens within the readout: it is the unit of time.
        return 1.0, report
    if isinstance(config.readout_ratio, float):
        known = config.readout_ratio
        return known, report.note(readout_ratio=known, readout_from="unroll.readout_ratio")
    stated = stack.sensor.readout_ratio(stack.height)
    if stated > 1.0001:
        raise StackError(
            f"{where}: expected {stack.height} rows to be read within frame_time"
            f" {stack.sensor.frame_time:g} s, found row_time {stack.sensor.row_time:g} s."
            " Correct the sidecar, or pass --set unroll.readout_ratio=0.8 or what it is."
        )
    if stated > 0:
        return stated, report.note(readout_ratio=stated, readout_from="row_time and frame_time")
    found = _measure(stack, grey, matches)
    report = report.note(
        readout_ratio=found.ratio,
        readout_from="the motion",
        readout_range=[found.low, found.high],
        readout={"ratio": found.ratios, "misfit": found.misfits},
    )
    return found.ratio, report.warn(
        f"The readout ratio was estimated as {found.ratio:.3f} ({found.low:.2f} to"
        f" {found.high:.2f}). Set unroll.readout_ratio if you know it."
    )


def _measure(stack: Stack, grey: np.ndarray, matches: dict[tuple[int, int], Match]) -> Readout:
    from burst.ops.readout import FEWEST_PAIRS, readout_of

    where = stack.source or stack.name
    remedy = " Say row_time and frame_time in a sidecar, or pass --set unroll.readout_ratio=0.8."
    if len(matches) < FEWEST_PAIRS:
        raise StackError(
            f"{where}: expected to be told how long the readout takes, or at least"
            f" {FEWEST_PAIRS + 1} frames to estimate it from, found {len(matches) + 1}.{remedy}"
        )
    assert stack.scan is not None
    found = readout_of(grey, matches, upwards=stack.scan[0] < 0)
    if found.high - found.low > WIDEST_RANGE:
        raise StackError(
            f"{where}: expected motion that tells the readout ratio, found that"
            f" {found.low:.2f} to {found.high:.2f} fit alike.{remedy}"
        )
    return found


def _instants(recording: Recording, config: Config) -> list[float]:
    """Return the times of the images, in frame times."""
    height, count = recording.frames.shape[1], len(recording.frames)
    if config.video:
        first, last = (recording.times.instant(k, 0.5, height) for k in (0, count - 1))
        images = round((last - first) * config.video)
        return [first + k / config.video for k in range(images + 1)]
    frame = count // 2 if config.frame == MIDDLE else config.frame
    return [recording.times.instant(frame, share, height) for share in config.instants]


def _note_shake(report: Report, recording: Recording, instant: float) -> Report:
    """Note the camera's path about an instant, where it was found."""
    import torch

    path = recording.path_about(instant)
    if path is None:
        return report
    times = torch.arange(path.start, path.end, PATH_STEP)
    dx, dy = path.at(times)
    return report.note(
        shake={
            "strength": path.strength,
            "time": times.tolist(),
            "dx": dx.tolist(),
            "dy": dy.tolist(),
        }
    )


def _note(report: Report, recording: Recording, instants: list[float]) -> Report:
    import torch

    found = recording.matches.values()
    trusted, moved = 1.0, torch.zeros(1)
    if found:
        trusted = float(torch.stack([m.forth_trust for m in found]).gt(0.5).float().mean())
        moved = torch.stack([m.forth for m in found])
    report = report.note(
        instants=instants,
        order=recording.order,
        trusted=trusted,
        displacement_rms=float(moved.square().mean().sqrt()),
    )
    if trusted < LEAST_TRUSTED:
        return report.warn(
            f"Only {trusted:.0%} of the pixels were found again in the next frame; the motion of"
            " the others is taken from around them."
        )
    return report
