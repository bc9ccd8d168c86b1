"""Read any stack: format by name, levels by sidecar and options, then the checks."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from burst.files import calibrate, check, fits, raw, video
from burst.files.black import assume_black
from burst.files.consistency import warn_gaps
from burst.files.folder import (
    ACCEPTED,
    FITS_SUFFIXES,
    IMAGE_SUFFIXES,
    RAW_SUFFIXES,
    TIFF_SUFFIXES,
    VIDEO_SUFFIXES,
    scan_from_names,
    stem_of,
    suffix_of,
)
from burst.files.images import read_images
from burst.files.layouts.published import frames_without_truths, with_layout_timing
from burst.files.luminance import Colours, keeping_colours, warn_luminance
from burst.files.missing import filled
from burst.files.npy import Axis, grey_frames, read_npy, read_npz
from burst.files.ser import read_ser
from burst.files.sidecar import find_sidecar, read_sidecar
from burst.files.tiff import read_tiff, read_tiff_frames
from burst.files.values import assumed_sensor, colours_to_dn, to_dn
from burst.log import LOG
from burst.records import Sensor, Stack, StackError
from burst.settings import checked


@checked
@dataclass(frozen=True)
class ReadOptions:
    """What the user says of a stack, over sidecar and file: levels in DN, order of the axes.
    `colour` asks for the colours beside their luminance, where images or a video have them. `dark`
    and `flat` are files or folders of calibration frames."""

    black_level: float | None = None
    white_level: float | None = None
    axis: Axis | None = None
    colour: bool = False
    dark: Path | None = None
    flat: Path | None = None


def read_stack(path: Path, options: ReadOptions | None = None) -> Stack:
    """Read a file or a folder of frames as a Stack [n, h, w]; StackError if it is not usable."""
    options = options or ReadOptions()
    where = str(path)
    with keeping_colours(options.colour) as colours:
        frames, sensor = _read(path, options.axis)
    check.check_shape(where, frames.shape)
    if path.is_dir():
        sensor = with_layout_timing(path, sensor, frames.shape[1])
    known = _black_is_known(path, sensor, options)
    sensor, scan = _settle(path, sensor, options, frames.shape[0])
    name = os.path.basename(os.path.abspath(path)) if path.is_dir() else stem_of(path)
    stack = _stack(where, frames, sensor, colours, known)
    stack = replace(stack, name=name, source=where, scan=scan)
    LOG.info(
        "%s: %d frames of %d x %d, %s, black level %s, white level %g", where, *frames.shape,
        sensor.cfa, ", ".join(f"{b:g}" for b in stack.sensor.black_levels),
        stack.sensor.white_level,
    )  # fmt: skip
    if stack.colour is not None:
        LOG.info("%s: its colours are kept and follow the luminance.", path)
    else:
        for place in colours.places:
            warn_luminance(place)
    return _calibrated(stack, options)


def stack_of(
    array: np.ndarray,
    sensor: Sensor | None = None,
    options: ReadOptions | None = None,
    name: str = "stack",
) -> Stack:
    """Make a Stack of an array of numbers as `read_stack` does of the file that holds it.

    The levels of `sensor` are in the unit of the numbers. StackError says what is wrong.
    """
    options = options or ReadOptions()
    with keeping_colours(options.colour) as colours:
        frames = grey_frames(name, array, options.axis)
    check.check_shape(name, frames.shape)
    known = sensor is not None or options.black_level is not None
    sensor = _with_levels(sensor or assumed_sensor(frames), options)
    return _calibrated(_stack(name, frames, sensor, colours, known), options)


def _stack(
    where: str, frames: np.ndarray, stated: Sensor, colours: Colours, black_is_known: bool
) -> Stack:
    """Return numbers of any type as a stack in DN, with their colours; StackError where there are
    too few frames, or values do not fit the levels."""
    check.check_count(where, frames.shape[0], stated)
    found = colours.of(frames.shape)
    frames, measured = filled(where, frames)
    frames, sensor = to_dn(where, frames, stated)
    colour = None if found is None else colours_to_dn(found, stated, sensor)
    sensor = sensor if black_is_known else assume_black(where, frames, sensor)
    check.check_levels(where, frames, sensor)
    return Stack(frames, sensor, where, colour=colour, measured=measured)


def _calibrated(stack: Stack, options: ReadOptions) -> Stack:
    """Return a stack freed of its dark and flat, where they are given."""
    if options.dark is None and options.flat is None:
        return stack
    dark, flat = (
        None if path is None else _read_master(path, options, stack, path is options.dark)
        for path in (options.dark, options.flat)
    )
    for master in (dark, flat):
        if master is not None:
            LOG.info("%s: calibrated by %s.", stack.source or stack.name, master.where)
    if dark is not None and dark.sensor.exposure_time != stack.sensor.exposure_time:
        LOG.warning(
            "%s: its exposure differs from that of the frames (%g and %g s).", dark.where,
            dark.sensor.exposure_time, stack.sensor.exposure_time,
        )  # fmt: skip
    made = calibrate.calibrated(stack, dark, flat)
    if dark is not None and calibrate.is_brighter(dark.mean, stack):
        LOG.warning("%s: brighter than the frames; a dark shows no light.", dark.where)
    if flat is not None and calibrate.is_clipped(flat.mean):
        LOG.warning("%s: saturated in part, where it corrects nothing.", flat.where)
    return made


def _read_master(path: Path, options: ReadOptions, stack: Stack, is_dark: bool) -> calibrate.Master:
    """Return the mean of the darks or flats in a file or a folder, which may hold a single one.
    Fractions of a dark are scaled as those of the frames are; those of a flat without black may be
    in any unit."""
    with keeping_colours(stack.colour is not None) as colours:
        frames, sensor = _read(path, options.axis)
    frames = frames[None] if frames.ndim == 2 else frames
    check.check_shape(str(path), frames.shape)
    found = colours.of(frames.shape)
    sensor = _settle(path, sensor, options, frames.shape[0])[0]
    fractions = frames.dtype.kind == "f"
    if sensor.black_levels == (0.0,) and not (is_dark and fractions):
        sensor = replace(sensor, black_level=stack.sensor.black_level)
    if is_dark and fractions:
        stated = sensor
        frames, sensor = to_dn(str(path), frames, stated)
        found = None if found is None else colours_to_dn(found, stated, sensor)
        if sensor.white_level != stack.sensor.white_level:
            raise StackError(
                f"{path}: expected a dark in the numbers of {stack.source or stack.name}, found"
                " fractions of white. Multiply them by the value that 1 stands for."
            )
    elif fractions and np.nanmax(frames) <= sensor.black:
        sensor = replace(sensor, black_level=0.0)
    mean = None if found is None else calibrate.mean_of(found)
    return calibrate.Master(str(path), calibrate.mean_of(frames), mean, sensor)


def _read(path: Path, axis: Axis | None) -> tuple[np.ndarray, Sensor]:
    # Not `path.exists()`, which raises if a parent folder is not accessible.
    if not os.path.exists(path):
        raise StackError(f"{path}: expected a file or folder, found nothing there. Check the path.")
    return _read_folder(path) if path.is_dir() else _read_file(path, axis)


def _read_folder(folder: Path) -> tuple[np.ndarray, Sensor]:
    frames = frames_without_truths(folder)
    if not frames:
        raise StackError(f"{folder}: expected frames in it, found none. Pass {ACCEPTED}.")
    warn_gaps(folder, frames)
    return _read_frames(frames)


def _read_frames(paths: list[Path]) -> tuple[np.ndarray, Sensor]:
    if paths[0].suffix.lower() in RAW_SUFFIXES:
        return raw.read_raw(paths)
    if suffix_of(paths[0]) in FITS_SUFFIXES:
        return fits.read_fits_frames(paths)
    if paths[0].suffix.lower() in TIFF_SUFFIXES:
        return read_tiff_frames(paths)
    return read_images(paths)


def _read_file(path: Path, axis: Axis | None) -> tuple[np.ndarray, Sensor]:
    suffix = suffix_of(path)
    if suffix in (".npy", ".npz"):
        return (read_npy if suffix == ".npy" else read_npz)(path, axis)
    if suffix == ".ser":
        return read_ser(path)
    if suffix in FITS_SUFFIXES:
        return fits.read_fits(path, axis)
    if suffix in TIFF_SUFFIXES:
        return read_tiff(path)
    if suffix in VIDEO_SUFFIXES:
        return video.read_video(path)
    if suffix in (*RAW_SUFFIXES, *IMAGE_SUFFIXES):
        return _read_frames([path])
    found = f"'{suffix}'" if suffix else "a name without a suffix"
    raise StackError(f"{path}: expected a stack, found {found}. Pass {ACCEPTED}.")


def _black_is_known(path: Path, sensor: Sensor, options: ReadOptions) -> bool:
    """Return whether the black level comes from the file, its sidecar or an option. Camera raw
    files always state it, even if it is 0; elsewhere 0 is a reader's default."""
    first = (frames_without_truths(path) or [path])[0] if path.is_dir() else path
    if options.black_level is not None or sensor.black_levels != (0.0,):
        return True
    sidecar = find_sidecar(path)
    stated = sidecar is not None and "black_level" in read_sidecar(sidecar).sensor
    return stated or suffix_of(first) in RAW_SUFFIXES


def _settle(
    path: Path, sensor: Sensor, options: ReadOptions, count: int
) -> tuple[Sensor, np.ndarray]:
    """Return the sensor and scan [n] after names, sidecar and options, the later the stronger."""
    named = scan_from_names(frames_without_truths(path)) if path.is_dir() else None
    scan = np.ones(count, np.int8) if named is None else np.array(named, np.int8)
    sidecar_path = find_sidecar(path)
    sidecar = read_sidecar(sidecar_path) if sidecar_path else None
    if sidecar:
        sensor = sidecar.apply(sensor)
        said = sidecar.scan_of(count)
        scan = scan if said is None else said
    with check.naming(path):
        return _with_levels(sensor, options), scan


def _with_levels(sensor: Sensor, options: ReadOptions) -> Sensor:
    black, white = options.black_level, options.white_level
    return replace(
        sensor,
        black_level=sensor.black_level if black is None else black,
        white_level=sensor.white_level if white is None else white,
    )
