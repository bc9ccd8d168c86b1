"""What a network is given: each plane is what it says, and the encoding can be undone."""

from dataclasses import replace

import pytest
import torch
from simulated import after, rms, truth_of

from burst.network.inputs import (
    LARGEST_SPREAD,
    decode,
    encode,
    group_shares,
    measured_scalars,
    prepare,
    restore,
    slope,
)
from burst.network.preparation import EVIDENCE, SCALARS, STANDARD, Preparation
from burst.ops.metrics import psnr
from burst.records import NoiseModel, NotGivenError, Report

LINEAR = torch.tensor([-0.7, -0.01, 0.0, 1e-6, 0.001, 0.18, 1.0, 3.0])


def plane(name: str, level: str = "medium") -> torch.Tensor:
    """Return one plane of the 192x192 stack of a level."""
    return prepare(after("deconvolve", level), Preparation((name,))).planes[0]


def test_decoding_inverts_encoding_everywhere():
    for scale in (0.01, 1.0, 40.0):
        torch.testing.assert_close(decode(encode(LINEAR, scale), scale), LINEAR)


def test_curve_is_odd_rises_and_maps_scale_to_one():
    assert torch.equal(encode(-LINEAR, 0.5), -encode(LINEAR, 0.5))
    assert bool((encode(LINEAR, 0.5).diff() > 0).all())
    assert float(encode(torch.tensor(0.37), 0.37)) == pytest.approx(1)


def test_slope_is_the_derivative():
    linear = LINEAR.double().requires_grad_()
    encode(linear, 0.3).sum().backward()
    torch.testing.assert_close(slope(LINEAR, 0.3).double(), linear.grad, rtol=1e-5, atol=0)


def test_curve_makes_shot_noise_alike():
    draw = torch.Generator().manual_seed(0)
    spreads = []
    for level in (0.1, 0.8):
        noisy = level + 0.01 * level**0.5 * torch.randn(10_000, generator=draw)
        spreads.append(float(encode(noisy, 1.0).std()))
    assert spreads[0] == pytest.approx(spreads[1], rel=0.15)


def test_restoring_the_base_gives_the_classical_result():
    burst = after("deconvolve")
    evidence = prepare(burst, Preparation(("merged",)))
    torch.testing.assert_close(restore(evidence.base, evidence), burst.image, atol=1e-6, rtol=1e-5)


def test_planes_come_in_the_order_of_the_preparation():
    burst = after("deconvolve")
    whole = prepare(burst, Preparation())
    assert whole.planes.shape == (len(EVIDENCE), 192, 192)
    assert whole.planes.dtype == whole.scalars.dtype == whole.base.dtype == torch.float32
    some = prepare(burst, Preparation(("noise", "merged", "lucky"), ("frames", "noise")))
    for found, name in zip(some.planes, ("noise", "merged", "lucky"), strict=True):
        assert torch.equal(found, whole.planes[EVIDENCE.index(name)]), name
    assert some.scalars.tolist() == [
        float(whole.scalars[SCALARS.index(name)]) for name in ("frames", "noise")
    ]


def test_the_same_burst_gives_the_same_bytes():
    one, two = (prepare(after("deconvolve"), Preparation()) for _ in range(2))
    assert torch.equal(one.planes, two.planes)
    assert torch.equal(one.scalars, two.scalars)


def test_only_the_planes_that_are_named_are_made():
    burst = after("deconvolve")
    bare = replace(burst, linear=None, flow=None, tile_sharpness=None)
    planes = prepare(bare, Preparation(("merged", "restored", "noise"))).planes
    assert bool(planes.isfinite().all())


def test_brightness_is_taken_out():
    burst = after("deconvolve")
    dark = replace(
        burst,
        linear=burst.linear / 4,
        merged=burst.merged / 4,
        image=burst.image / 4,
        noise=NoiseModel(burst.noise.shot / 4, burst.noise.read / 16),
    )
    names = Preparation(("merged", "restored", "noise"))
    torch.testing.assert_close(
        prepare(dark, names).planes, prepare(burst, names).planes, atol=1e-5, rtol=1e-4
    )


def test_merged_and_restored_are_those_of_the_burst():
    burst = after("deconvolve")
    evidence = prepare(burst, Preparation(("merged", "restored")))
    for found, expected in zip(evidence.planes, (burst.merged, burst.image), strict=True):
        torch.testing.assert_close(restore(found, evidence), expected, atol=1e-6, rtol=1e-5)


def test_a_softer_image_has_less_detail_than_a_harder_one():
    detail = [rms(plane(name, "high").diff(dim=1)) for name in ("soft", "hard")]
    assert detail[0] < 0.9 * detail[1]


@pytest.mark.parametrize("level", ["medium", "high"])
def test_sharper_groups_are_closer_to_the_scene(level):
    scene = truth_of(level).scene
    evidence = prepare(after("deconvolve", level), Preparation(("sharp", "middle", "dull")))
    found = [psnr(restore(p, evidence), scene) for p in evidence.planes]
    assert found == sorted(found, reverse=True)


