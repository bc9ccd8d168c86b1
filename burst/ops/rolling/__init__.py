"""Geometry of frames whose rows are read at different times."""
