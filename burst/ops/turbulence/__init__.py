"""The physics of turbulent air: Zernike modes and how they change over field and time."""
