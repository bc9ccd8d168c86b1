"""Follow a planet's disc, or the detail of a surface, that drifts, and cut the frames around it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np

from burst.lazy import torch
from burst.ops.frames import track as track_ops
from burst.records import Burst, Report, Stack, StackError, Track
from burst.settings import checked, setting

NEEDS = ("stack",)
GIVES = ("stack", "kept", "gain", "left_out")
MAY_GIVE = ("track",)  # None where a surface hardly drifts
BLOCKS = True  # takes frames that are read block by block
SHARED = True  # what is found on all channels together holds for each

BYTES_PER_PIXEL = 60  # that a run takes with all frames in memory, as `machine` has it
FEW_LEFT = 0.5  # share of the frames; when fewer are left a warning is given
CLOUDS = 0.05  # spread of the discs' light from which on it is taken out; air changes it by less


@checked
@dataclass(frozen=True)
class Config:
    """What is followed."""

    target: Annotated[
        Literal["auto", "disc", "surface", "none"],
        setting("disc: before a dark sky; surface: of moon or sun; none: frames stay as they are"),
    ] = "auto"
    margin: Annotated[
        float, setting("sky around the disc that is kept", "diameters", ge=0.1, le=3)
    ] = 0.33


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with its frames cut around what is followed, and those that show it."""
    stack = burst.stack
    track, reasons, gain, target = _find(stack, config)
    kept = np.array([n for n in range(stack.count) if n not in reasons])
    if len(kept) < 2:
        raise StackError(
            f"{stack.source or stack.name}: expected a disc or a surface in at least two frames,"
            " found fewer. Set track.target=none, or leave out the stage."
        )
    report = _noted(burst.report, stack, track, reasons, target)
    gain = np.ones(len(kept)) if gain is None else gain[kept]
    return replace(
        burst if track is None else _cut(burst, track),
        track=track,
        kept=torch.from_numpy(kept).to(burst.device),
        gain=torch.from_numpy(gain).float().to(burst.device),
        left_out=reasons,
        report=report,
    )


def follow(burst: Burst, config: Config) -> Burst:
    """Return the burst of a channel, cut like all channels together."""
    return burst if burst.track is None else _cut(burst, burst.track)


def _cut(burst: Burst, track: Track) -> Burst:
    """Return the burst with cut frames, all in memory from now on where they fit."""
    stack, memory = track_ops.cut_out(burst.stack, track), burst.memory
    if memory is not None and stack.frames.size * BYTES_PER_PIXEL <= memory:
        memory = None
    return replace(burst, stack=stack, memory=memory)


def _find(
    stack: Stack, config: Config
) -> tuple[Track | None, dict[int, str], np.ndarray | None, str]:
    """Return where to cut the frames of a stack, None for not at all; which are left out, and why;
    how bright each was recorded [n], None where that is not known; and what is followed."""
    frames, size = stack.frames, (stack.height, stack.width)
    if config.target in ("auto", "disc"):
        discs = track_ops.find_discs(frames)
        reasons = track_ops.judge_discs(discs)
        if reasons is not None:
            kept = np.array([n for n in range(stack.count) if n not in reasons])
            light = discs.light / np.median(discs.light[kept])
            gain = light if light[kept].std() > CLOUDS else None
            return track_ops.track_discs(discs, kept, size, config.margin), reasons, gain, "disc"
        if config.target == "disc":
            raise StackError(
                f"{stack.source or stack.name}: expected a whole disc before a dark sky in most"
                " frames, found none. Set track.target=surface, or none."
            )
    if config.target == "none":
        return None, {}, None, "none"
    found = track_ops.track_surface(*track_ops.surface_shifts(frames), size)
    if found is None:
        return None, {}, None, "surface"
    return *found, None, "surface"


def _noted(
    report: Report, stack: Stack, track: Track | None, reasons: dict[int, str], target: str
) -> Report:
    """Return the report with what was followed."""
    values: dict[str, Any] = {"target": target}
    if track is not None:
        shown = [n for n in range(stack.count) if n not in reasons]
        place = np.array(track.corner, float) + np.array(track.size[::-1]) / 2
        if track.centre is not None:
            place = np.array(track.corner) + np.array(track.centre)
        values |= {
            "size": list(track.size),
            "radius": track.radius,
            "drift": float(np.ptp(place[shown], 0).max()),
            "place": [
                p if n not in reasons else [None, None] for n, p in enumerate(place.tolist())
            ],
        }
    report = report.note(**values, reasons={str(n): why for n, why in reasons.items()})
    if len(reasons) > (1 - FEW_LEFT) * stack.count:
        report = report.warn(
            f"Only {stack.count - len(reasons)} of {stack.count} frames show the {target}; the"
            " report says why."
        )
    return report
