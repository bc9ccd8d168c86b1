"""The page over many stacks: what it says, and how its table sorts in a real browser."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from browser import Page, needs_browser

from burst.report.overview import StackRow, overview_facts, render_overview

STACKS = 192


def row_of(number: int) -> StackRow:
    """Return the row of a stack; every tenth has no truth."""
    return StackRow(
        name=f"stack{number}",
        report=f"stack{number}/report.html",
        pictures={"before": f"pictures/{number} a.jpg", "after": f"pictures/{number} b.jpg"},
        level=(number % 4, ("low", "medium", "high", "very-high")[number % 4]),
        noise=0.01 * (number * 7 % 50),
        displacement=1.0 + number,
        psnr=None if number % 10 == 0 else 20 + number / 100,
        seconds=4.0,
        warnings=("align: too <fast>",) if number == 3 else (),
    )


def test_failed_stacks_come_first_with_their_reason() -> None:
    rows = [row_of(1), StackRow("bad", failure="bad.npy: expected frames, found <nothing>.")]
    page = render_overview("night", "0.1.0", rows)
    assert page.index("bad.npy: expected frames, found &lt;nothing&gt;.") < page.index("stack1")


def test_facts_count_what_there_is() -> None:
    facts = dict(overview_facts([row_of(1), row_of(3), row_of(10), StackRow("bad", failure="x")]))
    assert facts == {
        "Stacks": "4",
        "Restored": "3",
        "Failed": "1",
        "With warnings": "1",
        "Mean PSNR of 2": "20.02 dB",
        "Time, median": "4.0 s",
    }


def test_unknown_is_a_dash_and_links_are_quoted() -> None:
    page = render_overview("night", "0.1.0", [StackRow("a b", report="a b/report.html")])
    assert page.count("\N{EN DASH}</td>") == 5
    assert 'href="a%20b/report.html#overview"' in page


@needs_browser
def test_page_of_192_stacks_loads_pictures_as_they_are_seen_and_sorts(tmp_path: Path) -> None:
    path = write_page(tmp_path)
    page = Page(tmp_path / "profile")
    try:
        page.open(path.as_uri())
        # What takes time to load is the pictures; how long it takes is the machine's affair.
        assert path.stat().st_size < 1000 * STACKS
        assert page.script("[...document.images].every((image) => image.loading === 'lazy')")
        assert page.script("document.querySelector('img').naturalWidth") > 0
        _known_ascend_and_unknown_stay_last(page)
        assert _sorted(page, "name")[:3] == ["stack0", "stack1", "stack2"]
        assert page.complaints == []
    finally:
        page.close()


def write_page(folder: Path) -> Path:
    """Write a page of all stacks with pictures that exist."""
    (folder / "pictures").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (160, 160), np.uint8)
    picture = cv2.imencode(".jpg", noise)[1].tobytes()
    for number in range(STACKS):
        for side in "ab":
            (folder / f"pictures/{number} {side}.jpg").write_bytes(picture)
    rows = [row_of(number) for number in range(STACKS)]
    path = folder / "overview.html"
    path.write_text(render_overview("night", "0.1.0", rows), "utf-8")
    return path


def _known_ascend_and_unknown_stay_last(page: Page) -> None:
    unknown = [f"stack{number}" for number in range(0, STACKS, 10)]
    up, down = _sorted(page, "psnr"), _sorted(page, "psnr")
    assert (up[0], down[0]) == ("stack1", "stack191")
    assert up[-len(unknown) :] == down[-len(unknown) :] == unknown
    assert page.script("document.querySelector('[data-column=psnr]').ariaSort") == "descending"


def _sorted(page: Page, column: str) -> list[str]:
    """Click a heading and return the names from top to bottom."""
    page.script(f"document.querySelector('thead [data-column={column}] button').click()")
    names = "[...document.querySelectorAll('tbody th')].map((name) => name.textContent)"
    return list(page.script(names))


@needs_browser
def test_page_is_read_on_a_phone_without_scrolling_sideways(tmp_path: Path) -> None:
    path = write_page(tmp_path)
    page = Page(tmp_path / "profile")
    try:
        page.open(path.as_uri())
        page.tell(
            "Emulation.setDeviceMetricsOverride",
            width=390, height=844, deviceScaleFactor=1, mobile=True,
        )  # fmt: skip
        assert page.script("document.documentElement.scrollWidth") == 390
        # All that a row says lies within the window, and headings still sort.
        ends = "[...document.querySelectorAll('td')].map((td) => td.getBoundingClientRect().right)"
        assert page.script(f"Math.max(...{ends})") <= 390
        assert _sorted(page, "name")[:2] == ["stack0", "stack1"]
    finally:
        page.close()
