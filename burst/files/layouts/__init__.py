"""Readers of the folder layouts in which rolling-shutter sets are published."""
