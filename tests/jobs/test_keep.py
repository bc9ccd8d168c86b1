"""What a stage gave is kept whole, whatever records it is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
import torch

from burst.jobs.keep import StageFiles
from burst.jobs.pack import pack, unpack
from burst.pipeline import Pipeline, Step
from burst.records import Burst, NoiseModel, Report, Sensor, Shutter, Stack


class Kind(Enum):
    CALM = 1


@dataclass(frozen=True)
class Part:
    size: tuple[int, int]
    field: torch.Tensor


@dataclass(frozen=True)
class Toy:
    """A record such as somebody may put on `Burst`."""

    kind: Kind
    shutter: Shutter
    parts: tuple[Part, ...]
    by_frame: dict[int, torch.Tensor]
    why: MappingProxyType[str, str | None]
    noise: NoiseModel
    table: np.ndarray
    listed: list[float]


@dataclass(frozen=True)
class BurstWithToy(Burst):
    toy: Toy | None = None


TOY = Toy(
    Kind.CALM,
    Shutter.ROLLING,
    (Part((2, 3), torch.arange(6.0).reshape(2, 3)), Part((1, 1), torch.tensor(True))),
    {3: torch.tensor([1, 2]), 5: torch.zeros(0, dtype=torch.half)},
    MappingProxyType({"a.b": "text", "c": None}),
    NoiseModel(1e-4, 2e-6),
    np.arange(4, dtype=np.int16),
    [0.1, float("inf"), np.float32(0.5)],
)


@pytest.fixture
def burst():
    """Return an untouched burst with a field of its own."""
    return BurstWithToy(Stack(np.zeros((2, 8, 8), np.uint16), Sensor()))


def test_record_of_ones_own_is_kept_without_being_registered(tmp_path, burst):
    steps = (Step("one", SimpleNamespace(), None), Step("two", SimpleNamespace(), None))
    keeper = StageFiles(tmp_path, {"one": "1", "two": "2"})
    report = Report().begin("one", {}).note(found=1)
    first = replace(burst, image=torch.ones(8, 8), left_out={1: "dark"}, report=report)
    second = replace(first, toy=TOY, image=None, report=report.begin("two", {}).warn("few"))
    keeper.save(steps[0], burst, first)
    keeper.save(steps[1], first, second)
    found, done = keeper.restart(Pipeline("", steps), burst)
    assert done == 2
    assert found.report == second.report
    assert found.left_out == {1: "dark"}
    assert found.image is None  # what a stage takes away stays away
    toy = found.toy
    assert (toy.kind, toy.shutter, toy.noise) == (TOY.kind, TOY.shutter, TOY.noise)
    assert toy.why == TOY.why
    assert toy.listed == TOY.listed
    assert np.array_equal(toy.table, TOY.table)
    assert toy.parts[0].size == (2, 3)
    for one, other in zip(toy.parts, TOY.parts, strict=True):
        assert torch.equal(one.field, other.field)
    assert toy.by_frame.keys() == TOY.by_frame.keys()
    assert all(torch.equal(toy.by_frame[k], TOY.by_frame[k]) for k in toy.by_frame)
    assert toy.by_frame[5].dtype == torch.half


def test_tensors_keep_the_names_of_their_fields():
    packed, arrays = pack({"flow": torch.zeros(2), "views": Part((1, 1), torch.ones(3))})
    assert arrays.keys() == {"flow", "views.field"}
    assert unpack(packed, arrays, "cpu")["views"].size == (1, 1)


def test_two_tensors_never_share_a_name():
    value = {"a.b": torch.zeros(1), "a": {"b": torch.ones(1)}}
    found = unpack(*pack(value), "cpu")
    assert (float(found["a.b"]), float(found["a"]["b"])) == (0, 1)


def test_what_cannot_be_kept_is_named():
    with pytest.raises(TypeError, match=r"toy.open: expected tensors, .* found set"):
        pack({"toy": {"open": {1, 2}}})


@pytest.mark.parametrize(
    "name", ["os:system", "burst.jobs.keep:json", "nowhere:Toy", "os:_Environ"]
)
def test_a_file_names_no_class_but_records(name):
    with pytest.raises(ValueError, match="which is not known"):
        unpack({"record": {"class": name, "fields": {}}}, {}, "cpu")
