"""Let torchvision be imported beside a torch that cannot load its compiled operators.

Its wheels are built for CUDA. Beside a torch for CPUs the operators stay unloaded, and importing
torchvision then fails at the two that it registers meta kernels for. Declaring these is enough:
timm, which imports torchvision, uses none of them.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

_OPERATORS = ("nms", "qnms")
_DECLARED: list[torch.library.Library] = []  # a library that is collected takes its operators along


def prepare_torchvision() -> bool:
    """Declare torchvision's operators where they cannot be loaded; True if they are loaded."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    if any(_loads(path) for path in Path(spec.origin).parent.glob("_C*")):
        return True
    if not _DECLARED:
        library = torch.library.Library("torchvision", "DEF")
        for name in _OPERATORS:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _DECLARED.append(library)
    return False


def _loads(path: Path) -> bool:
    try:
        torch.ops.load_library(str(path))
    except OSError:
        return False
    return True
