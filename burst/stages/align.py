"""Register every frame to one reference: the camera's motion, then a dense displacement field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from burst.records import MID_GREY, Alignment, Level, given
from burst.settings import checked, setting

if TYPE_CHECKING:
    import torch

    from burst.ops.alignment.grid import Grid
    from burst.ops.alignment.similarity import CameraMotion
    from burst.records import Burst, Report

NEEDS = ("linear", "noise", "weights")
GIVES = ("flow", "level", "merged", "alignment")
MAY_GIVE = ("motion", "valid", "tile_sharpness")  # where the camera moved
BLOCKS = True  # takes frames that are read block by block

POOR_MISFIT = 4.0  # misfit variance after alignment, in units of the noise; chosen by hand
# The image becomes smaller than a frame where the frames' common part lacks at least CUT of a side
# and LEAST_CUT px: air and shaking alone cost as much. Chosen by hand.
CUT, LEAST_CUT = 1 / 8, 24
SMALLEST = 32  # px, of a common part that is taken as the image
MOST = 0.5  # share of the frames that show the part which `field = most` restores
COARSE_PART = 0.2, 0.35  # begin and end of coarse registration in the usual time, for the bar alone


@checked
@dataclass(frozen=True)
class Config:
    """What the frames are registered to, and which part of the scene is restored."""

    reference: Annotated[
        Literal["mean", "key"],
        setting(
            "mean: of the frames, refined as they align; key: starts from the sharpest frame, whose"
            " own displacement is taken out before the mean takes over"
        ),
    ] = "mean"
    field: Annotated[
        Literal["all", "most", "frame"],
        setting(
            "where the camera moved far: the part of the scene that all frames show, the larger one"
            " that at least half of them show, or the mean frame, whole"
        ),
    ] = "all"


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with its flow, the mean of the aligned frames, and its level."""
    from burst.ops.alignment import registration as ops
    from burst.ops.alignment.cells import expand
    from burst.ops.alignment.displacement import air_displacement_rms
    from burst.ops.alignment.motion import add_motion, middle_shift
    from burst.ops.alignment.shifts import global_shifts
    from burst.ops.alignment.similarity import find_motion
    from burst.progress import part

    linear, noise, weights = given(burst.linear), given(burst.noise), given(burst.weights)
    key = int(weights.argmax())
    shifts = global_shifts(linear, key, burst.valid)
    found = _motion_of_other_plane(burst) or find_motion(
        linear, key, shifts, burst.valid, burst.kept
    )
    grid, rest, report = _grid(burst, found, config)
    with part("", *COARSE_PART):
        cells = _coarse(burst, grid, rest, shifts, key, config)
    with part("", COARSE_PART[1], 1.0):
        cells, misfit = ops.register(linear, noise, cells, ops.FINE, grid=grid)
    moved = None if grid is None else grid.motion
    size = (linear.shape[1], linear.shape[2]) if grid is None else grid.size
    air = ops.recentre(expand(cells, size))
    flow = add_motion(air, moved)
    if moved is not None:
        shifts = middle_shift(found.pose, (linear.shape[1], linear.shape[2]))
    displacement = air_displacement_rms(flow, moved)
    level = Level(noise.std(MID_GREY), displacement)
    report = report.note(
        reference=config.reference if config.reference == "mean" else f"key frame {key}",
        displacement_rms=displacement,
        shift=_of_stack(shifts - shifts.mean(0), burst),
        misfit=misfit,
        level={"noise": level.noise, "displacement": level.displacement},
    )
    if misfit > POOR_MISFIT:
        report = report.warn(
            f"After alignment frames still differ {misfit:.1f} times as much as noise explains:"
            " something moves, brightness changes, or blur varies strongly."
        )
    valid = burst.valid if grid is None else grid.valid
    merged = ops.aligned_mean(linear, flow, weights, valid)
    burst = replace(
        burst,
        flow=flow,
        motion=None,
        merged=merged,
        level=level,
        alignment=Alignment(misfit),
        report=report,
    )
    if grid is None or moved is None:
        return burst
    alignment = Alignment(misfit, grid.corner)
    tiles = _tiles(burst, grid)
    return replace(burst, motion=moved, valid=valid, tile_sharpness=tiles, alignment=alignment)


