"""Multi-frame raw restoration: many bad frames of one scene in, one sharp image out."""

__version__ = "0.1.0"
# As package indexes know it; "burst" there is another project.
DISTRIBUTION = "burst-restoration"


def install(extra: str) -> str:
    """Return the command that installs what an extra needs."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
