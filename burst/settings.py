"""Settings are frozen dataclasses that check themselves; mistakes are explained in words."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from types import MappingProxyType, NoneType
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

T = TypeVar("T")


class ConfigError(ValueError):
    """Settings that are wrong: where, what was expected, what arrived, what to do."""


@dataclass(frozen=True)
class Setting:
    """One setting of a stage: its default (None where a value has to be given), unit ("" for none),
    what may stand there, and what it does in a line."""

    name: str
    default: Any
    unit: str
    allowed: str
    help: str


def setting(help: str, unit: str = "", **limits: Any) -> Any:
    """Return what stands in `Annotated` beside the type of a setting: what it does in a line, its
    unit, and its limits (gt, ge, lt, le, min_length, as pydantic calls them)."""
    return Field(description=help, json_schema_extra={"unit": unit}, **limits)


def settings_of(kind: type[Any]) -> list[Setting]:
    """Return the settings of a stage's `Config`, in order."""
    hints = get_type_hints(kind, include_extras=True)
    return [_setting(f.name, hints[f.name], f.default) for f in fields(kind)]


def _setting(name: str, hint: Any, default: Any) -> Setting:
    notes = list(get_args(hint)[1:]) if get_origin(hint) is Annotated else []
    found = next((note for note in notes if isinstance(note, FieldInfo)), None)
    extra = found.json_schema_extra if found and isinstance(found.json_schema_extra, dict) else {}
    return Setting(
        name,
        None if default is MISSING else default,
        str(extra.get("unit", "")),
        _allowed(hint, found),
        (found.description if found else None) or "",
    )


def _allowed(hint: Any, found: FieldInfo | None) -> str:
    """Return the allowed values of a setting as text."""
    kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        return "a list"
    kinds = [k for k in get_args(kind) or (kind,) if k is not NoneType]
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    limits = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    said = [
        f"{limits[name]} {getattr(note, name):g}"
        for note in (found.metadata if found else [])
        for name in limits
        if getattr(note, name, None) is not None
    ]
    return " ".join(
        [" or ".join(words.get(k, k.__name__) for k in kinds), " and ".join(said)]
    ).strip()


def checked(kind: type[T], error: type[ValueError] = ConfigError) -> type[T]:
    """Have a frozen dataclass check its values when it is built, as `build` does.

    Numbers and enums are converted (1 to 1.0, "global" to `Shutter.GLOBAL`, lists and arrays to
    tuples); what does not fit is an `error` in words. Stands above `@dataclass(frozen=True)`.
    """
    names = inspect.signature(kind)
    where = kind.__name__ if kind.__name__ != "Config" else kind.__module__.rpartition(".")[2]

    def __init__(self: Any, *args: Any, **values: Any) -> None:
        given = dict(values)
        try:
            given = names.bind_partial(*args, **values).arguments
        except TypeError as mistake:
            if len(args) > len(names.parameters):
                raise error(f"{where}: {mistake}. Name the values.") from mistake
            given.update(zip(names.parameters, args, strict=False))
        plain = {name: _as_plain(value) for name, value in given.items()}
        for name, value in vars(_validated(kind, plain, where, error)).items():
            object.__setattr__(self, name, value)

    made: Any = kind
    made.__init__, made.__signature__ = __init__, names
    return kind


def build(
    kind: type[T], table: Mapping[str, Any], where: str, typed: Mapping[str, str] | None = None
) -> T:
    """Build a dataclass from a table: unknown keys forbidden, types and ranges checked.

    A ConfigError of a key in `typed` names what was typed after `--set`, others say `where`.
    """
    return _validated(kind, table, where, ConfigError, typed or {})


def _validated(
    kind: type[T],
    table: Mapping[str, Any],
    where: str,
    error: type[ValueError],
    typed: Mapping[str, str] = MappingProxyType({}),
) -> T:
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise error(
                f"{_place(where, key, typed)}: unknown key '{key}'.{did_you_mean(key, known)}"
                f" Known are {', '.join(known) or 'none'}."
            )
    try:
        return cast(T, _adapter(cast(Any, kind)).validate_python(dict(table)))
    except ValidationError as mistake:
        raise error(_explained(where, mistake, error, typed)) from mistake


def _place(where: str, key: str, typed: Mapping[str, str]) -> str:
    return f"--set {typed[key]}" if key in typed else where


@lru_cache(maxsize=256)
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _explained(
    where: str, mistake: ValidationError, error: type[ValueError], typed: Mapping[str, str]
) -> str:
    """Return the message for the first wrong value: where, what was expected, what was found."""
    problems = mistake.errors()
    problem = problems[0]
    rule = problem.get("ctx", {}).get("error")
    if isinstance(rule, error):  # a rule of the record's own, in whole sentences
        return str(rule)
    wanted = [_expected(p) for p in problems if p["loc"][:1] == problem["loc"][:1]]
    key = ".".join(str(part) for part in problem["loc"])
    if len(wanted) > 1:  # none of several types fits
        key = str(problem["loc"][0])
    if problem["type"] == "missing":
        return f"{where}: expected a value for '{key}', found none."
    if not key:  # a rule about several values together, which says itself what it found
        return f"{where}: {wanted[0]}"
    several = " or ".join(
        [wanted[0], *(w.removeprefix("expected ") for w in dict.fromkeys(wanted[1:]))]
    )
    first = key.partition(".")[0]
    place = _place(f"{where} {key}", first, typed)
    return f"{place}: {several}, found {problem['input']!r}."


def _expected(problem: ErrorDetails) -> str:
    if problem["type"] == "missing":
        return "expected a value for each place"
    wanted = problem["msg"].replace("Input should be", "expected").replace("a valid i", "an i")
    wanted = wanted.replace("valid ", "")
    return wanted.removeprefix("Value error, ").partition(", unable to parse")[0]


def _as_plain(value: Any) -> Any:
    """Return numbers and arrays of NumPy and torch as those of Python."""
    return value.tolist() if hasattr(value, "tolist") else value


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return ' Did you mean ...?' for a near miss, else nothing."""
    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""