def _tiles(burst: Burst, grid: Grid) -> torch.Tensor | None:
    """Return the sharpness of each tile of the grid relative to its mean over frames [n, ty, tx]:
    where the camera moved, a frame's own tiles show other parts of the scene."""
    from burst.ops.alignment.motion import moved_tiles
    from burst.ops.frames.sharpness import tile_sharpness

    linear, noise, tiles = given(burst.linear), given(burst.noise), burst.tile_sharpness
    if tiles is None:
        return None
    size = (linear.shape[1], linear.shape[2])
    own = tile_sharpness(linear, noise, min(size[0] // tiles.shape[1], size[1] // tiles.shape[2]))
    moved = moved_tiles(own, given(grid.motion), size, grid.size)
    return moved / moved.mean(0, keepdim=True).clamp(min=1e-20)


def _motion_of_other_plane(burst: Burst) -> CameraMotion | None:
    """Return the motion found in another colour plane of the same mosaic; None if there is none."""
    import torch

    from burst.ops.alignment.motion import is_moved
    from burst.ops.alignment.similarity import CameraMotion

    motion, linear = burst.motion, burst.linear
    if motion is None or linear is None or len(motion) != len(linear):
        return None
    everything = torch.ones(len(motion), dtype=torch.bool, device=motion.device)
    moved = is_moved(motion)
    return CameraMotion(motion, motion, moved, moved, everything)


def _of_stack(values: torch.Tensor, burst: Burst) -> list[list[float | None]]:
    """Return values [m, c] of the used frames as a list over all frames of the stack; None for the
    others."""
    known: list[list[float | None]] = values.tolist()
    if burst.kept is None:
        return known
    whole: list[list[float | None]] = [[None] * values.shape[1]] * burst.stack.count
    for number, value in zip(burst.kept.tolist(), known, strict=True):
        whole[number] = value
    return whole


def _grid(
    burst: Burst, found: CameraMotion, config: Config
) -> tuple[Grid | None, torch.Tensor, Report]:
    """Return the grid that the frames are registered on, None for their own; the pose of the frames
    [n, 2, 3] without the camera's motion; and the report with the part of the scene that the grid
    covers."""
    import torch

    from burst.ops.alignment.grid import Grid
    from burst.ops.alignment.motion import chain, inverse, shifted_grid, shown_part
    from burst.ops.alignment.similarity import camera_moved

    linear, valid, report = given(burst.linear), burst.valid, burst.report
    height, width = size = (linear.shape[1], linear.shape[2])
    motion = found.motion
    if not camera_moved(found, size):
        return (None if valid is None else Grid(size, None, valid)), found.pose, report
    left, top, across, down = shown_part(motion[found.placed], size, 1.0)
    loss, lost = max(1 - across / width, 1 - down / height), max(width - across, height - down)
    if loss < CUT or lost < LEAST_CUT or config.field == "frame":
        left, top, across, down = 0, 0, width, height
    elif config.field == "most" or min(across, down) < min(SMALLEST, height, width):
        if config.field == "all":
            report = report.warn(
                f"The camera moved so far that all frames show no more than {across} x {down} px of"
                " the scene in common. The image is what at least half of them show."
            )
        left, top, across, down = shown_part(motion[found.placed], size, MOST)
    motion = shifted_grid(motion, (left, top))
    if valid is None:
        valid = torch.ones((), dtype=torch.bool, device=linear.device).expand(linear.shape)
    report = report.note(**_part(burst, motion, (left, top), (down, across)))
    rest = chain(shifted_grid(found.pose, (left, top)), inverse(motion))
    return Grid((down, across), motion, valid, (left, top)), rest, report


def _part(
    burst: Burst, motion: torch.Tensor, offset: tuple[int, int], size: tuple[int, int]
) -> dict[str, Any]:
    """Return what the report says of the camera's motion and of where the image lies."""
    from burst.ops.alignment.motion import turn_and_scale

    turn, scale = turn_and_scale(motion)
    return {
        "turn": [turned for (turned,) in _of_stack(turn[:, None], burst)],
        "scale": [scaled for (scaled,) in _of_stack(scale[:, None], burst)],
        "part": {
            "size": list(size),
            "offset": motion[0, :, 2].tolist(),
            "turn": float(turn[0]),
            "scale": float(scale[0]),
            "offset_in_mean_frame": list(offset),
        },
    }


def _coarse(
    burst: Burst,
    grid: Grid | None,
    rest: torch.Tensor,
    shifts: torch.Tensor,
    key: int,
    config: Config,
) -> torch.Tensor:
    """Return cells from coarse registration to the reference that the settings name."""
    from burst.ops.alignment import registration as ops
    from burst.ops.alignment.cells import CELL, cells_of, cells_of_motion

    linear, noise = given(burst.linear), given(burst.noise)
    if grid is not None and grid.motion is not None:
        start = cells_of_motion(rest, grid.size, linear)
        return ops.register(linear, noise, start, ops.COARSE, grid=grid)[0]
    if config.reference == "mean":
        start = cells_of(linear, shifts - shifts.mean(0))
        return ops.register(linear, noise, start, ops.COARSE, grid=grid)[0]
    start = cells_of(linear, shifts)
    cells, _ = ops.register(linear, noise, start, ops.COARSE, reference=linear[key], grid=grid)
    # The mean displacement against the key frame is the key frame's own; a cell is a pixel here.
    return ops.recentre(cells / CELL) * CELL
