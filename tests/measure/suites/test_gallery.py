"""Picture sheets show what was compared and stay small."""

from __future__ import annotations

import cv2
import torch

from burst.measure.stacks import Case
from burst.measure.suites.gallery import CAPTION, GAP, draw_sheet, side_by_side
from burst.pipeline import load


def test_pictures_stand_side_by_side():
    grey = torch.full((20, 30), 0.2140)
    sheet = side_by_side([grey, grey, grey, torch.ones(20, 30)])
    assert sheet.shape == (20 + CAPTION, 4 * 30 + 3 * GAP)
    # Linear 0.214 is display 0.5.
    assert abs(int(sheet[CAPTION + 5, 5]) - 128) <= 1
    assert sheet[-1, -1] == 255


def test_sheet_is_written(tmp_path):
    path = draw_sheet(Case("camera", "low", 0, 6, 64), load("classical"), tmp_path)
    assert path.name == "low-camera.jpg"
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape[0] == 64 + CAPTION
