"""Words are read from boards, sharp ones better than blurred ones, and mistakes are told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from burst.measure import ocr
from burst.measure.ocr import find_tesseract, similarity
from burst.measure.results import PeerError
from burst.measure.suites.boards import (
    board_table,
    read_boards,
    read_truth,
)
from burst.records import StackError

BOARDS = Path(__file__).parents[2].parent / "shared/data/turbulence"
WORDS = ["washer", "boxing", "model"]

needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None, reason="tesseract is not installed"
)


def mean_of(stack) -> torch.Tensor:
    return torch.from_numpy(stack.frames.mean(0) / stack.sensor.white_level).float()


@pytest.fixture
def board(tmp_path):
    """Return a folder with two frames of three words, askew and of little contrast."""
    page = np.full((240, 240), 120, np.uint8)
    for line, word in enumerate(WORDS):
        place = (40, 80 + 50 * line)
        cv2.putText(page, word, place, cv2.FONT_HERSHEY_SIMPLEX, 1.2, 90, 2, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((120, 120), 4, 1)
    page = cv2.warpAffine(page, turn, (240, 240), borderMode=cv2.BORDER_REPLICATE)
    for name in ("0.png", "1.png"):
        cv2.imwrite(str(tmp_path / name), page)
    (tmp_path / "words.json").write_text(json.dumps({"words": WORDS}))
    return tmp_path


@pytest.fixture
def few_readings(monkeypatch):
    """Read at one scale and one rotation, which is enough for the drawn board."""
    monkeypatch.setattr(ocr, "SIDES", (340,))
    monkeypatch.setattr(ocr, "ANGLES", (4.0,))


@needs_tesseract
@pytest.mark.usefixtures("few_readings")
def test_sharp_board_is_read_and_a_blurred_one_is_not(board):
    def blurred(stack) -> torch.Tensor:
        return torch.from_numpy(cv2.GaussianBlur(mean_of(stack).numpy(), (0, 0), 7))

    rows = read_boards(board, {"sharp": mean_of, "blurred": blurred})
    assert [row["method"] for row in rows] == ["sharp", "blurred"]
    assert rows[0]["reading"]["right"] == rows[0]["words"] == 3
    assert rows[0]["reading"]["similarity"] == 1
    assert rows[1]["reading"]["right"] < 3
    assert rows[1]["reading"]["steadiness"] < rows[0]["reading"]["steadiness"]


@needs_tesseract
@pytest.mark.usefixtures("few_readings")
def test_gain_and_offset_do_not_matter(board):
    methods = {"plain": mean_of, "stretched": lambda stack: 3 * mean_of(stack) - 1}
    plain, stretched = read_boards(board, methods)
    assert plain["reading"]["right"] == stretched["reading"]["right"]


@needs_tesseract
def test_peer_without_an_image_reads_nothing(board):
    def refuse(stack) -> torch.Tensor:
        raise PeerError("pss: expected an image, found none.")

    (row,) = read_boards(board, {"pss": refuse})
    assert row["reading"] == {"right": 0, "similarity": 0.0, "steadiness": 0.0}
    assert row["failure"] == "pss: expected an image, found none."


@needs_tesseract
@pytest.mark.skipif(not BOARDS.is_dir(), reason="the real text boards are not here")
def test_words_of_a_real_board_are_read_from_its_plain_mean():
    (row,) = read_boards(BOARDS / "ug2text_panel1", {"mean": mean_of})
    assert row["reading"]["right"] == row["words"] == 5


def test_similarity_takes_the_closest_word_whatever_its_case():
    assert similarity(["model", "burn"], ["Modei", "xy"]) == pytest.approx([0.8, 0])
    assert similarity(["model"], []) == [0]


def test_table_sums_over_boards():
    def row(method, words, right, similarity, steadiness, seconds):
        reading = {"right": right, "similarity": similarity, "steadiness": steadiness}
        return {"method": method, "words": words, "reading": reading, "seconds": seconds}

    rows = [
        row("mean", 5, 3, 0.9, 0.5, 1.0),
        row("burst", 5, 5, 1.0, 0.9, 2.0),
        row("mean", 4, 1, 0.5, 0.3, 3.0),
    ]
    assert board_table(rows).splitlines()[2:] == [
        "| mean | 4 of 9 | 0.700 | 0.400 | 2.0 |",
        "| burst | 5 of 5 | 1.000 | 0.900 | 2.0 |",
    ]


def test_missing_tesseract_is_told(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StackError, match=r"tesseract: expected it on the path, found none\."):
        find_tesseract()


@pytest.mark.parametrize("text", ['{"words": []}', '{"words": [1]}', "{}", "[", None])
def test_folder_that_is_no_board_is_told(tmp_path, text):
    if text is not None:
        (tmp_path / "words.json").write_text(text)
    with pytest.raises(StackError, match=r"words.json: expected .* Write \{\"words\""):
        read_truth(tmp_path)
