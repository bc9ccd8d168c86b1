"""Average the frames, with a grain that depends on the seed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from burst.records import Burst

NEEDS = ("linear",)
GIVES = ("image",)


@dataclass(frozen=True)
class Config:
    grain: float = 0.0
    warn: bool = False


def run(burst: Burst, config: Config) -> Burst:
    import torch

    mean = burst.linear.mean(0)
    report = burst.report.warn("the frames are few") if config.warn else burst.report
    return replace(burst, image=mean + config.grain * torch.rand_like(mean), report=report)
