from __future__ import annotations

import math
import re

import numpy as np
import pytest

from burst.report.frames import series
from burst.report.plot import Area, Drawing, Line, Map, Plot, Points, arrows, horizontal, vertical
from burst.report.svg import HEIGHT, WIDTH, to_svg


def svg(*marks: Line | Points | Area | Map, **options: object) -> str:
    plot = Plot(marks, "x", "y", **options)  # type: ignore[arg-type]
    return to_svg(Drawing("line", "A line", "It rises.", 'A "rising" line', (plot,)))


def drawn(text: str) -> np.ndarray:
    """Return the points (x, y) of all lines that are thicker than the grid."""
    paths = re.findall(r'<path d="([^"]*)" fill="none"', text)
    return np.array([list(map(float, p)) for p in re.findall(r"[ML]([\d.]+) ([\d.]+)", str(paths))])


def labels(text: str) -> list[str]:
    return re.findall(r">([^<>]+)</text>", text)


def test_a_plot_takes_its_colours_from_the_page() -> None:
    text = svg(Line([0, 1], [0, 1], label="all"))
    assert "var(--accent)" in text
    assert "#" not in text


def test_the_same_plot_gives_the_same_svg() -> None:
    assert svg(Line([0, 1], [0, 1])) == svg(Line([0, 1], [0, 1]))


def test_words_are_escaped() -> None:
    text = svg(Line([0, 1], [0, 1], label="a < b"))
    assert 'aria-label="A &quot;rising&quot; line"' in text
    assert "a &lt; b" in text


def test_a_rising_line_rises_within_the_drawing() -> None:
    (x0, y0), (x1, y1) = drawn(svg(Line([-3, 5], [1e4, 2e4])))
    assert 0 < x0 < x1 < WIDTH
    assert HEIGHT > y0 > y1 > 0


def test_limits_may_run_downwards() -> None:
    (_, y0), (_, y1) = drawn(svg(Line([0, 1], [0, 10]), y_limits=(10, 0)))
    assert y0 < y1


def test_lines_are_interrupted_where_nothing_is_known() -> None:
    text = svg(Line([0, 1, 2, 3, 4], [0, 1, math.nan, 1, 0]))
    (path,) = re.findall(r'<path d="([^"]*)" fill="none"', text)
    assert path.count("M") == 2


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1], ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        ([-20, 60], ["-20", "0", "20", "40", "60"]),
        ([0, 3e-5], ["0", "1", "2", "3", "y (10⁻⁵)"]),
        ([2e7, 6e7], ["2", "3", "4", "5", "6", "y (10⁷)"]),
        ([7, 7], ["6.6", "6.8", "7", "7.2", "7.4"]),
    ],
)
def test_ticks_are_round_numbers(values: list[float], expected: list[str]) -> None:
    found = labels(svg(Line([0, 100], values)))
    down = found[: found.index(next(text for text in found if text.startswith("y")))]
    assert [*down, *(text for text in found if text.startswith("y ("))] == expected


def test_lines_through_the_whole_plot_do_not_change_its_limits() -> None:
    line = Line([2, 4], [10, 20])
    marked = svg(horizontal(12), vertical(3), line)
    assert labels(marked) == labels(svg(line))
    assert np.isfinite(drawn(marked)).all()


def test_maps_have_square_pixels_and_no_ids() -> None:
    text = svg(Map(np.eye(10), 1, (0, 20), (10, 0)), square=True)
    sides = re.search(r'width="([\d.]+)" height="([\d.]+)"', text)
    assert sides is not None
    width, height = map(float, sides.groups())
    assert width == pytest.approx(2 * height, abs=0.2)
    assert "id=" not in text


def test_arrows_end_where_they_point() -> None:
    line = arrows(np.array([1.0]), np.array([2.0]), np.array([[3.0], [-1.0]]))
    assert (np.asarray(line.x)[1], np.asarray(line.y)[1]) == (4.0, 1.0)


def test_nothing_known_is_an_empty_plot() -> None:
    assert "nan" not in svg(Points([math.nan], [math.nan]), Line([], []))


def test_series_are_known_only_if_all_of_them_are() -> None:
    numbers = {"x": [1, None], "y": [1.0, 2.0], "short": [1], "unknown": [None, None]}
    assert series(numbers, "x", "y") is not None
    for other in ("short", "unknown", "missing"):
        assert series(numbers, "y", other) is None
