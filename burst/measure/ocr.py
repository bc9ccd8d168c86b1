"""Read words by Tesseract at several scales, rotations and thresholds, each of which is one
reading.

Boards are tilted and have little contrast, so the image is stretched and then binarised against the
surroundings of every pixel (Sauvola and Pietikainen, Pattern Recognition 33, 225, 2000). The images
of all methods are read alike.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

import cv2
import numpy as np
import skimage

from burst.records import StackError

SIDES = (340, 440, 560)  # px, the longer side: letters of 20 to 40 px if a board fills the frame
ANGLES = (0.0, 4.0, 8.0)  # degrees clockwise
WINDOW = 25  # px, about the height of a letter
SENSITIVITIES = (0.03, 0.05)  # Sauvola's k: how far below its surroundings ink must be
STRETCH = (1.0, 99.0)  # percentiles that become black and white
MARGIN = 20  # px of white; without it Tesseract misses what touches the border
ONE_BLOCK = "6"  # Tesseract's page segmentation: a single uniform block of text
TIMEOUT = 60  # seconds


def find_tesseract() -> Path:
    """Return the program tesseract; StackError if it is not installed."""
    program = shutil.which("tesseract")
    if program is None:
        raise StackError(
            "tesseract: expected it on the path, found none. Install it (Debian: tesseract-ocr)."
        )
    return Path(program)


def read_words(image: np.ndarray) -> list[list[str]]:
    """Return the words of every reading of an image [h, w] of any scale, dark letters on light."""
    low, high = np.percentile(image, STRETCH)
    stretched = ((image - low) / max(float(high - low), 1e-6)).clip(0, 1).astype(np.float32)
    pages = [
        _binarise(_rotate(_resize(stretched, side), angle), sensitivity)
        for side, angle, sensitivity in itertools.product(SIDES, ANGLES, SENSITIVITIES)
    ]
    return [_recognise(page) for page in pages]


def similarity(words: Sequence[str], found: Sequence[str]) -> list[float]:
    """Return the letter similarity (0 to 1, ignoring case) of each word to the closest found."""
    pairs = [
        [SequenceMatcher(None, w.lower(), f.lower(), autojunk=False) for f in found] for w in words
    ]
    return [max((pair.ratio() for pair in row), default=0.0) for row in pairs]


def _resize(image: np.ndarray, side: int) -> np.ndarray:
    scale = side / max(image.shape)
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))


def _rotate(image: np.ndarray, angle: float) -> np.ndarray:
    """Rotate an image [h, w] clockwise about its centre; edges replicate."""
    h, w = image.shape
    matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), -angle, 1.0)
    turned = cv2.warpAffine(
        image, matrix, (w, h), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(turned)


def _binarise(image: np.ndarray, sensitivity: float) -> np.ndarray:
    """Return a page [h, w] uint8: black where an image is darker than its surroundings."""
    light = image > skimage.filters.threshold_sauvola(image, WINDOW, sensitivity)
    return np.pad(light.astype(np.uint8) * 255, MARGIN, constant_values=255)


def _recognise(page: np.ndarray) -> list[str]:
    """Return the words that Tesseract finds on a page, letters only, two or more of them."""
    done = subprocess.run(
        [str(find_tesseract()), "stdin", "stdout", "--psm", ONE_BLOCK, "-l", "eng"],
        input=cv2.imencode(".png", page)[1].tobytes(),
        # On pages this small its threads only slow it down.
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode:
        reason = " ".join(done.stderr.decode("utf-8", "replace").split())
        raise StackError(
            f"tesseract: expected text, found '{reason}'."
            " Install its English data (Debian: tesseract-ocr-eng)."
        )
    found = done.stdout.decode("utf-8", "replace").split()
    words = ("".join(letter for letter in word if letter.isalpha()) for word in found)
    return [word for word in words if len(word) > 1]
