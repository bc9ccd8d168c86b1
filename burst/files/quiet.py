"""Silence libraries that print their own messages: the reader's error replaces them."""

from __future__ import annotations

import logging
import os

from burst.lazy import cv2

_FFMPEG_QUIET = "-8"


def quiet_opencv() -> None:
    """Stop OpenCV, and the FFmpeg inside it, from writing to the terminal."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _FFMPEG_QUIET)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def quiet_tifffile() -> None:
    """Stop tifffile from logging warnings."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
