"""One text board through every method: which words can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from burst.measure.baselines import plain_mean
from burst.measure.boards import measure_boards
from burst.measure.peers import Peer
from burst.measure.results import Record
from burst.measure.synthetic import OURS, image_of
from burst.pipeline import Pipeline
from burst.records import Burst, Stack


@dataclass(frozen=True)
class Board:
    """The folder of one board: its frames and its words."""

    folder: str

    @property
    def name(self) -> str:
        """The folder's own name."""
        return Path(self.folder).name


@dataclass(frozen=True)
class BoardBench:
    """What is compared: the plain mean, peers by name, and our pipeline."""

    pipeline: Pipeline
    peers: Mapping[str, Peer]

    def measure(self, board: Board) -> Record:
        """Restore a board by every method and return what can be read of each."""
        methods = {"mean": plain_mean, **self.peers, OURS: self._restore}
        rows = measure_boards([Path(board.folder)], methods, lambda message: None)
        return {"rows": [asdict(row) for row in rows]}

    def _restore(self, stack: Stack) -> torch.Tensor:
        return image_of(self.pipeline.run(Burst(stack)))
