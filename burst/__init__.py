"""Multi-frame raw restoration: many bad frames of one scene in, one sharp image out.

    import burst

    stack = burst.read("frames.npy", white_level=4095)
    result = burst.restore(stack, "turbulence", select={"keep": 0.5})
    result.image, result.weights, result.flow, result.psf, result.report
    result.save("out/frames")
    result.show()

What there is:

    read            a file, a folder or an array becomes a Stack
    restore         a Stack becomes a Result, which can be looked at, shown and saved
    pipelines       the pipelines that are found; burst.stages holds the stages they are made of
    load_pipeline   one of them, to look at its settings or to add a stage of one's own
    simulate        a stack through turbulent air, with its truth
    score           an image against the truth; plain_mean is what averaging gives
    train           a network of one's own; load_network loads a trained one

`burst.read`, `help(burst.restore)` and all else are loaded when they are first used. Mistakes are
told by StackError, ConfigError, CheckpointError and WriteError.
"""

# ruff: noqa: F403, F405 -- the names of `burst.api` are listed in `__all__`, which a test holds
from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from burst import stages as stages
    from burst.api import *

__version__ = "0.1.0"
# As package indexes know it; "burst" there is another project.
DISTRIBUTION = "burst-restoration"

__all__ = [
    "Burst", "CheckpointError", "ConfigError", "Entry", "Level", "Loaded", "NoiseModel", "Pipeline",
    "Provenance", "Report", "Result", "Sensor", "Shutter", "Stack", "StackError", "Stage", "Step",
    "WriteError", "load_network", "load_pipeline", "pipelines", "plain_mean", "read", "restore",
    "score", "simulate", "stages", "train",
]  # fmt: skip


def install(extra: str) -> str:
    """Return the command that installs what an extra needs."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"


class _Package(ModuleType):
    """The package, of which `simulate`, `score` and `train` stay the functions of `burst.api` when
    the modules of the commands of these names are imported."""

    def __getattribute__(self, name: str) -> Any:
        if name in _HIDDEN:
            return getattr(import_module("burst.api"), name)
        return super().__getattribute__(name)


_HIDDEN = frozenset(("simulate", "score", "train"))


def __getattr__(name: str) -> Any:
    if name == "stages":
        return import_module("burst.stages")
    if name in __all__:
        return getattr(import_module("burst.api"), name)
    raise AttributeError(f"module 'burst' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*__all__, *globals()})


sys.modules[__name__].__class__ = _Package
