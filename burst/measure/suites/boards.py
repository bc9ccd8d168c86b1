"""Words on real text boards: which can be read after each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from pydantic import TypeAdapter

from burst.measure.peers.baselines import plain_mean
from burst.measure.peers.find import Peer, peers_if
from burst.measure.results import Record
from burst.measure.suite import Options, Suite
from burst.measure.tables import CLASSICAL, OURS
from burst.measure.trace import NETWORK, image_of
from burst.measure.words import BoardRow, board_table, measure_boards
from burst.pipeline import Pipeline
from burst.records import Burst, Stack
from burst.settings import ConfigError


@dataclass(frozen=True)
class BoardFolder:
    """The folder of one board: its frames and its words."""

    folder: str

    @property
    def name(self) -> str:
        """The folder's own name."""
        return Path(self.folder).name


@dataclass(frozen=True)
class BoardBench:
    """Compares the plain mean, peers by name, and the pipeline."""

    pipeline: Pipeline
    peers: Mapping[str, Peer]

    def measure(self, board: BoardFolder) -> Record:
        """Restore a board by every method and return what can be read."""
        methods = {"mean": plain_mean, **self.peers}
        for name, pipeline in self._pipelines().items():
            methods[name] = partial(_restore, pipeline)
        rows = measure_boards([Path(board.folder)], methods, lambda message: None)
        return {"rows": [asdict(row) for row in rows]}

    def _pipelines(self) -> dict[str, Pipeline]:
        names = [step.name for step in self.pipeline.steps]
        without = {CLASSICAL: self.pipeline.before(NETWORK)} if NETWORK in names else {}
        return {**without, OURS: self.pipeline}


def _restore(pipeline: Pipeline, stack: Stack) -> torch.Tensor:
    return image_of(pipeline.run(Burst(stack)))


def _cases(options: Options) -> list[BoardFolder]:
    if not options.images:
        raise ConfigError("--suite boards: expected folders of boards, found none. Pass --images.")
    return [BoardFolder(folder) for folder in options.images]


def _settings(options: Options) -> str:
    return "\n".join([options.load().to_toml(), *peers_if(options.peers)])


def _table(records: Sequence[Record]) -> str:
    rows = [row for record in records for row in record["rows"]]
    return board_table(TypeAdapter(list[BoardRow]).validate_python(rows))


SUITE = Suite(
    title="Words on real boards",
    cases=_cases,
    measure=lambda options: BoardBench(options.load(), peers_if(options.peers)).measure,
    table=_table,
    settings=_settings,
)
