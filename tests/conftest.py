"""Fixtures that several folders of tests share."""

from __future__ import annotations

import pytest
from toys import TOY_STAGES

import burst.stages


@pytest.fixture
def toy_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pipelines name the toy stages."""
    monkeypatch.setattr(burst.stages, "__path__", [*burst.stages.__path__, str(TOY_STAGES)])
