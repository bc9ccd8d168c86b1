"""Modules that load when they are first used: libraries, and the rooms of burst.

    from burst.lazy import torch  # in place of `import torch`
    from burst.ops import warp  # the room says `load_on_use(__name__)`

Both cost nothing until `torch.zeros` or `warp.compose` is used. Until then nothing is put into
`sys.modules`, so that other packages do not notice.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import cv2 as cv2
    import jinja2 as jinja2
    import psutil as psutil
    import rawpy as rawpy
    import tifffile as tifffile
    import torch as torch
    from matplotlib import pyplot as pyplot

    safetensors_torch: Any
    scipy: Any
    tqdm: Any
    tqdm_logging: Any

LIBRARIES = "cv2", "jinja2", "psutil", "rawpy", "scipy", "tifffile", "torch", "tqdm"
PLACES = {
    "pyplot": "matplotlib.pyplot",
    "safetensors_torch": "safetensors.torch",
    "tqdm_logging": "tqdm.contrib.logging",
}


class Lazy(ModuleType):
    """A module that is imported when an attribute of it is first used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(import_module(self.__name__), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(import_module(self.__name__), name)

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        return vars(import_module(self.__name__))

    def __dir__(self) -> list[str]:
        return dir(import_module(self.__name__))

    def __repr__(self) -> str:
        return f"<module '{self.__name__}', which loads on use>"


def load_on_use(package: str) -> None:
    """Let the modules of a package load when they are first used, not when they are imported."""

    def lazy_module(name: str) -> Lazy:
        if name.startswith("_") or find_spec(f"{package}.{name}") is None:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return Lazy(f"{package}.{name}")

    # Not `__getattr__ = ...` in the package: type checkers would then accept any name.
    vars(sys.modules[package])["__getattr__"] = lazy_module


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Lazy:
        if name in LIBRARIES or name in PLACES:
            return Lazy(PLACES.get(name, name))
        raise AttributeError(f"module 'burst.lazy' has no attribute '{name}'")
