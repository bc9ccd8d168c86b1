"""Fail, stall (also deaf to a request to end) or die, as told, for stacks of a certain name."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import Literal

from burst.records import Burst

NEEDS = ("linear",)
GIVES = ()


@dataclass(frozen=True)
class Config:
    kind: Literal["fail", "stall", "deafen", "die", "none"] = "none"
    name: str = ""


def run(burst: Burst, config: Config) -> Burst:
    if not burst.stack.name.startswith(config.name):
        return burst
    if config.kind == "fail":
        raise RuntimeError("the lens cap\nwas on")
    if config.kind == "deafen":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if config.kind in ("stall", "deafen"):
        time.sleep(600)
    if config.kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return burst
