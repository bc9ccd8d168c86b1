"""Words on real text boards: which can be read after each method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from pydantic import TypeAdapter

from burst.measure.peers.baselines import plain_mean
from burst.measure.peers.find import Peer, peers_if, settings_with_peers
from burst.measure.results import Record
from burst.measure.suite import Options, Suite
from burst.measure.tables import CLASSICAL, OURS
from burst.measure.trace import NETWORK
from burst.measure.words import BoardRow, board_table, measure_boards
from burst.pipeline import Pipeline
from burst.records import Burst, Stack, given


@dataclass(frozen=True)
class BoardFolder:
    """The folder of one board: its frames and its words."""

    folder: str

    @property
    def name(self) -> str:
        """The folder's own name."""
        return Path(self.folder).name


def measure(pipeline: Pipeline, peers: Mapping[str, Peer], board: BoardFolder) -> Record:
    """Restore a board by the plain mean, by peers and by the pipeline, and return what can be
    read."""
    methods = {"mean": plain_mean, **peers}
    if NETWORK in [step.name for step in pipeline.steps]:
        methods[CLASSICAL] = partial(_restore, pipeline.before(NETWORK))
    methods[OURS] = partial(_restore, pipeline)
    rows = measure_boards([Path(board.folder)], methods, lambda message: None)
    return {"rows": [asdict(row) for row in rows]}


def _restore(pipeline: Pipeline, stack: Stack) -> torch.Tensor:
    return given(pipeline.run(Burst(stack)).image)


def _bench(options: Options) -> Callable[[BoardFolder], Record]:
    return partial(measure, options.load(), peers_if(options.peers))


def _cases(options: Options) -> list[BoardFolder]:
    return [BoardFolder(one) for one in options.needed_images("boards", "folders of boards")]


def _table(records: Sequence[Record]) -> str:
    rows = [row for record in records for row in record["rows"]]
    return board_table(TypeAdapter(list[BoardRow]).validate_python(rows))


SUITE = Suite(
    title="Words on real boards",
    cases=_cases,
    measure=_bench,
    table=_table,
    settings=settings_with_peers,
)
