"""Sharp frames count for more, frames that spoil the merge for nothing, and the report says why."""

from dataclasses import replace

import pytest
import torch
from scipy.stats import spearmanr
from simulated import after, before, truth_of

from burst.ops.blur.psf import blur
from burst.ops.filters import gaussian_blur
from burst.ops.frames.sharpness import tile_sharpness
from burst.records import Burst, NoiseModel, Selection
from burst.stages import deconvolve
from burst.stages.select import Config, _reasons, run

SILENT = NoiseModel(0.0, 0.0)


def selected(config: Config, burst: Burst | None = None) -> Burst:
    """Return the medium stack, or another burst, after selection."""
    return run(burst or before("select"), config)


def with_frame(place: int, change) -> Burst:
    """Return the medium stack with one frame changed."""
    burst = before("select")
    linear = burst.linear.clone()
    linear[place] = change(linear[place])
    return replace(burst, linear=linear)


@pytest.mark.parametrize(("level", "least"), [("low", 0.8), ("medium", 0.8), ("high", 0.5)])
def test_frames_are_ranked_by_their_true_sharpness(level, least):
    truth = tile_sharpness(truth_of(level).noiseless, SILENT, 32).mean((1, 2))
    found = after("select", level).report.numbers("select")["sharpness"]
    assert spearmanr(truth, found).statistic > least


def test_weights_are_one_on_average_over_the_kept_frames():
    weights = selected(Config(keep=0.5)).weights
    assert len(weights) == 20
    assert float(weights.mean()) == pytest.approx(1)
    assert float(weights.min()) > 0


@pytest.mark.parametrize(("keep", "kept"), [(1.0, 40), (0.5, 20), (0.01, 2)])
def test_a_fraction_of_the_frames_is_kept_at_least_two(keep, kept):
    assert int((selected(Config(keep=keep)).weights > 0).sum()) == kept


def test_the_sharpest_are_kept():
    note = selected(Config(keep=0.25)).report.entries[-1].numbers
    order = torch.tensor(note["sharpness"]).argsort(descending=True)
    assert set(note["kept"]) == set(order[:10].tolist())


def test_every_dropped_frame_has_its_reason():
    note = selected(Config(keep=0.5)).report.entries[-1].numbers
    dropped = set(range(40)) - set(note["kept"])
    assert set(note["reasons"]) == {str(i) for i in dropped}
    assert all("not among the best 20" in reason for reason in note["reasons"].values())


def test_without_emphasis_all_frames_weigh_alike():
    weights = selected(Config(emphasis=0.0)).weights
    torch.testing.assert_close(weights[weights > 0], torch.ones(int((weights > 0).sum())))


def test_emphasis_prefers_the_sharp():
    spread = [float(selected(Config(emphasis=e)).weights.std()) for e in (0.5, 1.0, 2.0)]
    assert spread == sorted(spread)


def test_a_frame_out_of_focus_is_dropped():
    kernel = torch.ones(15, 15) / 225
    result = selected(Config(), with_frame(7, lambda frame: blur(frame[None], kernel)[0]))
    assert 7 not in result.kept.tolist()
    assert len(result.linear) == len(result.weights) == len(result.tile_sharpness) == 39
    assert result.report.entries[-1].numbers["weights"][7] == 0
    assert "far below the others" in result.report.entries[-1].numbers["reasons"]["7"]


def test_frames_are_kept_where_noise_or_air_makes_sharpness_differ_by_as_much():
    drawn = torch.randn(1000, 40, generator=torch.Generator().manual_seed(0))
    for spread in (0.1, 0.2, 0.3, 0.6):
        sharpness = (1 + spread * drawn).clamp(min=0)
        dropped = sum(len(_reasons(stack, Config())) for stack in sharpness)
        assert dropped <= 1000 * 40 / 10_000
    clear = 1 + 0.1 * drawn[0]
    clear[7] = 0.3
    assert list(_reasons(clear, Config())) == [7]


def test_a_bright_frame_is_not_taken_for_a_sharp_one():
    # As where no stage has measured gains.
    burst = replace(with_frame(11, lambda frame: frame * 2), gain=None)
    weights = selected(Config(), burst).weights
    as_it_was = selected(Config()).weights
    assert float(weights[11]) == pytest.approx(float(as_it_was[11]), rel=0.2)


def test_tiles_are_relative_to_their_mean_over_the_frames():
    tiles = selected(Config(tile=48)).tile_sharpness
    assert tiles.shape == (40, 4, 4)
    torch.testing.assert_close(tiles.mean(0), torch.ones(4, 4))


def test_frames_that_are_all_alike_are_all_kept():
    burst = before("select")
    alike = burst.linear[:1].expand(8, -1, -1).contiguous()
    alike = replace(burst, linear=alike, kept=torch.arange(8), gain=torch.ones(8))
    assert bool((selected(Config(), alike).weights == 1).all())


def test_each_tile_may_have_frames_of_its_own():
    burst = selected(Config(keep=0.25, per="tile"))
    note = burst.report.entries[-1].numbers
    assert len(burst.weights) == 40
    assert burst.share == 0.25
    assert note["share_of_each_tile"] == pytest.approx(0.25, abs=0.01)
    assert len(note["share_of_tiles"]) == 40
    assert not note["reasons"]


def test_tiles_of_their_own_frames_are_sharper_and_lie_no_worse():
    """Of frames that are each sharp in one half, whole frames are as sharp as any other."""
    clean = after("align").linear
    burst = replace(after("align"), selection=None)
    linear = clean.clone()
    soft = gaussian_blur(clean, 2.0)
    linear[::2, :, :64], linear[1::2, :, 64:] = soft[::2, :, :64], soft[1::2, :, 64:]
    tiles = tile_sharpness(linear, burst.noise, 32)
    burst = replace(burst, linear=linear, tile_sharpness=tiles / tiles.mean(0))
    each = replace(burst, selection=Selection((1.0,) * 40, 0.4))
    config = deconvolve.Config()
    truth = deconvolve._means(replace(burst, linear=clean), config)[0].image
    found, all_frames = (deconvolve._means(b, config)[0].image for b in (each, burst))
    inside = (slice(8, -8), slice(8, -8))
    error, usual = ((image - truth)[inside].std() for image in (found, all_frames))
    assert float(error) < 0.5 * float(usual)
