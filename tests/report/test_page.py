from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from burst.records import Burst, Provenance
from burst.report.page import render
from burst.report.summary import summarise


class Elements(HTMLParser):
    """Collects every element of a page as its name and attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture
def page(burst: Burst, provenance: Provenance) -> str:
    return render(summarise(burst, provenance, ["restored.npy"]), burst)


def test_the_page_asks_nothing_of_the_outside(page: str) -> None:
    assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+", page) == []
    for _, attributes in Elements(page).found:
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("data:", "#"))


def test_all_plots_are_there_with_a_text_for_who_cannot_see_them(page: str) -> None:
    plots = [svg for svg in Elements(page).named("svg") if svg.get("role") == "img"]
    assert len(plots) == 8
    assert all(len(plot["aria-label"] or "") > 20 for plot in plots)


def test_every_picture_has_a_text(page: str) -> None:
    assert [bool(image.get("alt")) for image in Elements(page).named("img")] == [True] * 4


def test_no_two_elements_share_an_id(page: str) -> None:
    ids = [attributes["id"] for _, attributes in Elements(page).found if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_warnings_stand_at_the_top_and_are_escaped(page: str) -> None:
    assert "The border is &lt;not&gt; restored." in page[: page.index("<main>")]


def test_settings_and_numbers_of_every_stage_are_shown(page: str) -> None:
    for name in ("noise", "select", "align", "row_motion", "blur", "deconvolve"):
        assert f'<span class="name">{name}</span>' in page
    for text in ("keep", "hot_pixels", "effective_frames", "2.00 s"):
        assert text in page


def test_the_settings_can_be_copied_from_the_page(page: str) -> None:
    assert "stages = [&#34;noise&#34;]" in page
