"""The blocks: what each does to a pixel, to a patch, and to a prior."""

import pytest
import torch

from burst.models import layers


def features(channels: int = 8, size: int = 12, seed: int = 0) -> torch.Tensor:
    """Return random features [2, channels, size, size]."""
    return torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(seed))


def test_norm_standardises_the_channels_of_each_pixel():
    normal = layers.ChannelNorm(8)(3 * features() + 5)
    torch.testing.assert_close(normal.mean(1), torch.zeros(2, 12, 12), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        normal.var(1, correction=0), torch.ones(2, 12, 12), atol=1e-3, rtol=0
    )


def test_mix_is_a_convolution_of_one_pixel():
    mix = layers.PixelwiseLinear(8, 5)
    kernel = mix.weight[:, :, None, None]
    expected = torch.nn.functional.conv2d(features(), kernel, mix.bias)
    torch.testing.assert_close(mix(features()), expected)


def test_branch_is_a_mix_times_its_factor():
    branch, mix = layers.Branch(8, 8), layers.PixelwiseLinear(8, 8)
    mix.load_state_dict({"weight": branch.weight, "bias": branch.bias})
    torch.testing.assert_close(branch(features()), layers.LAYER_SCALE * mix(features()))


def test_modulation_is_the_identity_at_first_and_without_a_prior():
    modulation = layers.Modulation(8, 6)
    assert torch.equal(modulation(features(), torch.randn(2, 1, 6)), features())
    torch.nn.init.normal_(modulation.linear.weight)
    assert torch.equal(modulation(features(), None), features())
    assert not torch.equal(modulation(features(), torch.randn(2, 1, 6)), features())


def test_one_token_modulates_all_pixels_alike():
    modulation = layers.Modulation(8, 6)
    torch.nn.init.normal_(modulation.linear.weight)
    found = modulation(torch.ones(2, 8, 12, 12), torch.randn(2, 1, 6)).detach()
    assert float((found - found[..., :1, :1]).abs().max()) == 0


def test_a_grid_of_equal_tokens_is_one_token():
    modulation, token = layers.Modulation(8, 6), torch.randn(2, 1, 6)
    torch.nn.init.normal_(modulation.linear.weight)
    one, grid = modulation(features(), token), modulation(features(), token.expand(-1, 16, -1))
    torch.testing.assert_close(grid, one)


def test_a_token_of_a_grid_acts_on_its_own_part():
    modulation, tokens = layers.Modulation(8, 6), torch.zeros(2, 16, 6)
    torch.nn.init.normal_(modulation.linear.weight)
    tokens[:, 3] = 1  # the last of the first row: top right
    change = (modulation(features(size=16), tokens).detach() - features(size=16)).abs().sum(1)
    assert float(change[:, :4, -4:].min()) > 0
    assert float(change[:, 8:].max()) == 0
    assert float(change[:, :, :8].max()) == 0


def test_window_attention_of_a_patch_is_that_of_the_image():
    attention = layers.WindowAttention(8, 6)
    image = features(size=24)
    patch, whole = attention(image[..., :12, :12]), attention(image)
    # Away from the cut, where the maps are interpolated from the same windows.
    torch.testing.assert_close(patch[..., :9, :9], whole[..., :9, :9])


def test_windows_stay_where_they_are_whatever_the_size():
    attention = layers.WindowAttention(8, 6)
    image = features(size=24)
    # 19 px are three windows and a part: those before it must not move.
    cut, whole = attention(image[..., :19, :19]), attention(image)
    torch.testing.assert_close(cut[..., :15, :15], whole[..., :15, :15])


@pytest.mark.parametrize("kind", ["naf", "attention"])
def test_blocks_keep_shape_and_start_near_the_identity(kind):
    torch.manual_seed(0)
    block = layers.NafBlock(8, 6, 6) if kind == "naf" else layers.AttentionBlock(8, 6, head_width=4)
    out = block(features(), torch.randn(2, 1, 6)).detach()
    assert out.shape == features().shape
    assert 0 < float((out - features()).std()) < 0.2


def test_attention_does_not_depend_on_the_size_of_the_image():
    torch.manual_seed(0)
    block = layers.AttentionBlock(8, 6, head_width=4)
    plain = torch.randn(1, 8, 1, 1)
    small, large = (block(plain.expand(-1, -1, s, s), None)[..., s // 2, s // 2] for s in (8, 32))
    torch.testing.assert_close(small, large, atol=0.01, rtol=0)  # but for the borders


def test_up_changes_resolution_and_channels():
    assert layers.up(8)(features()).shape == (2, 4, 24, 24)
