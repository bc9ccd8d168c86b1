"""Serialise records to plain JSON and arrays, and back.

Tensors, arrays, frozen dataclasses, enums, tuples, lists and mappings may be nested in any way;
nothing has to be registered. Tensors become named arrays, in the order in which they are found.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from burst.lazy import torch

PLAIN = (str, int, float, bool, type(None))


def pack(value: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """Return a value as plain JSON, and its arrays by name; TypeError if not to be kept."""
    arrays: dict[str, np.ndarray] = {}
    return _apart(value, "", arrays), arrays


def unpack(packed: Any, arrays: Mapping[str, np.ndarray], device: str) -> Any:
    """Invert `pack`, with tensors on a device; ValueError where a class no longer exists."""

    def together(packed: Any) -> Any:
        if not isinstance(packed, dict):
            return packed
        ((kind, content),) = packed.items()
        if kind == "tensor":
            return torch.from_numpy(arrays[content]).to(device)
        if kind == "array":
            return arrays[content]
        if kind in ("tuple", "list"):
            return (tuple if kind == "tuple" else list)(together(part) for part in content)
        if kind == "mapping":
            return {together(key): together(part) for key, part in content}
        made = _class_of(content["class"])
        if issubclass(made, Enum):
            return made(content["value"])
        return made(**{name: together(part) for name, part in content["fields"].items()})

    return together(packed)


def _apart(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, Enum):
        return {"enum": {"class": _name_of(type(value)), "value": value.value}}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, torch.Tensor):
        return {"tensor": _put(value.detach().cpu().numpy(), name, arrays)}
    if isinstance(value, np.ndarray):
        return {"array": _put(value, name, arrays)}
    if type(value) in (tuple, list):
        parts = [_apart(part, _join(name, i), arrays) for i, part in enumerate(value)]
        return {type(value).__name__: parts}
    if isinstance(value, Mapping):
        items = [
            [_apart(key, _join(name, f"{key}.key"), arrays), _apart(part, _join(name, key), arrays)]
            for key, part in value.items()
        ]
        return {"mapping": items}
    if is_dataclass(value):
        own = {
            field.name: _apart(getattr(value, field.name), _join(name, field.name), arrays)
            for field in fields(value)
            if field.init
        }
        return {"record": {"class": _name_of(type(value)), "fields": own}}
    raise TypeError(
        f"{name}: expected tensors, frozen dataclasses, enums, tuples, mappings or plain values,"
        f" found {type(value).__name__}, which cannot be kept."
    )


def _put(array: np.ndarray, name: str, arrays: dict[str, np.ndarray]) -> str:
    """Add an array to the others; return its name, made unique."""
    while name in arrays:
        name += "_"
    arrays[name] = array
    return name


def _join(name: str, part: object) -> str:
    return f"{name}.{part}" if name else str(part)


def _name_of(record: type) -> str:
    return f"{record.__module__}:{record.__qualname__}"


def _class_of(name: str) -> type:
    """Return a dataclass or enum by name, of modules already imported: a file imports none."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if not (isinstance(found, type) and (is_dataclass(found) or issubclass(found, Enum))):
        raise ValueError(f"expected a record or an enum, found '{name}', which is not known.")
    return found
