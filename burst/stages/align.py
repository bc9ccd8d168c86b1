"""Register every frame to one reference: the camera's motion, then a dense displacement field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from burst.config import checked, setting
from burst.records import MID_GREY, Alignment, Level, given

if TYPE_CHECKING:
    import torch

    from burst.ops.alignment.grid import Grid
    from burst.ops.alignment.similarity import Found
    from burst.records import Burst, Report

NEEDS = ("linear", "noise", "weights")
GIVES = ("flow", "level", "merged", "alignment")
MAY_GIVE = ("motion", "valid", "tile_sharpness")  # where the camera moved

POOR_MISFIT = 4.0  # variance of what alignment leaves, in units of the noise
LEAST_CUT = 24  # px; air and shake alone take as much
CUT = 1 / 8  # beyond it a camera that moved gives a smaller image
SMALLEST = 32  # px; a smaller common part is no image
MOST = 0.5  # of the frames
COARSE_PART = 0.2, 0.35  # of the time, of a still camera; for the bar alone


@checked
@dataclass(frozen=True)
class Config:
    """What the frames are registered to, and which part of the scene is made."""

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
    """Return the burst with its flow, the mean of the frames so aligned, and its level."""
    from burst.ops.alignment import registration as ops
    from burst.ops.alignment.level import displacement_of
    from burst.ops.alignment.motion import add_motion, middle_shift
    from burst.ops.alignment.shifts import global_shifts
    from burst.ops.alignment.similarity import find_motion
    from burst.progress import part

    linear, noise, weights = given(burst.linear), given(burst.noise), given(burst.weights)
    key = int(weights.argmax())
    shifts = global_shifts(linear, key, burst.valid)
    found = _told(burst) or find_motion(linear, key, shifts, burst.valid, burst.kept)
    grid, rest, report = _grid(burst, found, config)
    with part("", *COARSE_PART):
        cells = _coarse(burst, grid, rest, shifts, key, config)
    with part("", COARSE_PART[1], 1.0):
        cells, misfit = ops.register(linear, noise, cells, ops.FINE, grid=grid)
    moved = None if grid is None else grid.motion
    size = (linear.shape[1], linear.shape[2]) if grid is None else grid.size
    air = ops.recentre(ops.expand(cells, size))
    flow = add_motion(air, moved)
    if moved is not None:
        shifts = middle_shift(found.pose, (linear.shape[1], linear.shape[2]))
    displacement = displacement_of(flow, moved)
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


def _told(burst: Burst) -> Found | None:
    """Return the motion that another colour plane of the stack has found; none that it has not."""
    import torch

    from burst.ops.alignment.motion import is_moved
    from burst.ops.alignment.similarity import Found

    motion, linear = burst.motion, burst.linear
    if motion is None or linear is None or len(motion) != len(linear):
        return None
    everything = torch.ones(len(motion), dtype=torch.bool, device=motion.device)
    moved = is_moved(motion)
    return Found(motion, motion, moved, moved, everything)


def _of_stack(values: torch.Tensor, burst: Burst) -> list[list[float | None]]:
    """Return values [m, c] of the frames that take part as a list for every frame of the stack."""
    told: list[list[float | None]] = values.tolist()
    if burst.kept is None:
        return told
    whole: list[list[float | None]] = [[None] * values.shape[1]] * burst.stack.count
    for number, value in zip(burst.kept.tolist(), told, strict=True):
        whole[number] = value
    return whole


def _grid(burst: Burst, found: Found, config: Config) -> tuple[Grid | None, torch.Tensor, Report]:
    """Return what the frames are registered on, None where that is their own grid; what else than
    the camera's motion is known of where they lie [n, 2, 3]; and the report, which says what part
    of the scene it is."""
    import torch

    from burst.ops.alignment.grid import Grid
    from burst.ops.alignment.motion import follow, inverse, shifted_grid, shown_part
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
    rest = follow(shifted_grid(found.pose, (left, top)), inverse(motion))
    return Grid((down, across), motion, valid, (left, top)), rest, report


def _part(
    burst: Burst, motion: torch.Tensor, offset: tuple[int, int], size: tuple[int, int]
) -> dict[str, Any]:
    """Return what is told of the camera's motion: of each frame, and where the image lies."""
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
    """Return coarse cells, registered to what the settings say."""
    from burst.ops.alignment import registration as ops

    linear, noise = given(burst.linear), given(burst.noise)
    if grid is not None and grid.motion is not None:
        start = ops.cells_of_motion(rest, grid.size)
        return ops.register(linear, noise, start, ops.COARSE, grid=grid)[0]
    if config.reference == "mean":
        start = ops.cells_of(linear, shifts - shifts.mean(0))
        return ops.register(linear, noise, start, ops.COARSE, grid=grid)[0]
    start = ops.cells_of(linear, shifts)
    cells, _ = ops.register(linear, noise, start, ops.COARSE, reference=linear[key], grid=grid)
    # The key frame's own displacement is that of all others against it; a cell is a pixel here.
    return ops.recentre(cells / ops.CELL) * ops.CELL
