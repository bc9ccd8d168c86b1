"""Which stacks are measured follows a fixed rule, and the same case is the same stack."""

from __future__ import annotations

import numpy as np
import pytest

from burst.measure.stacks import Case, choose_images, simulate_case, stack_cases
from burst.measure.suite import Options
from burst.records import StackError


@pytest.fixture
def folders(tmp_path):
    """Return two folders, of ten and of four images."""
    for name, count in (("many", 10), ("few", 4)):
        (tmp_path / name).mkdir()
        for i in range(count):
            (tmp_path / name / f"{i}.png").touch()
    return [str(tmp_path / "many"), str(tmp_path / "few")]


def test_images_are_spread_over_folders(folders):
    chosen = choose_images(folders, 5)
    assert [image.rpartition("/")[2] for image in chosen] == [
        "1.png",
        "5.png",
        "8.png",
        "1.png",
        "3.png",
    ]


def test_without_a_folder_images_are_shipped_ones():
    assert len(choose_images([], 12)) == 12


def test_empty_folder_is_explained(tmp_path):
    with pytest.raises(StackError, match="expected a folder with images, found none"):
        choose_images([str(tmp_path)], 3)


def test_levels_advance_together():
    cases = stack_cases(Options(levels=("low", "high"), per_level=1, targets=1))
    image = cases[0].image
    assert [case.name for case in cases] == [
        f"{image}, low", f"{image}, high", "coded target 0, low", "coded target 0, high",
    ]  # fmt: skip


def test_a_case_is_always_the_same_stack():
    case = Case("camera", "low", 3, 3, 64)
    first, second = (simulate_case(case)[0].stack.frames for _ in range(2))
    assert np.array_equal(first, second)


def test_only_a_coded_target_has_a_layout():
    assert simulate_case(Case("camera", "low", 0, 2, 64))[1] is None
    assert simulate_case(Case("coded target 0", "low", 0, 2, 64))[1] is not None
