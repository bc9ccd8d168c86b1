"""One file per stage; the name of the file is its name in a pipeline.

`dir(burst.stages)` lists them, and `burst.stages.select` imports one.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any


def __dir__() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in __dir__():
        raise AttributeError(
            f"burst.stages has no stage '{name}'. Known are {', '.join(__dir__())}."
        )
    return importlib.import_module(f"{__name__}.{name}")
