"""Make frames linear; the noise is taken as known."""

from __future__ import annotations

from dataclasses import dataclass, replace

from burst.records import Burst, NoiseModel

NEEDS = ("stack",)
GIVES = ("linear", "noise")


@dataclass(frozen=True)
class Config:
    gain: float = 1.0


def run(burst: Burst, config: Config) -> Burst:
    import torch

    white = burst.stack.sensor.white_level
    linear = torch.from_numpy(burst.stack.frames.astype("float32")) * (config.gain / white)
    report = burst.report.note(gain=config.gain)
    return replace(burst, linear=linear, noise=NoiseModel(1e-3, 1e-5), report=report)
