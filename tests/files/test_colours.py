"""Colours of every kind of file come as red, green and blue beside their luminance, if asked."""

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from burst.files.quiet import quiet_opencv
from burst.files.read import ReadOptions, read_stack, stack_of

SCENE = np.random.default_rng(0).integers(40, 200, (20, 24, 3)).astype(np.uint8)
SMOOTH = cv2.GaussianBlur(SCENE, (0, 0), 4)
FRAMES = np.stack([np.roll(SMOOTH, k, 1) for k in range(4)])  # red first


def ser(path: Path, frames: np.ndarray, color: int) -> None:
    n, h, w, _ = frames.shape
    head = b"LUCAM-RECORDER" + struct.pack("<7i", 0, color, 0, w, h, 8, n)
    path.write_bytes(head.ljust(178, b"\0") + frames.tobytes())


def video(path: Path) -> None:
    quiet_opencv()
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (24, 20))
    for frame in FRAMES:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()


def folder(path: Path, suffix: str) -> None:
    path.mkdir()
    for k, frame in enumerate(FRAMES):
        cv2.imwrite(str(path / f"{k}{suffix}"), frame[..., ::-1])


def fits(path: Path) -> None:
    module = pytest.importorskip("astropy.io.fits")
    module.writeto(path, np.moveaxis(FRAMES, -1, 1).astype(np.uint16))


KINDS: dict[str, tuple[str, Callable[[Path], object], float]] = {
    "SER RGB": ("a.ser", lambda p: ser(p, FRAMES, 100), 0),
    "SER BGR": ("a.ser", lambda p: ser(p, FRAMES[..., ::-1], 101), 0),
    "TIFF pages": ("a.tif", lambda p: tifffile.imwrite(p, FRAMES, photometric="rgb"), 0),
    "AVI": ("a.avi", video, 12),
    "PNG": ("png", lambda p: folder(p, ".png"), 0),
    "JPEG": ("jpg", lambda p: folder(p, ".jpg"), 12),
    "WebP": ("webp", lambda p: folder(p, ".webp"), 12),
    "TIFF files": ("tif", lambda p: folder(p, ".tif"), 0),
    "FITS": ("a.fits", fits, 0),
    "npy": ("a.npy", lambda p: np.save(p, FRAMES), 0),
    "npy planes": ("a.npy", lambda p: np.save(p, np.moveaxis(FRAMES, -1, 1)), 0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_colours_stand_beside_the_luminance(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name, make, tolerance = KINDS[kind]
    make(tmp_path / name)
    stack = read_stack(tmp_path / name, ReadOptions(colour=True))
    assert stack.colour is not None
    assert stack.colour.shape == FRAMES.shape
    assert np.abs(stack.colour.astype(float) - FRAMES).max() <= tolerance
    luminance = stack.colour @ np.array([0.299, 0.587, 0.114])
    assert np.abs(stack.frames - luminance).max() <= 1.5
    assert "turned into luminance" not in caplog.text
    grey = read_stack(tmp_path / name)
    assert grey.colour is None
    np.testing.assert_array_equal(grey.frames, stack.frames)
    assert "turned into luminance" in caplog.text


def test_colours_are_scaled_as_their_luminance(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", FRAMES.astype(np.float32) / 255)
    stack = read_stack(tmp_path / "a.npy", ReadOptions(colour=True))
    assert stack.colour is not None
    linear = (stack.colour - stack.sensor.black) / (stack.sensor.white_level - stack.sensor.black)
    np.testing.assert_allclose(linear, FRAMES / 255, atol=1e-4)


def test_grey_pictures_in_colour_files_are_grey(tmp_path: Path) -> None:
    ser(tmp_path / "a.ser", np.repeat(FRAMES[..., :1], 3, -1), 100)
    assert read_stack(tmp_path / "a.ser", ReadOptions(colour=True)).colour is None


def test_an_array_in_memory_keeps_its_colours() -> None:
    stack = stack_of(FRAMES.astype(np.uint16), options=ReadOptions(colour=True))
    np.testing.assert_array_equal(stack.colour, FRAMES)
