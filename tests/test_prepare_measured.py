"""What a network sees does not hold what was not measured, nor what lies outside of frames."""

from dataclasses import replace

import torch
from simulated import after

from burst.network.inputs import prepare
from burst.network.preparation import Preparation

PLANES = ("sharp", "middle", "dull", "lucky", "spread")


def test_values_that_were_not_measured_are_not_seen():
    burst = after("deconvolve")
    valid = torch.ones(burst.linear.shape, dtype=torch.bool)
    valid[::4, :80] = False
    spoilt = replace(burst, linear=torch.where(valid, burst.linear, 9.0), valid=valid)
    preparation = Preparation(evidence=PLANES)
    seen, clean = prepare(spoilt, preparation).planes, prepare(burst, preparation).planes
    inside = (..., slice(8, -8), slice(8, -8))
    assert float((seen - clean)[inside].abs().max()) < 0.3
    assert float((seen - clean)[inside].square().mean().sqrt()) < 0.02


def test_all_measured_is_seen_as_before_within_the_frames():
    burst = after("deconvolve")
    everything = torch.ones((), dtype=torch.bool).expand(burst.linear.shape)
    preparation = Preparation(evidence=PLANES)
    seen = prepare(replace(burst, valid=everything), preparation).planes
    clean = prepare(replace(burst, valid=None), preparation).planes
    inside = (..., slice(12, -12), slice(12, -12))
    torch.testing.assert_close(seen[inside], clean[inside], atol=1e-4, rtol=1e-4)
