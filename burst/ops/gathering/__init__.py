"""Point spread functions: what makes them, how strong they are, and how they are undone."""

from burst.lazy import load_on_use

load_on_use(__name__)
