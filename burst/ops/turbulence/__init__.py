"""The physics of turbulent air: Zernike modes over field and time, and layers along a path."""

from burst.lazy import load_on_use

load_on_use(__name__)
