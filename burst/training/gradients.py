"""Forward and backward pass of a step: call by call, or as a CUDA graph.

A small network has a thousand small kernels. A GPU runs them in a third of the time that it takes
to launch them one by one, so they are captured once and replayed with new inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import nn

from burst.training.losses import Objective
from burst.training.ranks import Ranks
from burst.training.recipe import Training

WARM_UP = 3  # passes before the capture, in which libraries initialise

Parts = dict[str, torch.Tensor]
# Sets the parameters' gradients for a batch, its source of priors, and the noise that these start
# from, and returns the parts of the loss.
Gradients = Callable[[Any, str | None, torch.Tensor | None], Parts]


def make_gradients(objective: nn.Module, ranks: Ranks, settings: Training) -> Gradients:
    """Return the function for the gradients of an objective: captured graphs on a GPU."""
    if not ranks.on_gpu:
        return Eager(objective, settings.bfloat16)
    eager = Eager(objective, True, "cuda")
    # The rendering of pairs and the communication between processes are not captured.
    return Captured(eager) if isinstance(objective, Objective) else eager


@dataclass(frozen=True)
class Eager:
    """Call by call; `half` computes in 16 bits."""

    objective: nn.Module
    half: bool
    kind: str = "cpu"  # of device

    def __call__(self, batch: Any, source: str | None, noise: torch.Tensor | None) -> Parts:
        """Do as `Gradients` says."""
        for parameter in self.objective.parameters():
            parameter.grad = None
        return self.backward(batch, source, noise)

    def backward(
        self, batch: Any, source: str | None, noise: torch.Tensor | None, once: bool = True
    ) -> Parts:
        """Add gradients to the present ones; with `once` false, weights are cast to 16 bits anew in
        each pass, as a captured graph needs."""
        with torch.autocast(self.kind, torch.bfloat16, enabled=self.half, cache_enabled=once):
            parts: Parts = self.objective(batch, source, noise)
        parts["total"].backward()
        return parts


class Captured:
    """As captured graphs, one for each source of priors; all batches have one shape."""

    def __init__(self, eager: Eager) -> None:
        self.eager = eager
        self.parameters = list(eager.objective.parameters())
        self.recordings: dict[str | None, _CapturedGraph] = {}
        self.gradients: dict[nn.Parameter, torch.Tensor] = {}

    def __call__(self, batch: Any, source: str | None, noise: torch.Tensor | None) -> Parts:
        """Do as `Gradients` says; the parts are overwritten by the next call."""
        if source not in self.recordings:
            self.recordings[source] = self._record(batch, source, noise)
        recording = self.recordings[source]
        recording.copy_in(batch, noise)
        for parameter in self.parameters:
            used = parameter in recording.used
            parameter.grad = self.gradients[parameter] if used else None
        recording.graph.replay()
        return dict(recording.parts)

    def _record(self, batch: Any, source: str | None, noise: torch.Tensor | None) -> _CapturedGraph:
        own = type(batch)(**{f.name: getattr(batch, f.name).clone() for f in fields(batch)})
        started = None if noise is None else noise.to(own.base.device, copy=True)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self.eager(own, source, started)
        torch.cuda.current_stream().wait_stream(stream)
        # Gradients keep their memory, so that all graphs write to the same tensors.
        used = [p for p in self.parameters if p.grad is not None]
        for parameter in used:
            assert parameter.grad is not None
            parameter.grad = self.gradients.setdefault(parameter, parameter.grad)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            torch._foreach_zero_([self.gradients[p] for p in used])
            parts = self.eager.backward(own, source, started, once=False)
        return _CapturedGraph(graph, own, started, frozenset(used), parts)


@dataclass(frozen=True)
class _CapturedGraph:
    """A CUDA graph, the tensors it reads, the parameters it sets gradients of, and its loss."""

    graph: torch.cuda.CUDAGraph
    batch: Any
    noise: torch.Tensor | None
    used: frozenset[nn.Parameter]
    parts: Mapping[str, torch.Tensor]

    def copy_in(self, batch: Any, noise: torch.Tensor | None) -> None:
        """Copy a batch and its noise into the tensors that the graph reads."""
        for f in fields(batch):
            getattr(self.batch, f.name).copy_(getattr(batch, f.name))
        if self.noise is not None:
            assert noise is not None
            self.noise.copy_(noise)
