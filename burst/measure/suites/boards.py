"""One text board through every method: which words can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch

from burst.measure.peers.baselines import plain_mean
from burst.measure.peers.find import Peer
from burst.measure.results import Record
from burst.measure.suites.synthetic import NETWORK, image_of
from burst.measure.tables import CLASSICAL, OURS
from burst.measure.words import measure_boards
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
        methods = {"mean": plain_mean, **self.peers}
        for name, pipeline in self._ours().items():
            methods[name] = partial(_restore, pipeline)
        rows = measure_boards([Path(board.folder)], methods, lambda message: None)
        return {"rows": [asdict(row) for row in rows]}

    def _ours(self) -> dict[str, Pipeline]:
        names = [step.name for step in self.pipeline.steps]
        without = {CLASSICAL: self.pipeline.before(NETWORK)} if NETWORK in names else {}
        return {**without, OURS: self.pipeline}


def _restore(pipeline: Pipeline, stack: Stack) -> torch.Tensor:
    return image_of(pipeline.run(Burst(stack)))
