"""METHOD.md: a description of the method, from the pipeline and the cards of its models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from burst.about import __version__
from burst.lazy import jinja2
from burst.network.checkpoint import inspect
from burst.pipeline import Pipeline
from burst.submission.challenge import Challenge
from burst.submission.restore import UsedModel

TEMPLATE = "method.md.j2"


def describe_method(
    name: str, challenge: Challenge, pipeline: Pipeline, models: Sequence[UsedModel]
) -> str:
    """Return METHOD.md of a submission; CheckpointError if a model has no card."""
    # The output is Markdown and all values are our own, so nothing is escaped.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE).render(
        name=name,
        version=__version__,
        challenge=challenge,
        title=pipeline.title,
        stages=[
            {
                "name": step.name,
                "summary": (step.stage.__doc__ or "").partition("\n")[0],
                "settings": asdict(step.config),
            }
            for step in pipeline.steps
        ],
        selects=any(step.name == "select" for step in pipeline.steps),
        models=[_headline(model) for model in models],
    )


def _headline(model: UsedModel) -> dict[str, Any]:
    """Return name, digest, recipe and training data of a model."""
    training = inspect(model.path).get("training")
    recorded = training if isinstance(training, dict) else {}
    return {
        "name": model.path.stem,
        "stage": model.stage,
        "sha256": model.sha256,
        "recipe": recorded.get("recipe", "not stated"),
        "data": _as_list(recorded.get("data")),
        "licences": _as_list(recorded.get("licences")),
    }


def _as_list(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{key}: {item}" for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    return [] if value is None else [str(value)]
