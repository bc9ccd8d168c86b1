"""The physics of turbulent air: Zernike modes and how they change over field and time."""

from burst.lazy import load_on_use

load_on_use(__name__)
