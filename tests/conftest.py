"""Fixtures that several folders of tests share."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import torch
from rolled import recording
from toys import TOY_STAGES

import burst.stages
from burst.records import Shutter


@pytest.fixture
def toy_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pipelines name the toy stages."""
    monkeypatch.setattr(burst.stages, "__path__", [*burst.stages.__path__, str(TOY_STAGES)])


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """Undo what a command did to its process: sums, and so bytes, depend on the number of threads,
    and files that a test leaves open shall be found in that test."""
    threads, garbage = torch.get_num_threads(), gc.get_threshold()
    yield
    torch.set_num_threads(threads)
    gc.set_threshold(*garbage)


@pytest.fixture
def pair_folder(tmp_path: Path) -> Path:
    """Return a folder of two recorded dual reversed pairs, and nothing else."""
    frames = recording(Shutter.DUAL_REVERSED, frames=4).frames
    (tmp_path / "pairs").mkdir()
    for k, frame in enumerate(frames):
        name = f"{k // 2}_{'b2t' if k % 2 else 't2b'}.png"
        cv2.imwrite(str(tmp_path / "pairs" / name), frame)
    return tmp_path / "pairs"
