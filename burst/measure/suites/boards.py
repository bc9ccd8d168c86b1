"""Words on real text boards: which can be read after each method.

Real sequences have no truth, but the words printed on a board are known. A board is a folder of
frames with a `words.json`: {"words": ["washer", "boxing"]}.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pydantic import TypeAdapter

from burst.files.check import explained
from burst.files.read import read_stack
from burst.measure.ocr import find_tesseract, read_words, similarity
from burst.measure.peers.baselines import plain_mean
from burst.measure.peers.find import Peer, peers_if, settings_with_peers
from burst.measure.results import PeerError, Record
from burst.measure.suite import Options, Suite
from burst.measure.tables import CLASSICAL, OURS, markdown
from burst.measure.trace import NETWORK
from burst.ops.color import linear_to_display
from burst.pipeline import Pipeline
from burst.records import Burst, Stack, StackError, given

WORDS_FILE = "words.json"

Method = Callable[[Stack], torch.Tensor]


@dataclass(frozen=True)
class Reading:
    """How well words were read.

    right       number of words read without error, in the best reading
    similarity  mean letter similarity (0 to 1) of the words, in the best reading
    steadiness  the same, as a mean over all readings
    """

    right: int
    similarity: float
    steadiness: float


@dataclass(frozen=True)
class BoardRow:
    """A method's result on a board; `words` are counted, `failure` says why there is none."""

    board: str
    method: str
    words: int
    reading: Reading
    seconds: float
    failure: str = ""


def measure_boards(
    folders: Sequence[Path], methods: Mapping[str, Method], progress: Callable[[str], None]
) -> list[BoardRow]:
    """Return a row for each board and method; StackError if a folder is not a board. A method turns
    a stack into an image [h, w] on the stack's own scale. `progress` is called before every board
    and method."""
    find_tesseract()
    rows = []
    for folder in folders:
        words = read_truth(folder)
        stack = read_stack(folder)
        for name, method in methods.items():
            progress(f"{folder.name}: {name}")
            rows.append(_measure(stack, words, name, method))
    return rows


def board_table(rows: Sequence[BoardRow]) -> str:
    """Return a Markdown table with a line for each method, over all boards."""
    head = ("method", "words right", "letter similarity", "over all readings", "seconds")
    lines = []
    for name in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == name]
        right, words = sum(row.reading.right for row in own), sum(row.words for row in own)
        found = [(r.reading.similarity, r.reading.steadiness, r.seconds) for r in own]
        similar, steady, seconds = np.mean(found, axis=0)
        cells = (f"{similar:.3f}", f"{steady:.3f}", f"{seconds:.1f}")
        lines.append([name, f"{right} of {words}", *cells])
    return markdown(head, lines)


def read_truth(folder: Path) -> tuple[str, ...]:
    """Return the words on a board; StackError if its words.json is invalid."""
    path = folder / WORDS_FILE
    example = 'Write {"words": ["washer", "boxing"]}.'
    with explained(path, "the words on the board", example):
        words = json.loads(path.read_text("utf-8"))["words"]
    if not words or not all(isinstance(word, str) and word for word in words):
        raise StackError(f"{path}: expected a list of words, found {words!r}. {example}")
    return tuple(words)


def read_board(image: np.ndarray, words: Sequence[str]) -> Reading:
    """Return how well `words` can be read from an image [h, w], display-encoded or nearly so."""
    readings = np.array([similarity(words, found) for found in read_words(image)])
    best = readings[readings.mean(axis=1).argmax()]
    return Reading(int((best == 1).sum()), float(best.mean()), float(readings.mean()))


def _measure(stack: Stack, words: Sequence[str], name: str, method: Method) -> BoardRow:
    started, failure = time.perf_counter(), ""
    try:
        image = method(stack).cpu()
    except PeerError as error:
        # A program that fails on a stack scores zero.
        failure = str(error)
    seconds = time.perf_counter() - started
    if failure:
        return BoardRow(stack.name, name, len(words), Reading(0, 0.0, 0.0), seconds, failure)
    if stack.sensor.transfer == "linear":
        image = linear_to_display(image)
    return BoardRow(stack.name, name, len(words), read_board(image.numpy(), words), seconds)


@dataclass(frozen=True)
class BoardFolder:
    """The folder of one board: its frames and its words."""

    folder: str

    @property
    def name(self) -> str:
        """The folder's own name."""
        return Path(self.folder).name


def measure(pipeline: Pipeline, peers: Mapping[str, Peer], board: BoardFolder) -> Record:
    """Restore a board by mean, peers and pipeline, and return what can be read."""
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
