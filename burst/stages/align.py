"""Register every frame to one reference: the camera's motion, then a dense displacement field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from burst.lazy import torch
from burst.ops import warp
from burst.ops.alignment import cells as cells_ops
from burst.ops.alignment import displacement as displacement_ops
from burst.ops.alignment import grid as grid_ops
from burst.ops.alignment import lateral, moving, registration, similarity
from burst.ops.alignment import motion as motion_ops
from burst.ops.alignment import shifts as shifts_ops
from burst.ops.frames import gains, sharpness
from burst.ops.frames import track as track_ops
from burst.progress import part
from burst.records import MID_GREY, Alignment, Burst, Level, Moving, Report, given
from burst.settings import checked, setting

NEEDS = ("linear", "noise", "weights")
GIVES = ("flow", "level", "merged", "alignment")
# Where the camera moved, things move by themselves, or colours lie apart.
MAY_GIVE = ("motion", "valid", "tile_sharpness", "channel", "moving")
BLOCKS = True  # takes frames that are read block by block
SHARED = True  # what is found on all channels together holds for each

# Share of a displacement that folds, as air's does not: with bars 0.005 to 0.009, with a chessboard
# that is aligned well 0.0003; other scenes through air of all levels have none.
MOST_FOLDED = 0.002
POOR_MISFIT = 4.0  # misfit variance after alignment, in units of the noise; chosen by hand
# The image becomes smaller than a frame where the frames' common part lacks at least CUT of a side
# and LEAST_CUT px: air and shaking alone cost as much. Chosen by hand.
CUT, LEAST_CUT = 1 / 8, 24
SMALLEST = 32  # px, of a common part that is taken as the image
MOST = 0.5  # share of the frames that show the part which `field = most` restores
MOST_MOVING = 0.5  # share of the image; where more moves, nothing tells what stands still
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
    lateral_colour: Annotated[
        bool,
        setting(
            "of a stack with colours: measure by what shift and scale each channel lies off the"
            " green one (dispersion of the air, lateral colour of a lens), and take it out"
        ),
    ] = True
    moving: Annotated[
        bool,
        setting(
            "show what moves by itself once, as in the middle frame; not where a disc is tracked,"
            " exposures differ, or frames are read block by block"
        ),
    ] = True


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with its flow, the mean of the aligned frames, and its level."""
    found = _apart(burst, config)
    cells = given(found.flow)[:, :, :: cells_ops.CELL, :: cells_ops.CELL]
    # Not before what moves is left out: it folds the displacement as well.
    folds = found.motion is None and cells_ops.folded(cells) > MOST_FOLDED
    return _aligned(burst, config, dense=False) if folds else found


