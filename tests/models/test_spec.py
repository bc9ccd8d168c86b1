"""A specification that cannot be built is refused where it is written."""

import pytest

from burst.models.spec import RestorerSpec


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"evidence": 0}, "expected evidence from 1 to 1024, found 0"),
        ({"width": 5000}, "expected width from 1 to 1024, found 5000"),
        ({"depths": ()}, "expected number of depths from 1 to 6, found 0"),
        ({"depths": (1, 100)}, "expected depths from 0 to 64, found 100"),
        ({"width": 48, "head_width": 32}, "a width that head_width 32 divides, found 48"),
        ({"prior": "none", "teacher": True}, "expected a prior for a teacher to give"),
    ],
)
def test_what_cannot_be_built_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        RestorerSpec(**{"evidence": 3, "scalars": 2, **changes})


def test_each_level_doubles_what_the_size_is_a_multiple_of():
    assert [RestorerSpec(3, 2, depths=(1,) * n).multiple for n in (1, 2, 3)] == [2, 4, 8]


def test_a_grid_has_sixteen_priors_and_a_vector_one():
    assert RestorerSpec(3, 2, prior="grid").tokens == 16
    assert RestorerSpec(3, 2, prior="vector").tokens == 1
