"""Geometry of frames whose rows are read at different times."""

from burst.lazy import load_on_use

load_on_use(__name__)
