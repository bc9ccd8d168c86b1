"""Simulated and recorded training samples and stacks, with their truth."""

from burst.lazy import load_on_use

load_on_use(__name__)
