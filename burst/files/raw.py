"""Read camera raw bursts through rawpy (LibRaw), as the sensor's mosaic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rawpy

from burst.files.check import explained, naming
from burst.files.consistency import check_same_format, check_same_settings, warn_orientations
from burst.files.exif import read_tags
from burst.files.luminance import frame_luminance, warn_luminance
from burst.files.times import with_times
from burst.mapped import forget_now_and_then, room_for_frames
from burst.ops import color
from burst.records import BAYER_PATTERNS, Sensor, StackError

_ADVICE = "Copy it from the camera again, or convert it to DNG."
_EXPECTED = "a camera raw file that LibRaw reads"
SAME = ("cfa", "black_level", "white_level")  # in all frames of a burst
SINGULAR = 1e-6  # LibRaw gives zeros for cameras that it does not know


@dataclass(frozen=True)
class _RawFrame:
    """One frame [h, w] uint16, its sensor, and when it was taken (seconds), if tags state it."""

    path: Path
    frame: np.ndarray
    sensor: Sensor
    taken: float | None = None


def read_raw(paths: list[Path]) -> tuple[np.ndarray, Sensor]:
    """Return mosaics [n, h, w] of a burst, one file per frame or one file of many frames.

    Demosaicked files (linear DNG) give luminance, with the levels of the file. A sensor without a
    2x2 Bayer pattern (X-Trans, Foveon, CYGM) is developed linearly and gives luminance, 0..65535.
    """
    sources = [(path, 0) for path in paths] if len(paths) > 1 else _frames_in(paths[0])
    first = _read(*sources[0])
    frames = room_for_frames((len(sources), *first.frame.shape))
    orientations, stamps = [], []
    for index, source in enumerate(sources):
        shot = _read(*source) if index else first
        orientations.append(shot.sensor.orientation)
        stamps.append(shot.taken)
        check_same_format(shot.path, shot.frame, first.frame)
        check_same_settings(shot.path, shot.sensor, first.sensor, SAME)
        frames[index] = shot.frame
        forget_now_and_then(frames, index)
    if len(paths) == 1:
        _check_different(paths[0], frames)
        return frames, first.sensor
    where = paths[0].parent
    warn_orientations(where, orientations)
    return frames, with_times(where, first.sensor, stamps)


def _frames_in(path: Path) -> list[tuple[Path, int]]:
    """Return the file with the number of each of its frames."""
    shots: list[tuple[Path, int]] = []
    with explained(path, _EXPECTED, _ADVICE):
        path.open("rb").close()
        try:
            while True:
                with rawpy.imread(str(path), shot_select=len(shots)) as raw:
                    raw.unpack()
                shots.append((path, len(shots)))
        except rawpy.LibRawRequestForNonexistentImageError:
            # LibRaw does not report the count; it fails on the first frame that does not exist.
            return shots


def _read(path: Path, index: int = 0) -> _RawFrame:
    with explained(path, _EXPECTED, _ADVICE), naming(path):
        path.open("rb").close()
        with rawpy.imread(str(path), shot_select=index) as raw:
            if raw.raw_type == rawpy.RawType.Stack and raw.num_colors == 3:
                return _linear(path, raw)
            cfa = _cfa_of(raw)
            return _mosaic(path, raw, cfa) if cfa else _developed(path, raw)


def _cfa_of(raw: Any) -> str | None:
    """Return "mono", the colours of the top-left 2x2 cell, or None for any other pattern."""
    if raw.raw_image_visible is None:
        return None
    if raw.num_colors == 1:
        return "mono"
    if raw.raw_pattern is None or raw.raw_pattern.shape != (2, 2):
        return None
    names = raw.color_desc.decode("ascii")
    # Not `raw_pattern`: it starts at the margin, which may be odd.
    cfa = "".join(names[site] for site in raw.raw_colors_visible[:2, :2].flat)
    return cfa if cfa in BAYER_PATTERNS else None


def _mosaic(path: Path, raw: Any, cfa: str) -> _RawFrame:
    white = float(raw.white_level)
    # Saturated pixels scatter above LibRaw's white level; these values carry no signal.
    frame = np.minimum(raw.raw_image_visible, np.uint16(white))
    levels = Sensor(black_level=_black_level(raw, cfa), white_level=white, cfa=cfa)
    return _shot(path, raw, frame, levels)


def _linear(path: Path, raw: Any) -> _RawFrame:
    """Return the luminance of a demosaicked DNG, in DN of the file; colours are kept."""
    warn_luminance(path)
    blacks = [float(level) for level in raw.black_level_per_channel[:3]]
    lowest, white = min(blacks), float(raw.white_level)
    raised = [round(black - lowest) for black in blacks]
    colours = raw.raw_image_visible[..., :3].astype(np.int32) - raised
    frame = frame_luminance(np.clip(colours, 0, white).astype(np.uint16)[..., ::-1])
    return _shot(path, raw, frame, Sensor(black_level=lowest, white_level=white))


def _developed(path: Path, raw: Any) -> _RawFrame:
    """Return the luminance of LibRaw's linear development in the camera's colours, in the
    orientation of the sensor, and keep the colours where they are wanted."""
    warn_luminance(path)
    rgb = developed_linearly(raw, user_wb=[1.0, 1.0, 1.0, 1.0])
    return _shot(path, raw, frame_luminance(rgb[..., ::-1]), Sensor(white_level=65535))


def developed_linearly(raw: Any, **options: Any) -> np.ndarray:
    """Return LibRaw's development [h, w, 3] uint16 in the camera's colours, linear, as recorded."""
    return np.asarray(
        raw.postprocess(
            output_color=rawpy.ColorSpace.raw,
            gamma=(1, 1),
            no_auto_bright=True,
            # Otherwise white depends on the brightest pixel of each frame.
            adjust_maximum_thr=0.0,
            output_bps=16,
            user_flip=0,
            **options,
        )
    )


def _shot(path: Path, raw: Any, frame: np.ndarray, levels: Sensor) -> _RawFrame:
    """Return a frame with what tags and LibRaw say of its shot beside the levels. A sensor of one
    colour has no balance, and the noise stated is that of a mosaic."""
    tags, grey = read_tags(path), raw.num_colors == 1
    sensor = replace(
        levels,
        noise=tags.noise if grey or levels.cfa != "mono" else None,
        exposure_time=tags.exposure_time or _other(raw, "shutter_speed") or 0.0,
        iso=tags.iso or _other(raw, "iso_speed"),
        white_balance=(1.0, 1.0, 1.0) if grey else _white_balance(raw),
        camera_matrix=None if grey else _camera_matrix(raw),
        orientation=_orientation(raw),
    )
    return _RawFrame(path, frame, sensor, tags.taken)


def _orientation(raw: Any) -> int:
    """Return the orientation of EXIF. LibRaw's number is 1 for mirrored columns plus 2 for mirrored
    rows plus 4 for exchanged axes."""
    return {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}.get(int(raw.sizes.flip), 1)


def _black_level(raw: Any, cfa: str) -> float | tuple[float, float, float, float]:
    """Return the black level of each pixel of the 2x2 cell; LibRaw lists them by colour."""
    by_color = [float(level) for level in raw.black_level_per_channel]
    if cfa == "mono":
        return by_color[0]
    a, b, c, d = (by_color[site] for site in raw.raw_colors_visible[:2, :2].flat)
    return a if a == b == c == d else (a, b, c, d)


def _white_balance(raw: Any) -> tuple[float, float, float]:
    """Return the as-shot gains of red, green and blue relative to green; ones if unknown."""
    red, green, blue = (float(gain) for gain in raw.camera_whitebalance[:3])
    if min(red, green, blue) <= 0:
        return (1.0, 1.0, 1.0)
    return (red / green, 1.0, blue / green)


def _camera_matrix(raw: Any) -> tuple[float, ...] | None:
    """Return the matrix from white-balanced colours of the camera to linear sRGB, row by row; None
    where LibRaw does not know the camera.

    LibRaw has either this matrix, or the one from XYZ to the camera. That from sRGB is scaled so
    that white becomes white, and inverted, as LibRaw does.
    """
    known = np.asarray(raw.color_matrix, np.float64)[:, :3]
    if _is_regular(known):
        return tuple(map(float, (known / known.sum(1, keepdims=True)).ravel()))
    to_camera = np.asarray(raw.rgb_xyz_matrix, np.float64)[:3]
    if not _is_regular(to_camera):
        return None
    camera_of_srgb = to_camera @ color.SRGB_TO_XYZ
    camera_of_srgb /= camera_of_srgb.sum(1, keepdims=True)
    return tuple(map(float, np.linalg.inv(camera_of_srgb).ravel()))


def _is_regular(matrix: np.ndarray) -> bool:
    return matrix.shape == (3, 3) and abs(float(np.linalg.det(matrix))) > SINGULAR


def _other(raw: Any, name: str) -> float | None:
    """Return a setting from LibRaw's reading of maker notes; None for an older rawpy."""
    value = getattr(getattr(raw, "other", None), name, 0.0)
    return float(value) if value > 0 else None


def _check_different(path: Path, frames: np.ndarray) -> None:
    """Raise StackError if LibRaw returned the first frame [h, w] of a file repeatedly."""
    if len(frames) > 1 and (frames[1] == frames[0]).all():
        raise StackError(
            f"{path}: expected a burst, found frames that LibRaw cannot tell apart."
            " Save each frame as a DNG of its own and pass their folder."
        )
