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

from burst.files.check import explained
from burst.files.read import read_stack
from burst.measure.ocr import find_tesseract, read_words, similarity
from burst.measure.peers.baselines import plain_mean
from burst.measure.peers.find import Peer, peers_if, settings_with_peers
from burst.measure.results import PeerError, Record
from burst.measure.suite import Footage, Suite
from burst.measure.tables import CLASSICAL, OURS, markdown, mean
from burst.measure.trace import NETWORK
from burst.ops.color import linear_to_display
from burst.pipeline import Pipeline
from burst.records import Burst, Stack, StackError, given

WORDS_FILE = "words.json"
SHARES = ("similarity", "steadiness")  # of a `Reading`

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


def read_boards(folder: Path, methods: Mapping[str, Method]) -> list[Record]:
    """Return the reading of a board by each method, its seconds, and why it failed if it did;
    StackError if a folder is not a board. A method turns a stack into an image [h, w] on the
    stack's own scale."""
    find_tesseract()
    words, stack, rows = read_truth(folder), read_stack(folder), []
    for name, method in methods.items():
        started, reading, failure = time.perf_counter(), Reading(0, 0.0, 0.0), ""
        try:
            image = method(stack).cpu()
            seconds = time.perf_counter() - started
            image = linear_to_display(image) if stack.sensor.transfer == "linear" else image
            reading = read_board(image.numpy(), words)
        except PeerError as error:
            # A program that fails on a stack scores zero.
            seconds, failure = time.perf_counter() - started, str(error)
        row = {"board": stack.name, "method": name, "words": len(words), "reading": asdict(reading)}
        rows.append({**row, "seconds": seconds, "failure": failure})
    return rows


def board_table(rows: Sequence[Record]) -> str:
    """Return a Markdown table with a line for each method, over all boards."""
    head = ("method", "words right", "letter similarity", "over all readings", "seconds")
    lines = []
    for name in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == name]
        right, words = sum(r["reading"]["right"] for r in own), sum(r["words"] for r in own)
        similar, steady = (mean(r["reading"][key] for r in own) for key in SHARES)
        cells = (f"{similar:.3f}", f"{steady:.3f}", f"{mean(r['seconds'] for r in own):.1f}")
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


def measure(pipeline: Pipeline, peers: Mapping[str, Peer], board: Footage) -> Record:
    """Restore a board by mean, peers and pipeline, and return what can be read."""
    methods = {"mean": plain_mean, **peers}
    if NETWORK in [step.name for step in pipeline.steps]:
        methods[CLASSICAL] = partial(_restore, pipeline.before(NETWORK))
    methods[OURS] = partial(_restore, pipeline)
    return {"rows": read_boards(Path(board.path), methods)}


def _restore(pipeline: Pipeline, stack: Stack) -> torch.Tensor:
    return given(pipeline.run(Burst(stack)).image)


SUITE = Suite(
    title="Words on real boards",
    cases=lambda options: options.footage("boards", "folders of boards"),
    measure=lambda options: partial(measure, options.load(), peers_if(options.peers)),
    table=lambda records: board_table([row for record in records for row in record["rows"]]),
    settings=settings_with_peers,
)
