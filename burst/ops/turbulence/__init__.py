"""The physics of turbulent air: Zernike modes over field and time, and layers along a path."""
