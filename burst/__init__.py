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

Records: Stack, Sensor, NoiseModel, Shutter, Level; Result, Report, Entry, Provenance, Loaded; for
stages of one's own Burst, Pipeline, Step, Stage. Mistakes are told by StackError, ConfigError,
CheckpointError and WriteError. All names are loaded when they are first used.
"""

# ruff: noqa: F403, F405 -- the names of `burst.api` are listed in `__all__`, which a test holds
from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from burst.about import __version__ as __version__

if TYPE_CHECKING:
    from burst import stages as stages
    from burst.api import *

__all__ = [
    "Result", "Sensor", "Stack", "load_network", "load_pipeline", "pipelines", "plain_mean", "read",
    "restore", "score", "simulate", "stages", "train",
]  # fmt: skip
# Handed on as well, but not shown by `help(burst)`, which would be ten times as long.
_MORE = (
    "Burst", "CheckpointError", "ConfigError", "Entry", "Level", "Loaded", "NoiseModel", "Pipeline",
    "Provenance", "Report", "Shutter", "StackError", "Stage", "Step", "WriteError",
)  # fmt: skip


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
    if name in __all__ or name in _MORE:
        return getattr(import_module("burst.api"), name)
    raise AttributeError(f"module 'burst' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*__all__, *_MORE, *globals()})


sys.modules[__name__].__class__ = _Package
