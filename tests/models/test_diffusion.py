"""Diffusion of a prior, from noise back."""

import pytest
import torch

from burst.models.diffusion import Denoiser, betas, kept_signal, sample


def test_schedule_is_that_of_diffir():
    assert betas(4) == pytest.approx([0.1, 0.294, 0.591, 0.99], abs=5e-4)
    assert kept_signal(4) == pytest.approx([1, 0.9, 0.635, 0.260, 0.0026], abs=5e-4)


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_diffusion_of_a_known_prior_returns_it(steps):
    prior, noise = torch.randn(3, 16, 8), torch.randn(3, 16, 8)
    found = sample(lambda condition, time, z: prior, prior, noise, steps)
    torch.testing.assert_close(found, prior)


def test_steps_go_from_noise_to_the_prior():
    times = []

    def predict(condition, time, noisy):
        times.append(time)
        return condition

    sample(predict, torch.zeros(1, 1, 2), torch.ones(1, 1, 2), 4)
    assert times == [1.0, 0.75, 0.5, 0.25]


def test_a_step_back_is_the_posterior_mean():
    seen = []

    def predict(condition, time, noisy):
        seen.append(noisy)
        return torch.full_like(noisy, 2.0)

    sample(predict, torch.zeros(1, 1, 1), torch.full((1, 1, 1), 5.0), 2)
    beta, (_, one, two) = betas(2)[1], kept_signal(2)
    mean = (beta * one**0.5 * 2 + (1 - one) * (1 - beta) ** 0.5 * 5) / (1 - two)
    assert float(seen[1]) == pytest.approx(mean)


def test_denoiser_sees_condition_time_and_noise():
    torch.manual_seed(0)
    denoiser, a, b = Denoiser(8), torch.randn(2, 1, 8), torch.randn(2, 1, 8)
    first = denoiser(a, 0.5, b)
    assert first.shape == (2, 1, 8)
    assert not torch.allclose(first, denoiser(b, 0.5, b))
    assert not torch.allclose(first, denoiser(a, 1.0, b))
    assert not torch.allclose(first, denoiser(a, 0.5, a))
