"""The whole network: shapes, gradients, priors, export."""

from dataclasses import replace

import pytest
import torch
from einops import rearrange
from networks import TINY, lively

from burst.models.restorer import Restorer
from burst.models.spec import GRID, RestorerSpec

VARIANTS = [
    replace(TINY, prior=prior, blocks=blocks)
    for prior in ("none", "vector", "grid")
    for blocks in ("naf", "attention")
]
TEACHER = replace(TINY, teacher=True)


def inputs(spec: RestorerSpec, size: tuple[int, int] = (24, 24), batch: int = 2):
    """Return random evidence [b, e, h, w] and scalars [b, s]."""
    draw = torch.Generator().manual_seed(3)
    evidence = torch.randn(batch, spec.evidence, *size, generator=draw)
    return evidence, torch.randn(batch, spec.scalars, generator=draw)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(32, 32), (27, 31), (3, 5), (1, 1)])
def test_residual_has_the_size_of_the_evidence(channels, size):
    spec = replace(TINY, channels=channels, evidence=2 * channels)
    evidence, scalars = inputs(spec, size)
    assert Restorer(spec)(evidence, scalars).shape == (2, channels, *size)


@pytest.mark.parametrize("spec", VARIANTS, ids=lambda s: f"{s.prior}-{s.blocks}")
def test_residual_is_zero_at_first(spec):
    model, (evidence, scalars) = Restorer(spec), inputs(spec)
    tokens = model.prior(evidence, scalars, "diffusion")
    assert not model(evidence, scalars, tokens).any()


@pytest.mark.parametrize("spec", [*VARIANTS, TEACHER], ids=lambda s: f"{s.prior}-{s.blocks}")
def test_gradients_reach_every_parameter(spec):
    model, (evidence, scalars) = lively(spec), inputs(spec)
    source = "truth" if spec.teacher else "diffusion"
    tokens = model.prior(evidence, scalars, source, truth=evidence[:, :1])
    model(evidence, scalars, tokens).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name


def test_prior_off_is_a_prior_whose_modulation_is_the_identity():
    model, (evidence, scalars) = lively(), inputs(TINY)
    tokens = torch.zeros(2, 1, TINY.prior_width)
    torch.testing.assert_close(model(evidence, scalars, tokens), model(evidence, scalars, None))
    assert not torch.allclose(model(evidence, scalars, tokens + 1), model(evidence, scalars, None))


def test_a_network_without_a_prior_has_none():
    spec = replace(TINY, prior="none")
    model = lively(spec)
    assert model.prior(*inputs(spec), "encoder") is None
    assert model.sources == ()
    assert not any("encoder." in name for name in model.state_dict() if "backbone" not in name)


def test_a_teacher_needs_the_truth_and_a_student_has_no_use_for_it():
    with pytest.raises(ValueError, match="expected the truth for source 'truth', found none"):
        lively(TEACHER).prior(*inputs(TEACHER), "truth")
    with pytest.raises(ValueError, match=r"expected one of .+, found 'truth'"):
        lively().prior(*inputs(TINY), "truth")


def test_teacher_and_student_share_the_backbone():
    Restorer(TINY).backbone.load_state_dict(Restorer(TEACHER).backbone.state_dict())


def test_the_same_noise_gives_the_same_prior():
    model, given = lively(), inputs(TINY)
    one, two, other = (
        model.prior(*given, "diffusion", noise=torch.full((2, TINY.tokens, TINY.prior_width), s))
        for s in (1.0, 1.0, 2.0)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(model.prior(*given, "diffusion"), model.prior(*given, "diffusion"))


def test_result_does_not_depend_on_the_memory_layout():
    model, (evidence, scalars) = lively(), inputs(TINY)
    last = evidence.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(model(last, scalars), model(evidence, scalars))


def test_padding_goes_on_with_what_is_at_the_border():
    model, evidence = lively(), inputs(TINY)[0][..., :1, :1].expand(-1, -1, 28, 28)
    scalars = torch.zeros(2, 1)
    found = model(evidence[..., :25, :27], scalars)
    torch.testing.assert_close(found, model(evidence, scalars)[..., :25, :27])


def test_images_of_a_batch_do_not_see_each_other():
    model, (evidence, scalars) = lively(), inputs(TINY)
    tokens = model.prior(evidence, scalars, "encoder")
    both, first = model(evidence, scalars, tokens), model(evidence[:1], scalars[:1], tokens[:1])
    torch.testing.assert_close(both[:1], first)


def test_an_ensemble_turns_with_the_image():
    model, (evidence, scalars) = lively(), inputs(TINY, (16, 20))
    still = model.predict(evidence, scalars, None, ensemble=8)
    turned = model.predict(torch.rot90(evidence, 1, (-2, -1)), scalars, None, ensemble=8)
    torch.testing.assert_close(turned, torch.rot90(still, 1, (-2, -1)), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(still, model.predict(evidence, scalars, None))


def test_the_prior_of_an_ensemble_is_made_once_and_turns_with_the_image():
    model, (evidence, scalars) = lively(replace(TINY, prior="grid")), inputs(TINY, (16, 20))
    tokens = model.prior(evidence, scalars, "encoder")
    found = []
    for turn in range(4):
        for mirror in (False, True):
            square = torch.rot90(rearrange(tokens, "b (y x) d -> b y x d", y=GRID), turn, (1, 2))
            seen = torch.rot90(evidence, turn, (-2, -1))
            if mirror:
                square, seen = square.flip(2), seen.flip(-1)
            said = model(seen, scalars, rearrange(square, "b y x d -> b (y x) d"))
            found.append(torch.rot90(said.flip(-1) if mirror else said, -turn, (-2, -1)))
    ensemble = model.predict(evidence, scalars, "encoder", ensemble=8)
    torch.testing.assert_close(ensemble, torch.stack(found).mean(0))


@pytest.mark.parametrize("blocks", ["naf", "attention"])
@pytest.mark.parametrize("source", ["encoder", "diffusion"])
def test_it_can_be_exported(blocks, source):
    class Whole(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, evidence, scalars):
            return self.model.predict(evidence, scalars, source)

    spec = replace(TINY, blocks=blocks)
    whole = Whole(lively(spec)).eval()
    given = inputs(spec, (23, 17))
    exported = torch.export.export(whole, given).module()
    torch.testing.assert_close(exported(*given), whole(*given))


def test_the_usual_size_suits_a_processor():
    model = Restorer(RestorerSpec(evidence=10, scalars=9))
    assert 0.5e6 < sum(p.numel() for p in model.parameters()) < 1.0e6
