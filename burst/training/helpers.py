"""What training takes from timm, which is imported here and nowhere else.

timm imports torchvision, whose wheels are built for CUDA. Beside a torch for CPUs its compiled
operators stay unloaded, and the import then fails at the two that it registers meta kernels for.
Declaring these is enough: timm uses none of them.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import nn

from burst.about import optional
from burst.settings import ConfigError

_OPERATORS = ("nms", "qnms")
_DECLARED: list[torch.library.Library] = []  # a library that is collected takes its operators along
TICKS = 10_000  # parts of the budget, of steps or seconds, that the scheduler counts


def make_average(model: nn.Module, decay: float) -> Any:
    """Return a running average of a network's weights, which is checked and exported: its `module`
    is the network with them, `average.update(network, step=step)` adds those after a step. The
    first steps are forgotten sooner."""
    return _timm("utils").ModelEmaV3(model, decay=decay, use_warmup=True)


def make_scheduler(optimizer: torch.optim.Optimizer, warm_up: float) -> Any:
    """Return the cosine schedule: `scheduler.step_update(TICKS * share of the budget)`."""
    rate = optimizer.param_groups[0]["lr"]
    return _timm("scheduler").CosineLRScheduler(
        optimizer,
        t_initial=TICKS,
        lr_min=rate / 100,
        warmup_t=max(1, round(warm_up * TICKS)),
        warmup_lr_init=rate / 100,
        t_in_epochs=False,
    )


def _timm(part: str) -> Any:
    prepare_torchvision()
    return optional(f"timm.{part}", "train", ConfigError, "training")


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
