"""One stack through every method."""

from __future__ import annotations

import json

import pytest

from burst.measure.peers.baselines import BASELINES, plain_mean
from burst.measure.peers.oracle import ORACLES
from burst.measure.results import PeerError
from burst.measure.stacks import Case
from burst.measure.suites.synthetic import OURS, measure
from burst.pipeline import load


def no_peer(stack):
    raise PeerError("no stars in it")


@pytest.fixture(scope="module")
def record():
    """Return the figures of a small coded target, with a peer that works and one that does not."""
    peers = {"a peer": plain_mean, "no peer": no_peer}
    return measure(load("classical"), peers, Case("coded target 0", "low", 0, 12, 96))


def test_every_method_is_there(record):
    assert set(record["methods"]) == {*BASELINES, "a peer", "no peer", OURS, *ORACLES}


def test_a_peer_that_fails_says_why(record):
    assert record["methods"]["no peer"] == {"failed": "no stars in it"}


def test_a_peer_is_scored_like_a_baseline(record):
    assert record["methods"]["a peer"]["psnr"] == record["methods"]["mean"]["psnr"]


def test_ours_beats_the_mean_and_bits_are_read(record):
    ours, mean = record["methods"][OURS], record["methods"]["mean"]
    assert ours["psnr"] > mean["psnr"] + 1
    assert mean["bits"] <= ours["bits"] <= 1


def test_seconds_of_a_prefix_are_less_than_of_the_whole(record):
    methods = record["methods"]
    assert 0 < methods["best frame"]["seconds"] < methods[OURS]["seconds"]


def test_record_is_plain_json(record):
    assert json.loads(json.dumps(record, allow_nan=False))
