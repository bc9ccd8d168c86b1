"""Opens the page in a real browser, where one is installed, and uses it as a person does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Page, needs_browser

from burst.records import Burst, Provenance
from burst.report.write import write_report

pytestmark = needs_browser


@pytest.fixture
def page(tmp_path: Path, burst: Burst, provenance: Provenance) -> Iterator[Page]:
    path = write_report(tmp_path / "out", burst, provenance)[1]
    page = Page(tmp_path / "profile")
    try:
        page.open(path.as_uri())
        yield page
    finally:
        page.close()


def test_the_page_can_be_used(page: Page) -> None:
    assert page.complaints == []
    _slider_moves_by_keyboard(page)
    _slider_moves_by_dragging_over_the_picture(page)
    _another_before_can_be_chosen(page)
    _pictures_can_be_enlarged(page)
    _page_fits_a_narrow_window(page)
    assert page.complaints == []


def _cut(page: Page) -> str:
    return str(page.script("getComputedStyle(document.querySelector('.after')).clipPath"))


def _slider_moves_by_keyboard(page: Page) -> None:
    assert _cut(page) == "inset(0px 0px 0px 50%)"
    page.script("document.getElementById('divider').focus()")
    page.press("ArrowRight")
    assert _cut(page) == "inset(0px 0px 0px 50.5%)"
    page.press("Home")
    assert _cut(page) == "inset(0px 0px 0px 0%)"
    page.press("End")
    assert _cut(page) == "inset(0px 0px 0px 100%)"


def _slider_moves_by_dragging_over_the_picture(page: Page) -> None:
    page.script("document.querySelector('.sheet').scrollIntoView()")
    box = page.script("document.querySelector('.sheet').getBoundingClientRect().toJSON()")
    y = box["top"] + 20
    page.mouse("mousePressed", box["left"] + 0.2 * box["width"], y)
    page.mouse("mouseMoved", box["left"] + 0.25 * box["width"], y)
    page.mouse("mouseReleased", box["left"] + 0.25 * box["width"], y)
    assert float(page.script("document.getElementById('divider').value")) == pytest.approx(
        25, abs=1
    )
    assert _cut(page) == f"inset(0px 0px 0px {page.script('divider.value')}%)"


def _another_before_can_be_chosen(page: Page) -> None:
    page.script("document.querySelector('input[value=mean]').click()")
    figures = "[...document.querySelectorAll('.before')]"
    assert page.script(f"{figures}.map(f => f.offsetWidth > 0)") == [False, True, False]


def _pictures_can_be_enlarged(page: Page) -> None:
    width = "document.querySelector('.after img').getBoundingClientRect().width"
    before = page.script(width)
    page.script("document.querySelector('input[name=zoom][value=\"4\"]').click()")
    assert page.script(width) == pytest.approx(4 * before, rel=0.05)  # less two scroll bars


def _page_fits_a_narrow_window(page: Page) -> None:
    page.tell(
        "Emulation.setDeviceMetricsOverride",
        width=360,
        height=700,
        deviceScaleFactor=1,
        mobile=True,
    )
    assert page.script("document.documentElement.scrollWidth") == 360


def test_the_way_back_is_shown_to_who_came_that_way(
    tmp_path: Path, burst: Burst, provenance: Provenance
) -> None:
    path = write_report(tmp_path / "out", burst, provenance)[1]
    page = Page(tmp_path / "profile")
    try:
        for come_from, hidden in (("", True), ("#overview", False)):
            page.open(path.as_uri() + come_from)
            assert page.script("document.getElementById('back').hidden") is hidden
        assert page.script("document.getElementById('back').href").endswith("/overview.html")
    finally:
        page.close()
