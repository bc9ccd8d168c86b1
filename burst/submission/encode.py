"""Encode a restored image as a challenge requires: curve, stretch, integers, npy or png."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np

from burst.files.check import explained
from burst.files.png import plain_png
from burst.files.quiet import quiet_opencv
from burst.lazy import cv2
from burst.submission.challenge import Challenge, SubmissionError

LINEAR, DISPLAY = "restored.npy", "restored.png"


def encode_result(folder: Path, challenge: Challenge) -> bytes:
    """Return the encoded image of a folder of results; SubmissionError if its size is wrong."""
    is_display = challenge.transfer == "srgb"  # of colour it has the white balance
    path = folder / (DISPLAY if is_display else LINEAR)
    with explained(path, "an image", "Remove its folder, and restore the stack again."):
        image = from_bytes(path.read_bytes(), path.suffix)
    image = image / np.float64(65535) if is_display else image
    return to_bytes(to_numbers(str(folder), image, challenge), challenge.suffix)


def to_numbers(where: str, image: np.ndarray, challenge: Challenge) -> np.ndarray:
    """Return an image [h, w] or [h, w, 3], black 0 and white 1, as values of a challenge."""
    if challenge.size and image.shape[:2] != challenge.size:
        raise SubmissionError(
            f"{where}: expected an image of {_dimensions(challenge.size)} pixels, found"
            f" {_dimensions(image.shape[:2])}. Pass stacks of that size, or another --challenge."
        )
    if challenge.channels == 1 and image.ndim == 3:
        raise SubmissionError(
            f"{where}: expected a grey image, found one in colour. Pass another --challenge."
        )
    if not np.isfinite(image).all():
        raise SubmissionError(f"{where}: expected numbers, found NaN or infinity in the image.")
    if challenge.channels == 3 and image.ndim == 2:
        image = np.stack([image] * 3, axis=-1)
    image = image.astype(np.float64)
    if challenge.stretch:
        low, high = np.quantile(image, challenge.stretch)
        image = (image - low) / max(high - low, np.finfo(np.float32).tiny)
    scaled: np.ndarray = np.rint(image.clip(0, 1) * challenge.maximum)
    return scaled.astype(challenge.dtype)


def to_bytes(numbers: np.ndarray, suffix: str) -> bytes:
    """Encode an image [h, w] or [h, w, 3] (red first); `from_bytes` is the inverse."""
    if suffix == ".png":
        return plain_png(numbers)
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, numbers, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def from_bytes(content: bytes, suffix: str) -> np.ndarray:
    """Decode an image file; ValueError if it is not one."""
    return _from_png(content) if suffix == ".png" else _from_npy(content)


def _from_png(content: bytes) -> np.ndarray:
    quiet_opencv()
    encoded = np.frombuffer(content, np.uint8)
    try:
        pixels = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if encoded.size else None
    except cv2.error as error:
        raise ValueError("a PNG that cannot be decoded") from error
    if pixels is None:
        raise ValueError("no PNG")
    image = np.asarray(pixels)
    return image[..., ::-1] if image.ndim == 3 and image.shape[2] == 3 else image


def _from_npy(content: bytes) -> np.ndarray:
    """Read an array after checking its header, so that a false one allocates no memory."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0
    if version >= (2, 0):
        header = np.lib.format.read_array_header_2_0
    shape, column_major, dtype = header(stream)
    numbers = content[stream.tell() :]
    if dtype.hasobject or len(numbers) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"an array {shape} of {dtype} that is not complete")
    return np.frombuffer(numbers, dtype).reshape(shape, order="F" if column_major else "C")


def _dimensions(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
