"""Networks as files: cards, checkpoints, what they are given, and how stages call them."""

from burst.lazy import load_on_use

load_on_use(__name__)
