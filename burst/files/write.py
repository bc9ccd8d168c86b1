"""Write results so that a reader finds either the whole file or none."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from burst.files import icc
from burst.files.dng import write_dng
from burst.files.png import encode_png
from burst.files.quiet import quiet_opencv
from burst.lazy import cv2, tifffile, torch
from burst.ops import color
from burst.ops.orientation import upright, upright_all
from burst.records import ColourSpace, Provenance, Sensor

PROVENANCE_KEYWORD = "provenance"

VIDEO_RATE = 25.0  # images a second; chosen by hand

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


class WriteError(OSError):
    """A file that could not be written: which, why, what to do."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` on success and vanishes on any error: of a file,
    or of a folder that is made at that place.

    Folders above it are made. WriteError for whatever the disk refuses.
    """
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        _flush(part)
        os.replace(part, path)
    except OSError as error:
        raise WriteError(
            f"{path}: expected to write it, found '{error.strerror or error}'."
            " Free some space, or choose a folder of your own by --out."
        ) from error
    finally:
        _remove(part)


def write_results(
    folder: Path,
    image: np.ndarray,
    sensor: Sensor,
    provenance: Provenance,
    space: ColourSpace = "srgb",
    like: Path | None = None,
) -> list[Path]:
    """Write restored.npy, .tif and .png of an image [h, w] or [h, w, 3] (red first), in colour of
    raw frames restored.dng as well; return their paths.

    The image has the orientation of the frames and is written upright. It is linear, or
    display-encoded if `sensor.transfer` is "srgb". npy (float32) and dng (16 bit) hold the linear
    colours of the camera, tif (16 bit) the linear ones of a display, and png (16 bit) those as a
    display takes them. tif and png contain the ICC profile of their space. The dng has tags of the
    frame `like`.
    """
    note = json.dumps(asdict(provenance), sort_keys=True)
    linear, display = finished(image, sensor, space=space)
    colour = image.ndim == 3
    paths = [folder / f"restored{suffix}" for suffix in (".npy", ".tif", ".png")]
    with atomic_write(paths[0]) as part:
        np.save(part, linear)
    with atomic_write(paths[1]) as part:
        shown = color.developed(linear, sensor, space)
        _write_tiff(part, _to_16_bits(shown), note, colour, _profile(colour, space, linear=True))
    profile = _profile(colour, space, linear=False)
    write_bytes(paths[2], encode_png(_to_16_bits(display), PROVENANCE_KEYWORD, note, profile))
    if not (colour and sensor.transfer == "linear"):
        return paths
    with atomic_write(folder / "restored.dng") as part:
        write_dng(part, linear, sensor, note, like)
    return [*paths, folder / "restored.dng"]


def write_confidence(path: Path, deviation: np.ndarray, provenance: Provenance) -> None:
    """Write the standard deviation [h, w] or [h, w, 3] of an image, upright, as float32 TIFF."""
    note = json.dumps(asdict(provenance), sort_keys=True)
    with atomic_write(path) as part:
        _write_tiff(part, deviation.astype(np.float32), note, deviation.ndim == 3, None)


def write_mask(
    path: Path, mask: np.ndarray, image: np.ndarray, sensor: Sensor, provenance: Provenance
) -> None:
    """Write a mask [h, w] bool on the grid of an image [h, w(, 3)], upright, as PNG."""
    size = image.shape[1::-1]
    pixels = cv2.resize(65535 * mask.astype(np.uint16), size, interpolation=cv2.INTER_NEAREST)
    turned = upright(np.asarray(pixels), sensor.orientation)
    note = json.dumps(asdict(provenance), sort_keys=True)
    write_bytes(path, encode_png(turned, PROVENANCE_KEYWORD, note))


def write_instants(
    folder: Path,
    images: np.ndarray,
    sensor: Sensor,
    provenance: Provenance,
    space: ColourSpace = "srgb",
) -> list[Path]:
    """Write images [t, h, w] or [t, h, w, 3] of several instants; return the paths. As
    `write_results`, with all instants in restored.npy and in the pages of restored.tif, each in
    restored-<k>.png, and all in the video restored.mp4 (8 bit)."""
    note = json.dumps(asdict(provenance), sort_keys=True)
    linear, display = finished(images, sensor, several=True, space=space)
    colour = images.ndim == 4
    profile = _profile(colour, space, linear=False)
    arrays, pages, video = (folder / f"restored{suffix}" for suffix in (".npy", ".tif", ".mp4"))
    with atomic_write(arrays) as part:
        np.save(part, linear)
    with atomic_write(pages) as part:
        shown = color.developed(linear, sensor, space)
        _write_tiff(part, _to_16_bits(shown), note, colour, _profile(colour, space, linear=True))
    paths = [folder / f"restored-{k:03d}.png" for k in range(len(images))]
    for path, image in zip(paths, display, strict=True):
        write_bytes(path, encode_png(_to_16_bits(image), PROVENANCE_KEYWORD, note, profile))
    with atomic_write(video) as part:
        _write_video(part, display)
    return [arrays, pages, video, *paths]


def finished(
    pixels: np.ndarray, sensor: Sensor, several: bool = False, space: ColourSpace = "srgb"
) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels [h, w] or [h, w, 3], with `several` [t, ...], that lie as they were recorded,
    upright: linear in the camera's colours (float32), and encoded for a display."""
    turned = (upright_all if several else upright)(pixels, sensor.orientation)
    encoded = sensor.transfer == "srgb"
    linear = (_apply_curve("display_to_linear", turned) if encoded else turned).astype(np.float32)
    if encoded and space == "srgb":
        return linear, turned
    return linear, _apply_curve("linear_to_display", color.developed(linear, sensor, space))


