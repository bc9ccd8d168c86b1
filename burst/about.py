"""Which version this is, and how it is installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
# As package indexes know it; "burst" there is another project.
DISTRIBUTION = "burst-restoration"


def install(extra: str) -> str:
    """Return the command that installs what an extra needs."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def optional(module: str, extra: str, error: type[Exception], what: str) -> Any:
    """Import a module that an extra installs, for `what` needs it; an error of this kind says how
    to install it."""
    try:
        return import_module(module)
    except ImportError as missing:
        package = module.partition(".")[0]
        raise error(
            f"{what}: expected the package {package}, found none. Install it by {install(extra)}."
        ) from missing
