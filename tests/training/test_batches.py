"""Batches: what a network is given, decided by seed, step and rank."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from burst.data.samples.draws import generator_of
from burst.data.samples.turbulence import Sample, SampleKey
from burst.network.preparation import EVIDENCE, SCALARS, Preparation
from burst.records import Level
from burst.training.batches import Pool

KEY = SampleKey("high", 0)


class Shelf:
    """A collection of one sample whose planes all say where each pixel is."""

    def __init__(self, size=48):
        place = torch.arange(float(size * size)).reshape(size, size)
        planes = torch.stack([place + i * size * size for i in range(len(EVIDENCE))])
        scalars = torch.arange(float(len(SCALARS)))
        self.there: list[SampleKey] = [KEY]
        self.sample = Sample(KEY, planes, scalars, place, place, Level(0.1, 1.0))

    def present(self, keys):
        return [key for key in keys if key in self.there]

    def load(self, key, device):
        return replace(self.sample, key=key)


def draw(preparation=None, step=0, rank=0, count=4, side=16):
    """Draw a batch from the shelf."""
    pool = Pool(Shelf(), [KEY], preparation or Preparation(), "cpu")
    return pool.draw(count, side, generator_of(0, step, rank))


def test_shapes():
    batch = draw()
    assert batch.evidence.shape == (4, len(EVIDENCE), 16, 16)
    assert batch.scalars.shape == (4, len(SCALARS))
    assert batch.base.shape == batch.truth.shape == (4, 1, 16, 16)


def test_evidence_base_and_truth_are_cut_and_turned_alike():
    batch = draw()
    assert torch.equal(batch.evidence[:, :1], batch.base)
    assert torch.equal(batch.base, batch.truth)


def test_chosen_planes_and_scalars_come_in_their_order():
    batch = draw(Preparation(("noise", "merged"), ("frames",)))
    last = (EVIDENCE.index("noise") - EVIDENCE.index("merged")) * 48 * 48
    assert torch.equal(batch.evidence[:, 0], batch.evidence[:, 1] + last)
    assert float(batch.scalars[0, 0]) == SCALARS.index("frames")


def test_error_is_the_whole_classical_result_s():
    shelf = Shelf()
    wrong = shelf.sample.base.clone()
    wrong[8:24, 8:40] += 0.5
    wrong[0] += 100
    shelf.sample = replace(shelf.sample, base=wrong, truth=shelf.sample.base)
    pool = Pool(shelf, [KEY], Preparation(), "cpu")
    batch = pool.draw(4, 16, generator_of(0, 0))
    assert batch.error.shape == (4, 1, 1, 1)
    assert torch.equal(batch.error, torch.full((4, 1, 1, 1), 0.25))
    assert torch.equal(pool.whole(KEY).error, batch.error[:1])


def test_border_is_left_out():
    batch = draw(count=64)
    rows = (batch.base / 48).floor()
    assert rows.min() >= 8
    assert rows.max() <= 39
    # The window reaches both ends of what is left.
    assert (rows.min(), rows.max()) == (8, 39)


def test_all_eight_orientations_occur():
    batch = draw(count=64)
    steps = {
        (round(float(c[0, 1] - c[0, 0])), round(float(c[1, 0] - c[0, 0]))) for c in batch.base[:, 0]
    }
    assert len(steps) == 8


def test_seed_step_and_rank_decide():
    assert torch.equal(draw().base, draw().base)
    assert not torch.equal(draw().base, draw(step=1).base)
    assert not torch.equal(draw().base, draw(rank=1).base)


def test_pool_takes_in_samples_that_come_later(monkeypatch):
    shelf, later = Shelf(), SampleKey("high", 1)
    pool = Pool(shelf, [KEY, later], Preparation(), "cpu")
    pool.refresh()
    assert list(pool.samples) == [KEY]
    shelf.there.append(later)
    pool.refresh()
    assert list(pool.samples) == [KEY]  # it does not look at every step
    pool.looked -= 60
    pool.refresh()
    assert list(pool.samples) == [KEY, later]


def test_whole_sample_keeps_its_border():
    assert Pool(Shelf(), [KEY], Preparation(), "cpu").whole(KEY).base.shape == (1, 1, 48, 48)


@pytest.mark.parametrize("step", [0, 1, 10**9])
def test_random_numbers_of_a_step_are_its_own(step):
    assert torch.equal(
        torch.rand(3, generator=generator_of(1, step)),
        torch.rand(3, generator=generator_of(1, step)),
    )
