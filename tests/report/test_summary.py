from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pytest
import torch

from burst.records import Burst, Provenance, Report, Sensor, Shutter, Stack
from burst.report.summary import SCHEMA_FILE, SCHEMA_NAME, plain, summarise

DOCUMENT = Path(__file__).parents[2] / "docs" / "report.md"
SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_a_schema_and_names_the_report() -> None:
    VALIDATOR.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema"]["const"] == SCHEMA_NAME


def test_a_full_report_fits_the_schema(burst: Burst, provenance: Provenance) -> None:
    VALIDATOR.validate(summarise(burst, provenance, ["report.json"]))


def test_a_report_of_nothing_but_a_stack_fits_the_schema(
    stack: Stack, provenance: Provenance
) -> None:
    VALIDATOR.validate(summarise(Burst(stack), provenance, []))


def test_a_black_level_per_site_fits_the_schema(stack: Stack, provenance: Provenance) -> None:
    sensor = Sensor(black_level=(1.0, 2.0, 3.0, 4.0), cfa="RGGB")
    summary = summarise(Burst(replace(stack, sensor=sensor)), provenance, [])
    VALIDATOR.validate(summary)
    assert summary["stack"]["sensor"]["black_level"] == [1.0, 2.0, 3.0, 4.0]


def test_numbers_that_no_schema_knows_are_kept(burst: Burst, provenance: Provenance) -> None:
    noted = replace(burst, report=burst.report.note(new_number=[1, 2]))
    summary = summarise(noted, provenance, [])
    VALIDATOR.validate(summary)
    assert summary["stages"][-1]["numbers"]["new_number"] == [1, 2]


def test_a_number_of_the_wrong_kind_does_not_fit(burst: Burst, provenance: Provenance) -> None:
    report = Report().begin("noise", {}).note(curve={"level": "high"})
    summary = summarise(replace(burst, report=report), provenance, [])
    with pytest.raises(jsonschema.ValidationError, match="high"):
        VALIDATOR.validate(summary)


def test_the_report_is_strict_json(burst: Burst, provenance: Provenance) -> None:
    text = json.dumps(summarise(burst, provenance, []), allow_nan=False)
    blur = json.loads(text)["stages"][4]
    assert blur["numbers"]["structure"]["measured"] == [0.9, 0.5, None]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, None),
        (math.inf, None),
        (np.float32(0.5), 0.5),
        (np.array([1.0, np.nan]), [1.0, None]),
        (torch.tensor([1, 2]), [1, 2]),
        ((1, "a", None, True), [1, "a", None, True]),
        ({3: {"x": math.nan}}, {"3": {"x": None}}),
        (Shutter.ROLLING, "rolling"),
        (Path("a/b"), "a/b"),
    ],
)
def test_plain_leaves_only_json(value: Any, expected: Any) -> None:
    assert plain(value) == expected


def test_every_property_of_the_schema_is_documented() -> None:
    documented = set(re.findall(r"`(\w+)`", DOCUMENT.read_text("utf-8")))
    assert set(_property_names(SCHEMA)) - documented == set()


def _property_names(schema: Any) -> Iterator[str]:
    """Yield every name that a schema describes, at any depth."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for value in schema.values():
            yield from _property_names(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _property_names(value)
