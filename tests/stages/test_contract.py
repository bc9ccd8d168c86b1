"""Every stage is content with what it NEEDS, fills what it GIVES and touches nothing else."""

import importlib
import json
import pkgutil
from dataclasses import replace

import pytest
import torch
from simulated import after, before

import burst.stages
from burst.pipeline import load, run_step
from burst.records import FIELDS, Burst
from burst.settings import settings_of

STEPS = {step.name: step for step in load("classical").steps}


def only(burst: Burst, names: tuple[str, ...]) -> Burst:
    """Return a burst that knows the named fields alone."""
    return replace(Burst(burst.stack), **{name: getattr(burst, name) for name in names})


def copied(burst: Burst) -> Burst:
    """Return a burst whose tensors are its own."""
    values = {name: getattr(burst, name) for name in FIELDS}
    return replace(
        burst, **{k: v.clone() for k, v in values.items() if isinstance(v, torch.Tensor)}
    )


@pytest.mark.parametrize("name", STEPS)
def test_needs_and_gives_are_fields_of_a_burst(name):
    stage = STEPS[name].stage
    assert set(stage.NEEDS) | set(stage.GIVES) <= set(FIELDS)
    assert stage.__doc__


@pytest.mark.parametrize("name", STEPS)
def test_what_it_needs_is_enough(name):
    step = STEPS[name]
    result = run_step(step, only(before(name), step.stage.NEEDS))
    assert all(getattr(result, field) is not None for field in step.stage.GIVES)


@pytest.mark.parametrize("name", STEPS)
def test_it_changes_only_what_it_gives(name):
    given, result = before(name), after(name)
    same = [field for field in FIELDS if getattr(result, field) is getattr(given, field)]
    stage, changed = STEPS[name].stage, set(FIELDS) - set(same)
    assert set(stage.GIVES) <= changed <= {*stage.GIVES, *getattr(stage, "MAY_GIVE", ())}


@pytest.mark.parametrize("name", STEPS)
def test_it_leaves_what_it_was_given_as_it_was(name):
    given = before(name)
    untouched = copied(given)
    run_step(STEPS[name], given)
    for field in FIELDS:
        if isinstance(getattr(given, field), torch.Tensor):
            assert torch.equal(getattr(given, field), getattr(untouched, field)), field


@pytest.mark.parametrize("name", STEPS)
def test_the_same_input_gives_the_same_bytes(name):
    again = run_step(STEPS[name], before(name))
    for field in STEPS[name].stage.GIVES:
        first, second = getattr(after(name), field), getattr(again, field)
        if isinstance(first, torch.Tensor):
            assert torch.equal(first, second), field
        else:
            assert first == second, field


@pytest.mark.parametrize("name", STEPS)
def test_what_it_notes_is_plain_json(name):
    numbers = after(name).report.numbers(name)
    assert numbers
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers


@pytest.mark.parametrize("name", STEPS)
def test_what_it_gives_is_finite_and_of_the_stacks_size(name):
    shapes = {
        "linear": (40, 192, 192), "weights": (40,), "flow": (40, 2, 192, 192),
        "row_motion": (40, 192, 2), "psf": (40, 33, 33), "merged": (192, 192), "image": (192, 192),
        "tile_sharpness": (40, 6, 6),
    }  # fmt: skip
    for field in set(STEPS[name].stage.GIVES) & set(shapes):
        value = getattr(after(name), field)
        assert value.shape == shapes[field], field
        assert value.dtype == torch.float32, field
        assert bool(value.isfinite().all()), field


MODULES = [m.name for m in pkgutil.iter_modules(burst.stages.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_every_setting_says_what_it_does(name):
    for one in settings_of(importlib.import_module(f"burst.stages.{name}").Config):
        assert one.help, one.name
        assert one.allowed
        assert "\n" not in one.help