def test_groups_are_as_dark_as_the_merged_image_where_the_sensor_clips():
    burst = after("deconvolve", "very-high")
    evidence = prepare(burst, Preparation(("merged", "sharp", "middle", "dull", "lucky")))
    merged, *groups = (restore(p, evidence) for p in evidence.planes)
    dark = merged < merged.quantile(0.2)
    found = [float(group[dark].mean()) for group in groups]
    assert found == pytest.approx([float(merged[dark].mean())] * 4, abs=0.006)


def test_spread_shows_what_noise_does_not_explain():
    burst = after("deconvolve")
    still = rms(plane("spread"))
    linear = burst.linear.clone()
    linear[::2, 60:90, 60:90] += 0.2
    moving = replace(burst, linear=linear)
    spread = prepare(moving, Preparation(("spread",))).planes[0]
    assert rms(spread[70:80, 70:80]) > 0.1 > 5 * still
    assert float(spread.max()) <= LARGEST_SPREAD


def test_noise_is_that_of_the_merged_image():
    burst = after("deconvolve", "high")
    frames = float(burst.weights.sum() ** 2 / burst.weights.square().sum())
    middle = burst.merged.median()
    expected = burst.noise.std(float(middle)) / frames**0.5
    scale = prepare(burst, Preparation(("noise",))).scale
    place = (burst.merged == middle).nonzero()[0].tolist()
    found = plane("noise", "high")[place[0], place[1]]
    assert float(found) == pytest.approx(expected * float(slope(middle, scale)), rel=1e-3)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_groups_are_never_empty_and_their_shares_sum_to_one(count):
    tiles = torch.rand(count, 2, 3, generator=torch.Generator().manual_seed(0))
    shares = group_shares(tiles, ("sharp", "middle", "dull", "lucky"))
    torch.testing.assert_close(shares.sum(0), torch.ones(4, 2, 3))


def test_thirds_part_the_frames_by_sharpness():
    tiles = torch.arange(9.0)[:, None, None]
    shares = group_shares(tiles, ("sharp", "middle", "dull", "lucky"))[..., 0, 0].T > 0
    members = [group.nonzero()[:, 0].tolist() for group in shares]
    assert members == [[6, 7, 8], [3, 4, 5], [0, 1, 2], [8]]


def test_dropped_frames_are_in_no_group():
    burst = after("deconvolve")
    weights = burst.weights.clone()
    weights[5] = 0
    expected = prepare(replace(burst, weights=weights), Preparation()).planes
    linear = burst.linear.clone()
    linear[5] = 0.9
    found = prepare(replace(burst, weights=weights, linear=linear), Preparation()).planes
    assert torch.equal(found, expected)


@pytest.mark.parametrize("level", ["low", "medium", "high", "very-high"])
def test_scalars_are_of_the_order_of_one(level):
    scalars = prepare(after("deconvolve", level), Preparation(("merged",))).scalars
    assert scalars.shape == (len(SCALARS),)
    assert float(scalars.abs().max()) < 3


def test_scalars_grow_with_what_they_measure():
    mild, hard = (
        dict(zip(SCALARS, prepare(after("deconvolve", level), Preparation(("merged",))).scalars,
                 strict=True))
        for level in ("low", "very-high")
    )  # fmt: skip
    for name in ("noise", "shot", "read", "psf_sigma", "displacement", "strength"):
        assert hard[name] > mild[name], name


def test_more_frames_than_any_network_has_seen_are_told_by_their_noise():
    burst = after("deconvolve")
    many, most = (
        measured_scalars(
            replace(burst, merging=replace(burst.merging, effective_frames=count)), 1.0
        )["frames"]
        for count in (5000.0, 100.0)
    )
    assert many == most < 2


def test_where_no_stage_told_row_motion_apart_it_is_neutral():
    scalars = measured_scalars(replace(after("deconvolve"), row_motion=None), 1.0)
    assert scalars["row_motion"] == 0
    assert set(scalars) == set(STANDARD)


@pytest.mark.parametrize(
    "field", ["noise", "psf", "level", "alignment", "turbulence", "merging", "merged"]
)
def test_what_a_stage_has_not_found_never_reaches_the_network_as_nothing(field):
    with pytest.raises(NotGivenError):
        measured_scalars(replace(after("deconvolve"), **{field: None}), 1.0)


def test_what_the_report_says_does_not_reach_the_network():
    burst = after("deconvolve")
    found = prepare(replace(burst, report=Report()), Preparation())
    expected = prepare(burst, Preparation())
    assert torch.equal(found.scalars, expected.scalars)
    assert torch.equal(found.planes, expected.planes)


@pytest.mark.parametrize(
    ("planes", "scalars", "words"),
    [
        (("merged", "median"), (), "evidence: expected some of merged, .*, each once, found"),
        (("merged", "merged"), (), "evidence: expected some of"),
        (("merged",), ("iso",), "scalars: expected some of noise"),
        ((), (), "evidence: expected at least one plane"),
    ],
)
def test_unknown_planes_and_scalars_are_refused(planes, scalars, words):
    with pytest.raises(ValueError, match=words):
        Preparation(planes, scalars)
