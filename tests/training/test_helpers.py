"""What comes from timm: the schedule, the running average; and torchvision made importable."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from burst.settings import ConfigError
from burst.training.helpers import TICKS, make_average, make_scheduler, prepare_torchvision


def test_torchvision_can_be_imported_afterwards():
    program = (
        "import burst.training.helpers as h; h.prepare_torchvision(); import torchvision, timm"
    )
    subprocess.run([sys.executable, "-W", "error::RuntimeWarning", "-c", program], check=True)


def test_preparing_twice_says_the_same():
    assert prepare_torchvision() == prepare_torchvision()


def test_rate_rises_then_falls_along_a_cosine():
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make_scheduler(optimizer, warm_up=0.1)
    rates = []
    for share in (0.0, 0.05, 0.1, 0.5, 0.999):
        scheduler.step_update(TICKS * share)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(0.01)
    assert rates[0] < rates[1] < rates[2]
    assert rates[2] > rates[3] > rates[4]
    assert rates[3] == pytest.approx(0.505)


def test_average_follows_the_weights():
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = make_average(model, 0.9)
    nn.init.ones_(model.weight)
    for step in range(2, 200):
        average.update(model, step=step)
    assert float(average.module.weight.detach()) == pytest.approx(1, abs=0.01)
    assert average.module is not model


def test_missing_timm_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setitem(sys.modules, "timm.utils", None)
    with pytest.raises(ConfigError, match=r"pip install 'burst-restoration\[train\]'"):
        make_average(nn.Linear(1, 1), 0.9)
