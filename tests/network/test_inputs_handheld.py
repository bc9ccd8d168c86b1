"""What a network for photographs is given: alike in all channels, as noisy as it is told."""

from __future__ import annotations

from dataclasses import replace

import torch

from burst.data.handheld import WHITE_BALANCE
from burst.network.inputs import decode
from burst.network.inputs_handheld import QUIET, prepare_handheld, restore_handheld, share_of
from burst.network.preparation import HANDHELD_EVIDENCE, Preparation
from burst.records import Sensor

SENSOR = Sensor(cfa="RGGB", white_balance=WHITE_BALANCE)
WHOLE = Preparation(HANDHELD_EVIDENCE, (), "handheld")
BALANCE = torch.tensor(WHITE_BALANCE)[:, None, None]
STD = 0.01


def grey_and_noise():
    """Return a grey image [3, h, w] of a camera's colours, and two draws of its noise."""
    draw = torch.Generator().manual_seed(0)
    light = torch.linspace(0.2, 0.6, 96).expand(3, 64, 96) / BALANCE
    noise, example = (STD / BALANCE * torch.randn(light.shape, generator=draw) for _ in range(2))
    return light, noise, example


def test_the_noise_is_told_as_strong_as_it_is():
    light, noise, example = grey_and_noise()
    found = prepare_handheld(light + noise, light, example, SENSOR, WHOLE)
    for colour in range(3):
        left = found.planes[colour] - found.base[colour]
        told = found.planes[6 + colour]
        assert 0.9 < float((left / told).std()) < 1.1
    # The mean of three colours and nine pixels.
    assert 0.8 < float((found.planes[9] / found.planes[7]).mean()) * 27**0.5 < 1.2


def test_grey_is_alike_in_all_channels_and_comes_back():
    light, noise, example = grey_and_noise()
    found = prepare_handheld(light + noise, light, example, SENSOR, WHOLE)
    torch.testing.assert_close(found.base[0], found.base[2])
    torch.testing.assert_close(restore_handheld(found.base, found, SENSOR), light)
    torch.testing.assert_close(decode(found.planes[:3], found.scale) / BALANCE, light + noise)


def test_where_there_is_little_noise_little_of_a_correction_counts():
    light, noise, example = grey_and_noise()
    for strength, least, most in ((3.0, 0.9, 1.0), (0.01, 0.0, 0.1)):
        found = prepare_handheld(light + noise, light, strength * example, SENSOR, WHOLE)
        share = share_of(found, WHOLE)
        assert least <= float(share.min())
        assert float(share.max()) <= most
        told = found.planes[6:9].square().mean(0)
        torch.testing.assert_close(1 / share - 1, QUIET**2 / told)
    few = Preparation(("merged_green",), (), "handheld")
    assert bool((share_of(replace(found, planes=found.planes[1:2]), few) == 1).all())


def test_only_the_planes_asked_for_are_given():
    light, noise, example = grey_and_noise()
    few = Preparation(("noise_coarse", "merged_green"), (), "handheld")
    whole, some = (
        prepare_handheld(light + noise, light, example, SENSOR, known) for known in (WHOLE, few)
    )
    assert torch.equal(some.planes, whole.planes[[9, 1]])
