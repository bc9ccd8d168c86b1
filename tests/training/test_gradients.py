"""Recorded passes give the gradients of passes that are called; the recorder is a pretend one."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch

from burst.models.restorer import Restorer
from burst.models.spec import RestorerSpec
from burst.training.batches import Batch
from burst.training.gradients import Captured, Eager, make_gradients
from burst.training.losses import Objective, draw_noise
from burst.training.ranks import Ranks
from burst.training.recipe import Training

SPEC = RestorerSpec(evidence=2, scalars=3, width=8, depths=(1, 1), prior_width=8, head_width=8)


def objective():
    torch.manual_seed(0)
    model = Restorer(SPEC)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return Objective(model, None, Training(loss="absolute", prior=0.1))


def batch_of(seed):
    draw = torch.Generator().manual_seed(seed)
    shapes = ((2, 2, 32, 32), (2, 3), (2, 1, 32, 32), (2, 1, 32, 32))
    images = (torch.rand(shape, generator=draw) for shape in shapes)
    return Batch(*images, error=torch.rand(2, 1, 1, 1, generator=draw) + 0.5)


class Graph:
    """Repeats the passes that were made while it recorded."""

    def replay(self):
        eager, given, told = self.work
        torch._foreach_zero_([p.grad for p in eager.objective.parameters() if p.grad is not None])
        for name, value in self.backward(eager, *given).items():
            told[name].data.copy_(value.detach())


@pytest.fixture
def recorder(monkeypatch):
    """Have CUDA's recorder do all again on the CPU."""
    recording, backward = [], Eager.backward

    def watched(self, *given, once=True):
        parts = backward(self, *given, once)
        assert once != bool(recording)
        if recording:
            recording[-1].work, recording[-1].backward = (self, given, parts), backward
        return parts

    @contextmanager
    def graph(made):
        recording.append(made)
        yield
        recording.pop()

    stream = SimpleNamespace(wait_stream=lambda _: None)
    monkeypatch.setattr(Eager, "backward", watched)
    for name, value in {
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": nullcontext,
        "CUDAGraph": Graph,
        "graph": graph,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)


def test_recorded_steps_are_those_that_are_called(recorder):
    def trained(make):
        goal = objective()
        gradients, optimizer = make(Eager(goal, False)), torch.optim.AdamW(goal.parameters(), 1e-2)
        found = []
        for step, source in enumerate(("encoder", "diffusion", "encoder", "diffusion")):
            noise = draw_noise(goal.model, 2, source, torch.Generator().manual_seed(step))
            parts = gradients(batch_of(step), source, noise)
            grads = {n: None if p.grad is None else p.grad.clone() for n, p in
                     goal.named_parameters()}  # fmt: skip
            found.append((float(parts["total"].detach()), grads))
            optimizer.step()
        return found

    called, recorded = trained(lambda eager: eager), trained(Captured)
    for (loss, grads), (again, same) in zip(called, recorded, strict=True):
        assert again == pytest.approx(loss)
        for name, grad in grads.items():
            # A source that was not used leaves its parameters without a gradient.
            assert (grad is None) == (same[name] is None), name
            if grad is not None:
                torch.testing.assert_close(same[name], grad)


def test_only_a_gpu_that_trains_alone_records():
    goal, settings = objective(), Training()
    assert isinstance(make_gradients(goal, Ranks(), settings), Eager)
    assert isinstance(make_gradients(goal, Ranks(device="cuda"), settings), Captured)
    of_several = torch.nn.Sequential(goal)
    assert isinstance(make_gradients(of_several, Ranks(0, 2, "cuda:0"), settings), Eager)
