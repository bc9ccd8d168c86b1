"""A trained network as an ONNX graph, for programs without torch."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn

from burst.files.write import atomic_write
from burst.models.restorer import PriorSource, Restorer
from burst.network.checkpoint import Loaded
from burst.settings import ConfigError

CLOSE = 1e-5  # encoded; by which ONNX and torch may differ


class GraphError(RuntimeError):
    """A graph that does not compute what the network does."""


def write_graph(path: Path, checkpoint: Loaded, size: int) -> float:
    """Write the network with its usual prior as one graph, evidence and scalars in, residual out.

    The graph is for images of size x size, as the grid of priors divides the image into cells of a
    fixed size. It is run once: the largest difference from torch is returned, and GraphError
    raised where it is not close.
    """
    spec, source = checkpoint.card.spec, checkpoint.card.priors[0]
    if source == "truth":
        raise ConfigError(
            "--onnx: expected a network that works without the truth, found a teacher."
        )
    generator = torch.Generator().manual_seed(0)
    evidence = torch.rand((1, spec.evidence, size, size), generator=generator)
    scalars = torch.randn((1, spec.scalars), generator=generator)
    graph = _WithPrior(checkpoint.model, None if source == "none" else source).eval()
    with torch.no_grad():
        expected = graph(evidence, scalars)
    with atomic_write(path) as part:
        _export(graph, evidence, scalars, part)
        difference = float((_run(part, evidence, scalars) - expected).abs().max())
        if not difference <= CLOSE:
            raise GraphError(f"{path}: expected what torch computes, found {difference:.1e} more.")
    return difference


class _WithPrior(nn.Module):
    """Prior and restorer as one module."""

    def __init__(self, model: Restorer, source: PriorSource | None) -> None:
        super().__init__()
        self.model, self.source = model, source

    def forward(self, evidence: torch.Tensor, scalars: torch.Tensor) -> torch.Tensor:
        """Return the residual [b, c, h, w]."""
        tokens = self.model.prior(evidence, scalars, self.source) if self.source else None
        residual: torch.Tensor = self.model(evidence, scalars, tokens)
        return residual


def _export(graph: nn.Module, evidence: torch.Tensor, scalars: torch.Tensor, path: Path) -> None:
    with warnings.catch_warnings():
        # The exporter warns of its own use of torch's internals.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (evidence, scalars),
            path,
            dynamo=True,
            input_names=["evidence", "scalars"],
            output_names=["residual"],
            external_data=False,
            verbose=False,
        )


def _run(path: Path, evidence: torch.Tensor, scalars: torch.Tensor) -> torch.Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    given = {"evidence": evidence.numpy(), "scalars": scalars.numpy()}
    # A network without a prior does not use the scalars, and its graph may not have that input.
    taken = {entry.name: given[entry.name] for entry in session.get_inputs()}
    return torch.from_numpy(session.run(None, taken)[0])
