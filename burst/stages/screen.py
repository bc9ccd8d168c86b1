"""Leave out frames that do not show the scene, and measure the brightness of each frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from burst.lazy import torch
from burst.ops import bayer
from burst.ops.frames import screen as screen_ops
from burst.records import Burst, Report
from burst.settings import checked, setting

NEEDS = ("stack",)
GIVES = ("kept", "gain", "left_out")
MAY_GIVE = ("valid",)  # None where all values are good
BLOCKS = True  # takes frames that are read block by block
SHARED = True  # what is found on all channels together holds for each
MOSAIC = True

FEW_LEFT = 0.5  # share of the frames; when fewer are left a warning is given


@checked
@dataclass(frozen=True)
class Config:
    """What is looked for."""

    frames: Annotated[
        bool,
        setting(
            "leave out frames that are lost, doubled, mirrored or of another scene, and parts of"
            " frames that are torn, unread or covered"
        ),
    ] = True
    gains: Annotated[
        bool, setting("measure the brightness of each frame, which is then taken out")
    ] = True
    strictness: Annotated[
        float, setting("how much a frame has to agree with the others; below 1 less", gt=0, le=1.3)
    ] = 1.0


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with the used frames, their gains and their valid values."""
    # Of a mosaic that is taken whole one green plane is looked at.
    whole = burst.stack.sensor.cfa != "mono"
    stack = bayer.split_planes(burst.stack)[1] if whole else burst.stack
    verdict = screen_ops.screen(
        stack.frames, stack.sensor, config.strictness, burst.device, stack.measured, burst.memory
    )
    if not config.frames:
        kept = torch.arange(stack.count, device=verdict.kept.device)
        gain = torch.ones(stack.count, device=kept.device)
        gain[verdict.kept] = verdict.gain
        verdict = replace(verdict, kept=kept, gain=gain, valid=None, reasons={}, parts={})
    if not config.gains:
        verdict = replace(verdict, gain=torch.ones_like(verdict.gain))
    if whole and verdict.valid is not None:
        verdict = replace(verdict, valid=bayer.planes_to_sites(verdict.valid))
    report = burst.report.note(
        kept=verdict.kept.tolist(),
        gain=verdict.gain.tolist(),
        reasons={str(i): reason for i, reason in verdict.reasons.items()},
        parts={str(i): share for i, share in verdict.parts.items()},
    )
    report = _with_warnings(report, verdict, stack.count)
    return replace(
        burst,
        kept=verdict.kept,
        gain=verdict.gain,
        valid=verdict.valid,
        left_out=verdict.reasons,
        report=report,
    )


def _with_warnings(report: Report, verdict: screen_ops.ScreeningResult, count: int) -> Report:
    """Return the report with warnings about the frames."""
    if verdict.divided:
        report = report.warn(
            "The frames fall into groups that do not agree with one another, and no group is much"
            " larger than the others: all are used. Restore each scene by itself."
        )
    if len(verdict.kept) < FEW_LEFT * count:
        report = report.warn(
            f"Only {len(verdict.kept)} of {count} frames take part; the report says why. Set"
            " screen.strictness lower, or screen.frames=false to use all."
        )
    return report
