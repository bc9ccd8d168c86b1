"""What the tests of training share: small samples, small networks, few steps."""

from __future__ import annotations

from burst.data.samples.turbulence import StackSampleSettings

SMALL = StackSampleSettings(size=64, frames=(4, 6), pipeline="classical")
SETTINGS = (
    "network.width=8", "network.depths=[1, 1]", "network.prior_width=8", "network.head_width=8",
    "samples.size=64", "samples.frames=[4, 6]", "samples.pipeline='classical'",
    "training.samples=2", "training.held_out=1", "training.batch=2", "training.crop=32",
    "training.steps=10", "training.check_every=5", "training.rate=1e-3",
    "training.each=0",
)  # fmt: skip
LEVELS = ("low", "high")
