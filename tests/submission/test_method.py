"""METHOD.md tells all that decides the images, from pipeline and cards."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from burst.network.checkpoint import FORMAT, CheckpointError
from burst.pipeline import load
from burst.submission.manifest import constraints, environment
from burst.submission.method import describe_method
from burst.submission.restore import UsedModel


@pytest.fixture
def model(tmp_path):
    """Return a model whose header tells of its data."""
    path = tmp_path / "toy.safetensors"
    training = {"recipe": "student", "data": ["photographs of somebody"], "licences": {"x": "CC0"}}
    save_file(
        {"w": np.zeros(1, np.float32)}, path, {"format": FORMAT, "training": json.dumps(training)}
    )
    return UsedModel("fuse", path, "abc123")


def test_every_stage_and_setting_is_listed(challenge):
    pipeline = load("classical", ["select.keep=0.3"])
    text = describe_method("try", challenge, pipeline, [])
    for step in pipeline.steps:
        assert f"### {step.name}\n" in text
    assert "- `keep` = 0.3\n" in text
    assert "none was chosen by\nhand" in text


def test_classical_method_says_that_nothing_was_learned(challenge):
    text = describe_method("try", challenge, load("classical"), [])
    assert "No trained model was used." in text
    assert "no part of the method was trained" in text


def test_models_are_listed_with_their_data(challenge, model):
    text = describe_method("try", challenge, load("classical"), [model])
    assert "No trained model" not in text
    for word in ("abc123", "Recipe: student", "toy: photographs of somebody", "licence: x: CC0"):
        assert word in text


def test_model_that_tells_nothing_is_refused(challenge, model):
    model.path.write_bytes(b"")
    with pytest.raises(CheckpointError):
        describe_method("try", challenge, load("classical"), [model])


def test_constraints_pin_what_is_installed():
    lines = constraints().splitlines()
    assert f"numpy=={np.__version__}" in lines
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(set(names))
    assert not any("+" in line or line.startswith("burst==") for line in lines)


def test_environment_installs_the_constraints():
    assert "- -r constraints.txt" in environment()
