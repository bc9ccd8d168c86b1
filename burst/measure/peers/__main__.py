"""Run one peer on one stack, as a process whose seconds and memory are measured.

python -m burst.measure.peers NAME STACK IMAGE.npy
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from burst.files.read import read_stack
from burst.measure.peers.find import PEERS


def main(name: str, stack: str, image: str) -> None:
    """Write the image that a peer makes of a stack."""
    np.save(image, PEERS[name](read_stack(Path(stack))).numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
