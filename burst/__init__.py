"""Multi-frame raw restoration: many bad frames of one scene in, one sharp image out."""

__version__ = "0.1.0"
