"""Turn frames and motion so that rows which are read one after another lie from the top down.

A sensor reads from one side to the other: `top` is first row first. Phones that are held upright
read from the left or the right of the image that is seen.
"""

from __future__ import annotations

import torch

from burst.ops.flow import Match

SCANS = ("top", "bottom", "left", "right")


def opposite(scan: str) -> str:
    """Return the side on which a readout ends that begins at `scan`."""
    return {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}[scan]


def turned(planes: torch.Tensor, scan: str) -> torch.Tensor:
    """Return planes [..., h, w] read from `scan` as if they were read from the top."""
    planes = planes.mT if scan in ("left", "right") else planes
    return planes.flip(-2) if scan in ("bottom", "right") else planes


def turned_flow(flow: torch.Tensor, scan: str) -> torch.Tensor:
    """Return vectors [2, h, w] px of frames read from `scan` as those of the turned frames."""
    flow = turned(flow, scan)
    flow = flow.flip(0) if scan in ("left", "right") else flow
    sign = -1.0 if scan in ("bottom", "right") else 1.0
    return flow * flow.new_tensor([1.0, sign])[:, None, None]


def turned_back(flow: torch.Tensor, scan: str) -> torch.Tensor:
    """Return vectors [2, h, w] px of turned frames as those of the frames; undoes `turned_flow`."""
    sign = -1.0 if scan in ("bottom", "right") else 1.0
    flow = flow * flow.new_tensor([1.0, sign])[:, None, None]
    flow = flow.flip(-2) if scan in ("bottom", "right") else flow
    return flow.flip(0).mT if scan in ("left", "right") else flow


def turned_match(match: Match, scan: str) -> Match:
    """Return the motion between two frames as that of the turned ones."""
    return Match(
        turned_flow(match.forth, scan),
        turned_flow(match.back, scan),
        turned(match.forth_trust, scan),
        turned(match.back_trust, scan),
    )
