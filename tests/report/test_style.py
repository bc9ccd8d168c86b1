from __future__ import annotations

from matplotlib import rc_context

from burst.report.style import ACCENT, STYLE, Drawing, new_axes, series, to_svg


def drawing(name: str = "line") -> Drawing:
    figure, (axes,) = new_axes()
    axes.plot([0, 1], [0, 1], "o-", color=ACCENT)
    return Drawing(name, "A line", "It rises.", 'A "rising" line', figure)


def test_a_plot_takes_its_colours_from_the_page() -> None:
    with rc_context(STYLE):
        svg = to_svg(drawing())
    assert "var(--accent)" in svg
    assert ACCENT not in svg


def test_the_same_plot_gives_the_same_svg() -> None:
    with rc_context(STYLE):
        assert to_svg(drawing()) == to_svg(drawing())


def test_the_text_for_who_cannot_see_is_escaped() -> None:
    with rc_context(STYLE):
        assert 'aria-label="A &quot;rising&quot; line"' in to_svg(drawing())


def test_series_are_known_only_if_all_of_them_are() -> None:
    numbers = {"x": [1, None], "y": [1.0, 2.0], "short": [1], "unknown": [None, None]}
    assert series(numbers, "x", "y") is not None
    for other in ("short", "unknown", "missing"):
        assert series(numbers, "y", other) is None
