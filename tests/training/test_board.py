"""What TensorBoard is given."""

from __future__ import annotations

import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from burst.settings import ConfigError
from burst.training.board import TensorBoardLog
from burst.training.order import carry_out


def test_run_shows_curves_pictures_and_priors(make_order):
    order = make_order("student", "training.steps=2", "training.check_every=1")
    carry_out(order, print)
    events = EventAccumulator(str(order.folder / "board")).Reload()
    tags = events.Tags()
    assert {"loss/total", "loss/image", "rate", "prior/prior_std"} <= set(tags["scalars"])
    assert {"psnr low/classical", "psnr high/encoder"} <= set(tags["scalars"])
    assert "low/encoder: classical, network, truth" in tags["images"]
    assert "prior/diffusion high" in tags["histograms"]
    assert [event.step for event in events.Scalars("psnr low/encoder")] == [1, 2]


def test_missing_tensorboard_is_explained(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r"pip install 'burst-restoration\[train\]'"):
        TensorBoardLog(tmp_path, 0)
