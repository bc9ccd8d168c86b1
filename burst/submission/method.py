"""METHOD.md: what was done, told from the pipeline and from the cards of its models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from burst import __version__
from burst.network.checkpoint import inspect
from burst.pipeline import Pipeline
from burst.submission.challenge import Challenge
from burst.submission.results import Model

TEMPLATE = "method.md.j2"


@dataclass(frozen=True)
class Told:
    """One stage in words: its name, what it does, its settings."""

    name: str
    summary: str
    settings: dict[str, Any]


def describe_method(
    name: str, challenge: Challenge, pipeline: Pipeline, models: Sequence[Model]
) -> str:
    """Return METHOD.md of a submission; CheckpointError if a model does not tell of itself."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Markdown is no HTML, and nothing in it comes from a stranger.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE).render(
        name=name,
        version=__version__,
        challenge=challenge,
        title=pipeline.title,
        stages=[_tell(step.name, step.stage.__doc__ or "", step.config) for step in pipeline.steps],
        selects=any(step.name == "select" for step in pipeline.steps),
        models=[_headline(model) for model in models],
    )


def _tell(name: str, doc: str, config: Any) -> Told:
    return Told(name, doc.partition("\n")[0], asdict(config))


def _headline(model: Model) -> dict[str, Any]:
    """Return name, digest, recipe and outside data of a model."""
    training = inspect(model.path).get("training")
    told = training if isinstance(training, dict) else {}
    return {
        "name": model.path.stem,
        "stage": model.stage,
        "sha256": model.sha256,
        "recipe": told.get("recipe", "not told"),
        "data": _as_list(told.get("data")),
        "licences": _as_list(told.get("licences")),
    }


def _as_list(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{key}: {item}" for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    return [] if value is None else [str(value)]