def _apart(burst: Burst, config: Config) -> Burst:
    """Return the aligned burst, with what moves by itself apart from the rest."""
    found = _aligned(burst, config)
    linear, used = given(burst.linear), (given(burst.weights) > 0).nonzero()[:, 0]
    if not config.moving or burst.memory is not None or burst.track is not None:
        return found
    if len(used) < moving.FEWEST or min(linear.shape[1:]) < moving.SMALLEST:
        return found
    if gains.differ(burst.gain):  # what is clipped in some frames looks like a thing in others
        return found
    key = int(used[len(used) // 2])
    _, things = _moving(burst, found, key)
    if not 0 < float(things.any(0).float().mean()) <= MOST_MOVING:
        return found
    # Once more without what moves, which has drawn the displacements about it with it.
    valid = _valid(burst, found, moving.still(things))
    again = _aligned(replace(burst, valid=valid), config)
    cells, things = _moving(burst, again, key)
    return _once(burst, again, cells, things, key) if bool(things.any()) else found


def _once(burst: Burst, found: Burst, cells: moving.Cells, things: torch.Tensor, key: int) -> Burst:
    """Return an aligned burst in which things [n, gy, gx] that move are not valid, and in which
    values a key frame shows them."""
    like, still = moving.as_in_key(cells, things, key), moving.still(things)
    flow, weights = given(found.flow), given(burst.weights)
    valid, shown = (_valid(burst, found, part) for part in (still, like))
    moved = found.motion is not None
    merged = registration.aligned_mean(given(burst.linear), flow, weights, valid, moved)
    mask = moving.mask_of(things, (flow.shape[-2], flow.shape[-1]))
    number, frames = burst.numbers[key], int(like.sum(0).min())
    passing = ~valid if burst.valid is None else burst.valid & ~valid
    numbers = {"share": float(mask.float().mean()), "frame": number, "frames": frames}
    return replace(
        found,
        valid=valid,
        merged=merged,
        moving=Moving(mask, passing, shown, number, frames),
        report=found.report.note(moving=numbers),
    )


def _moving(burst: Burst, found: Burst, key: int) -> tuple[moving.Cells, torch.Tensor]:
    """Return what aligned frames show in cells, and which cells [n, gy, gx] show what moves."""
    linear, noise, moved = given(burst.linear), given(burst.noise), found.motion is not None
    cells = moving.compare(linear, given(found.flow), noise, key, burst.valid, moved)
    return cells, moving.find_moving(cells)


def _valid(burst: Burst, found: Burst, cells: torch.Tensor) -> torch.Tensor:
    """Return the valid values of the frames [n, h, w] that lie in these cells [n, gy, gx]."""
    linear, flow = given(burst.linear), given(found.flow)
    shown = moving.in_frames(cells, flow, found.motion, (linear.shape[1], linear.shape[2]))
    return shown if burst.valid is None else burst.valid & shown


def _aligned(burst: Burst, config: Config, dense: bool = True) -> Burst:
    """Return the burst with all that is found by aligning its frames, or by shifting them alone."""
    linear, noise, weights = given(burst.linear), given(burst.noise), given(burst.weights)
    key = int(weights.argmax())
    shifts = shifts_ops.global_shifts(linear, key, burst.valid)
    found = similarity.find_motion(linear, key, shifts, burst.valid, burst.kept)
    grid, rest, report = _grid(burst, found, config)
    with part("", *COARSE_PART):
        cells = _coarse(burst, grid, rest, shifts, key, config)
    with part("", COARSE_PART[1], 1.0):
        cells, misfit = registration.register(linear, noise, cells, registration.FINE, grid=grid)
    moved = None if grid is None else grid.motion
    size = (linear.shape[1], linear.shape[2]) if grid is None else grid.size
    if not dense:
        cells = cells_ops.cells_of(linear, shifts - shifts.mean(0))
        report = report.warn(
            "Whole frames are shifted and no more: their dense displacement folds, as where bars or"
            " a lattice were laid on their neighbours."
        )
    air = registration.recentre(cells_ops.expand(cells, size))
    flow = motion_ops.add_motion(air, moved)
    if moved is not None:
        shifts = motion_ops.middle_shift(found.pose, (linear.shape[1], linear.shape[2]))
    displacement = displacement_ops.air_displacement_rms(flow, moved)
    level = Level(noise.std(MID_GREY), displacement)
    report = report.note(
        reference=config.reference if config.reference == "mean" else f"key frame {key}",
        displacement_rms=displacement,
        shift=burst.of_stack(shifts - shifts.mean(0), [None, None]),
        misfit=misfit,
        level={"noise": level.noise, "displacement": level.displacement},
    )
    if misfit > POOR_MISFIT:
        report = report.warn(
            f"After alignment frames still differ {misfit:.1f} times as much as noise explains:"
            " something moves, brightness changes, or blur varies strongly."
        )
    valid = burst.valid if grid is None else grid.valid
    merged = registration.aligned_mean(linear, flow, weights, valid, moved is not None)
    burst = replace(
        burst,
        flow=flow,
        motion=None,
        merged=merged,
        level=level,
        alignment=Alignment(misfit),
        moving=None,
        report=report,
    )
    if grid is None or moved is None:
        return burst
    if burst.track is None and track_ops.shows_planet(burst.stack.frames, merged):
        report = report.warn(
            "A disc before a dark sky drifts. --pipeline planet follows it, and makes more of it."
        )
    burst = replace(burst, motion=moved, valid=valid, tile_sharpness=_tiles(burst, grid))
    return replace(burst, alignment=Alignment(misfit, grid.corner), report=report)


def follow(burst: Burst, config: Config) -> Burst:
    """Return the burst of a channel, whose flow was found on all channels, with its merged image
    and its level; the flow is moved to where the channel's light fell."""
    linear, weights, flow = given(burst.linear), given(burst.weights), given(burst.flow)
    level = Level(given(burst.noise).std(MID_GREY), given(burst.level).displacement)
    displacement = warp.compose(flow, burst.row_motion)
    seen, moved = burst.valid, burst.motion is not None
    merged = registration.aligned_mean(linear, displacement, weights, seen, moved)
    channel, report = given(burst.channel), burst.report
    report = report.note(level={"noise": level.noise, "displacement": level.displacement})
    burst = replace(burst, merged=merged, level=level, report=report)
    reference = channel.reference
    if reference is None or not config.lateral_colour:
        return burst
    apart = [there - here for there, here in zip(reference.place, channel.place, strict=True)]
    found = lateral.measure_lateral(merged, reference.merged, merged.new_tensor(apart))
    if found is None:
        return burst
    own = lateral.displacement(found, (merged.shape[0], merged.shape[1])).to(flow)
    merged = registration.aligned_mean(linear, displacement + own, weights, seen, moved)
    channel = replace(channel, lateral=tuple(found.tolist()))
    return replace(burst, flow=flow + own, merged=merged, channel=channel)


def _tiles(burst: Burst, grid: grid_ops.Grid) -> torch.Tensor | None:
    """Return the sharpness of each tile of the grid relative to its mean over frames [n, ty, tx]:
    where the camera moved, a frame's own tiles show other parts of the scene."""
    linear, noise, tiles = given(burst.linear), given(burst.noise), burst.tile_sharpness
    if tiles is None:
        return None
    height, width = size = (linear.shape[1], linear.shape[2])
    side = min(height // tiles.shape[1], width // tiles.shape[2])
    own = sharpness.tile_sharpness(linear, noise, side)
    moved = motion_ops.moved_tiles(own, given(grid.motion), size, grid.size)
    return moved / moved.mean(0, keepdim=True).clamp(min=1e-20)


def _grid(
    burst: Burst, found: similarity.CameraMotion, config: Config
) -> tuple[grid_ops.Grid | None, torch.Tensor, Report]:
    """Return the grid that the frames are registered on, None for their own; the pose of the frames
    [n, 2, 3] without the camera's motion; and the report with the part of the scene that the grid
    covers."""
    linear, valid, report = given(burst.linear), burst.valid, burst.report
    height, width = size = (linear.shape[1], linear.shape[2])
    motion = found.motion
    if not similarity.camera_moved(found, size):
        return (None if valid is None else grid_ops.Grid(size, None, valid)), found.pose, report
    left, top, across, down = motion_ops.shown_part(motion[found.placed], size, 1.0)
    loss, lost = max(1 - across / width, 1 - down / height), max(width - across, height - down)
    if loss < CUT or lost < LEAST_CUT or config.field == "frame":
        left, top, across, down = 0, 0, width, height
    elif config.field == "most" or min(across, down) < min(SMALLEST, height, width):
        if config.field == "all":
            report = report.warn(
                f"The camera moved so far that all frames show no more than {across} x {down} px of"
                " the scene in common. The image is what at least half of them show."
            )
        left, top, across, down = motion_ops.shown_part(motion[found.placed], size, MOST)
    motion = motion_ops.shifted_grid(motion, (left, top))
    if valid is None:
        valid = torch.ones((), dtype=torch.bool, device=linear.device).expand(linear.shape)
    report = report.note(**_part(burst, motion, (left, top), (down, across)))
    pose = motion_ops.shifted_grid(found.pose, (left, top))
    rest = motion_ops.chain(pose, motion_ops.inverse(motion))
    return grid_ops.Grid((down, across), motion, valid, (left, top)), rest, report


def _part(
    burst: Burst, motion: torch.Tensor, offset: tuple[int, int], size: tuple[int, int]
) -> dict[str, Any]:
    """Return what the report says of the camera's motion and of where the image lies."""
    turn, scale = motion_ops.turn_and_scale(motion)
    return {
        "turn": burst.of_stack(turn),
        "scale": burst.of_stack(scale),
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
    grid: grid_ops.Grid | None,
    rest: torch.Tensor,
    shifts: torch.Tensor,
    key: int,
    config: Config,
) -> torch.Tensor:
    """Return cells from coarse registration to the reference that the settings name."""
    linear, noise = given(burst.linear), given(burst.noise)
    if grid is not None and grid.motion is not None:
        start = cells_ops.cells_of_motion(rest, grid.size, linear)
        return registration.register(linear, noise, start, registration.COARSE, grid=grid)[0]
    if config.reference == "mean":
        start = cells_ops.cells_of(linear, shifts - shifts.mean(0))
        return registration.register(linear, noise, start, registration.COARSE, grid=grid)[0]
    start = cells_ops.cells_of(linear, shifts)
    cells, _ = registration.register(
        linear, noise, start, registration.COARSE, reference=linear[key], grid=grid
    )
    # The mean displacement against the key frame is the key frame's own; a cell is a pixel here.
    return registration.recentre(cells / cells_ops.CELL) * cells_ops.CELL
