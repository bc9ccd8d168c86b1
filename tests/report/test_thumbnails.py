"""Small pictures come out of a page that `write_report` wrote, so the two must agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from burst.records import Burst, Provenance
from burst.report.thumbnails import LONGEST_SIDE, thumbnails
from burst.report.write import write_report


def test_before_and_after_are_those_of_the_page(
    tmp_path: Path, burst: Burst, provenance: Provenance
) -> None:
    found = thumbnails(write_report(tmp_path, burst, provenance)[1].read_text("utf-8"))
    pixels = {name: _decode(data) for name, data in found.items()}
    assert {name: p.shape for name, p in pixels.items()} == {"before": (40, 48), "after": (40, 48)}
    # The first frame is noise; the mean of eight frames is calmer.
    assert pixels["before"].std() > pixels["after"].std()


def test_large_pictures_are_reduced(tmp_path: Path, burst: Burst, provenance: Provenance) -> None:
    large = np.zeros((300, 420), np.float32)
    page = write_report(tmp_path, burst, provenance, large)[1].read_text("utf-8")
    assert max(_decode(thumbnails(page)["after"]).shape) == LONGEST_SIDE


def test_page_of_one_picture_has_none(tmp_path: Path, burst: Burst, provenance: Provenance) -> None:
    unfinished = replace(burst, linear=None, merged=None, image=None)
    page = write_report(tmp_path, unfinished, provenance)[1].read_text("utf-8")
    assert thumbnails(page) == {}


def _decode(data: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
