"""What a file and what others say of a camera's readout."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from burst.clips.cameras import logged_readout, published_readout, stated_readout


def test_a_tag_in_microseconds_states_the_readout() -> None:
    tags = {"com.apple.quicktime.camera.framereadouttimeinmicroseconds": "8345"}
    found = stated_readout(tags)
    assert found is not None
    assert found.readout == pytest.approx(0.008345)
    assert stated_readout({"model": "iPhone"}) is None


def test_a_camera_is_known_by_its_model_and_rows() -> None:
    tags = {"com.apple.quicktime.model": "iPhone 5", "com.apple.quicktime.make": "Apple"}
    found = published_readout(tags, 1080)
    assert found is not None
    assert found.readout == pytest.approx(0.0274)
    assert published_readout(tags, 720) is None
    assert published_readout({"com.apple.quicktime.model": "iPhone 5s"}, 1080) is None
    assert published_readout({"title": "iPhone 5"}, 1080) is None


def test_logs_of_a_camera_are_read_where_the_package_is(monkeypatch: pytest.MonkeyPatch) -> None:
    log = [{"Imager": {"FrameReadoutTime": {"value": 15.4}}}]
    parser = SimpleNamespace(telemetry=lambda: log, model="A1", camera="Sony")
    module = SimpleNamespace(Parser=lambda path: parser)
    monkeypatch.setitem(sys.modules, "telemetry_parser", module)
    found = logged_readout(Path("clip.mp4"))
    assert found is not None
    assert found.readout == pytest.approx(0.0154)
    monkeypatch.setitem(sys.modules, "telemetry_parser", None)
    assert logged_readout(Path("clip.mp4")) is None
