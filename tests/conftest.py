"""Fixtures that several folders of tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from toys import TOY_STAGES

import burst.stages


@pytest.fixture
def toy_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pipelines name the toy stages."""
    monkeypatch.setattr(burst.stages, "__path__", [*burst.stages.__path__, str(TOY_STAGES)])


@pytest.fixture(autouse=True)
def as_many_threads_as_before() -> Iterator[None]:
    """Undo what a command did to the number of threads: sums, and so bytes, depend on it."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