def finished_deviation(deviation: np.ndarray, pixels: np.ndarray, sensor: Sensor) -> np.ndarray:
    """Return the standard deviation of pixels [h, w] or [h, w, 3] upright and in linear light
    (float32), as `finished` returns the pixels themselves."""
    if sensor.transfer == "srgb":
        above, below = (
            _apply_curve("display_to_linear", pixels + sign * deviation) for sign in (1, -1)
        )
        deviation = (above - below) / 2
    return upright(deviation.astype(np.float32), sensor.orientation)


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays; the same arrays give the same bytes (no time stamps)."""
    with atomic_write(path) as part, zipfile.ZipFile(part, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _ZIP_EPOCH), buffer.getvalue())


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write the content of a file."""
    with atomic_write(path) as part:
        part.write_bytes(content)


def read_json(path: Path) -> dict[str, Any]:
    """Return the table in a JSON file; empty where there is none, or one that cannot be read."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _apply_curve(
    name: Literal["display_to_linear", "linear_to_display"], image: np.ndarray
) -> np.ndarray:
    """Apply a function of `ops.color` to an array; torch is imported only here."""
    curved: np.ndarray = getattr(color, name)(
        torch.from_numpy(np.asarray(image, np.float64))
    ).numpy()
    return curved


def _profile(colour: bool, space: ColourSpace, *, linear: bool) -> bytes | None:
    """Return the ICC profile of a picture; none of a grey one."""
    return icc.profile(space, linear) if colour else None


def _to_16_bits(image: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = np.rint(np.clip(image, 0, 1) * 65535)
    return scaled.astype(np.uint16)


def _write_video(path: Path, images: np.ndarray) -> None:
    """Write images [t, h, w] or [t, h, w, 3], encoded for a display, as MPEG-4."""
    height, width = images.shape[1:3]
    # MPEG-4 needs even sides.
    size = (width + width % 2, height + height % 2)
    quiet_opencv()
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), VIDEO_RATE, size)
    if not writer.isOpened():
        raise OSError("no encoder of MPEG-4 in OpenCV")
    for image in images:
        pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        bgr = pixels[..., ::-1] if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
        padding = ((0, size[1] - height), (0, size[0] - width), (0, 0))
        writer.write(np.pad(bgr, padding, mode="edge"))
    writer.release()


def _write_tiff(
    path: Path, image: np.ndarray, note: str, colour: bool, profile: bytes | None
) -> None:
    photometric = "rgb" if colour else "minisblack"
    tifffile.imwrite(
        path, image, photometric=photometric, description=note, metadata=None, iccprofile=profile
    )


def _flush(path: Path) -> None:
    """Have the disk hold the bytes before the name points to them."""
    if path.is_dir():
        return
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # The folder is inaccessible or gone, and so is the file.
        return
