"""Give and note a correction as a stage with a network does; the image stays as it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from burst.records import Burst, Correction

NEEDS = ("image",)
GIVES = ("correction",)


@dataclass(frozen=True)
class Config:
    checkpoint: str = "toy"


def run(burst: Burst, config: Config) -> Burst:
    from burst.network.checkpoint import find

    path = find(config.checkpoint)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    report = burst.report.note(checkpoint=path.stem, checkpoint_sha256=sha256)
    found = Correction(path.stem, sha256, prior="none", rms=0.0)
    return replace(burst, correction=found, report=report)
