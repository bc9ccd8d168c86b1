"""Readers of the layouts in which rolling-shutter sets are published; `find` recognises them."""
