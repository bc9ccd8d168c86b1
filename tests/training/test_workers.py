"""Processes that make samples: they fill a collection, and their death is told."""

from __future__ import annotations

import pytest
from training_toys import SMALL

from burst.data.samples.collection import keys_of, open_collection
from burst.training.workers import SamplesError, Workers, as_time

KEYS = keys_of(("low",), 1, 1)


def test_nobody_starts_where_all_is_there(collection):
    workers = Workers(collection, keys_of(("low", "high"), 2, 1))
    workers.start(3)
    assert workers.processes == []
    workers.wait(workers.keys, print)


def test_death_of_all_is_told(tmp_path):
    scene = tmp_path / "broken.png"
    scene.write_bytes(b"no image")
    collection = open_collection(tmp_path / "samples", SMALL, [str(tmp_path)])
    workers = Workers(collection, KEYS)
    workers.start(1)
    with pytest.raises(SamplesError, match=r"expected 2 more samples.*exit codes: 1"):
        workers.wait(KEYS, print)


def test_waiting_for_nobody_is_told(tmp_path):
    with pytest.raises(SamplesError, match="Pass --workers to start some"):
        Workers(open_collection(tmp_path, SMALL, []), KEYS).wait(KEYS, print)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5 s"), (125, "2 min 5 s"), (1000, "16 min"), (9000, "2 h 30 min")],
)
def test_time_in_words(seconds, text):
    assert as_time(seconds) == text
