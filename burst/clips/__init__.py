"""Clips: videos of any length, straightened frame by frame."""

from burst.lazy import load_on_use

load_on_use(__name__)
