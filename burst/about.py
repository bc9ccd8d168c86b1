"""Which version this is, and how it is installed."""

from __future__ import annotations

__version__ = "0.1.0"
# As package indexes know it; "burst" there is another project.
DISTRIBUTION = "burst-restoration"


def install(extra: str) -> str:
    """Return the command that installs what an extra needs."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
