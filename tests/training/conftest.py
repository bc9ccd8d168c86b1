"""A small collection of samples, and small runs on it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from training_toys import LEVELS, SETTINGS, SMALL

from burst.data.samples.collection import keys_of, open_collection
from burst.network.preparation import Preparation
from burst.training.batches import Pool
from burst.training.order import Order
from burst.training.recipe import load_recipe


@contextmanager
def one_thread():
    """Have torch use one thread meanwhile."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def collection(tmp_path_factory):
    """Return two samples of 64 x 64 px at each of two levels, and one held out."""
    made = open_collection(tmp_path_factory.mktemp("samples"), SMALL, [])
    with one_thread():
        assert len(list(made.fill(keys_of(LEVELS, 2, 1)))) == 6
    return made


@pytest.fixture
def pool(collection):
    """Return the pool of the samples to train on."""
    keys = [key for key in keys_of(LEVELS, 2, 1) if not key.held_out]
    return Pool(collection, keys, Preparation(), "cpu")


@pytest.fixture
def make_order(collection, tmp_path):
    """Return a function that makes an order by recipe, assignments and fields of `Order`."""

    def make(recipe="student", *assignments, name="run", **fields):
        goes_on = recipe in ("finetune", "deviation")
        own = [a for a in SETTINGS if not (goes_on and a.startswith("network."))]
        order = Order(
            recipe=load_recipe(recipe, (*own, *assignments)),
            levels=LEVELS,
            collection=collection,
            images=(),
            folder=tmp_path / name,
        )
        return replace(order, **fields)

    return make


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Keep out what `torchrun` may have set, and threads, which tiny networks only wait for."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with one_thread():
        yield
