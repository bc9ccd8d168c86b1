"""Text becomes frozen dataclasses here, and mistakes are explained; no dictionary goes further."""

from __future__ import annotations

import difflib
import inspect
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

T = TypeVar("T")
NO_PIPELINES = {"levels"}  # in the folder of pipelines: the noise levels of the benchmark


class ConfigError(ValueError):
    """Settings that are wrong: where, what was expected, what arrived, what to do."""


@dataclass(frozen=True)
class PipelineText:
    """A pipeline file as read: title, stage names, one table of raw settings per stage, the files
    of stages that are one's own, and what was typed after `--set`, by stage and key."""

    where: str
    title: str
    stages: tuple[str, ...]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    typed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


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


def search_path(folder: str, variable: str | None = None) -> list[Path]:
    """Return where a shipped folder is looked for, first hit first: $variable, ./, the
    repository, the installed package."""
    package = Path(__file__).resolve().parent
    named = [Path(os.environ[variable])] if variable and os.environ.get(variable) else []
    return [*named, Path(folder), package.parent / folder, package / "_data" / folder]


def find_pipeline(name: str) -> Path:
    """Return the file of a pipeline given by path or by name; ConfigError if there is none."""
    return find_settings("pipeline", name, "pipelines")


def find_settings(kind: str, name: str, folder: str) -> Path:
    """Return the TOML file of a kind ("pipeline") given by path, or by name in a searched folder.

    ConfigError lists the known names.
    """
    if name.endswith(".toml") or "/" in name:
        if Path(name).is_file():
            return Path(name)
        raise ConfigError(f"{name}: expected the file of a {kind}, found none there.")
    known = names_in(folder)
    for place in search_path(folder):
        if name in known and (place / f"{name}.toml").is_file():
            return place / f"{name}.toml"
    beside = f"{name}.toml"
    advice = f" Did you mean '{beside}'?" if Path(beside).is_file() else did_you_mean(name, known)
    raise ConfigError(
        f"--{kind} {name}: expected one of {', '.join(known) or 'none found'}"
        f" or the path of a .toml file.{advice}"
    )


def names_in(folder: str) -> list[str]:
    """Return the names of the TOML files in a searched folder; what is no pipeline is none."""
    found = {path.stem for place in search_path(folder) for path in place.glob("*.toml")}
    return sorted(found - NO_PIPELINES if folder == "pipelines" else found)


def read_pipeline(path: Path) -> PipelineText:
    """Read a pipeline file; ConfigError says what is wrong with it."""
    table = read_toml(path)
    where = str(path)
    stages, title = table.pop("stages", None), table.pop("title", path.stem)
    if not (isinstance(stages, list) and stages and all(isinstance(s, str) for s in stages)):
        raise ConfigError(f'{where}: expected stages = ["noise", ...], found {stages!r}.')
    stages, files = _names_and_files(stages, path)
    if len(set(stages)) != len(stages):
        raise ConfigError(f"{where}: expected each stage once, found {stages}.")
    if not isinstance(title, str):
        raise ConfigError(f"{where}: expected title to be text, found {title!r}.")
    for key, value in table.items():
        if not isinstance(value, dict):
            raise ConfigError(
                f"{where}: unknown key '{key}' = {value!r}. Expected title, stages and one table"
                f" per stage.{did_you_mean(key, ['title', 'stages'])}"
            )
        if key not in stages:
            raise ConfigError(
                f"{where} [{key}]: no such stage in {stages}.{did_you_mean(key, stages)}"
            )
    return PipelineText(where, title, tuple(stages), table, files)


def _names_and_files(stages: list[str], pipeline: Path) -> tuple[list[str], dict[str, Path]]:
    """Return the names of stages, and the files of those that are written "mine.py:darken"; a path
    counts from the folder of the pipeline."""
    names, files = [], {}
    for written in stages:
        file, colon, name = written.rpartition(":")
        if written.endswith(".py"):
            file, colon, name = written, ":", Path(written).stem
        if colon:
            if not (file.endswith(".py") and name.isidentifier()):
                raise ConfigError(
                    f'{pipeline}: expected a stage of your own as "mine.py:darken", found'
                    f" {written!r}."
                )
            files[name] = pipeline.parent / file
        names.append(name)
    by_name: dict[str, Path] = {}
    for file_path in files.values():
        if by_name.setdefault(file_path.name, file_path) != file_path:
            raise ConfigError(
                f"{pipeline}: expected files of stages to have names of their own, found"
                f" {by_name[file_path.name]} and {file_path}. Rename one."
            )
    return names, files


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; ConfigError with line and reason if it cannot be."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected TOML, {error}.") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read, {error.strerror}.") from error


def override(text: PipelineText, assignments: Iterable[str]) -> PipelineText:
    """Apply `stage.key=value` assignments of the command line to a pipeline."""
    settings = {stage: dict(table) for stage, table in text.settings.items()}
    typed: dict[str, dict[str, str]] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        stage, dot, key = name.strip().partition(".")
        if not (equals and dot and key):
            raise ConfigError(f"--set {assignment}: expected stage.key=value.")
        if stage not in text.stages:
            raise ConfigError(
                f"--set {assignment}: no stage '{stage}' in {list(text.stages)}."
                f"{did_you_mean(stage, text.stages)}"
            )
        key = key.strip()
        settings.setdefault(stage, {})[key] = _parse_value(value.strip())
        typed.setdefault(stage, {})[key] = assignment
    return replace(text, settings=settings, typed=typed)


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


def merge(text: PipelineText, settings: Mapping[str, Any]) -> PipelineText:
    """Put settings of stages, {"select": {"keep": 0.5}}, over those of a pipeline.

    A stage's settings are a mapping or its `Config`, which replaces all of them.
    """
    merged = {stage: dict(table) for stage, table in text.settings.items()}
    for stage, table in settings.items():
        if stage not in text.stages:
            raise ConfigError(
                f"{stage}: no such stage in {list(text.stages)}.{did_you_mean(stage, text.stages)}"
            )
        if is_dataclass(table) and not isinstance(table, type):
            merged[stage] = asdict(table)
        elif isinstance(table, Mapping):
            merged[stage] = {**merged.get(stage, {}), **table}
        else:
            raise ConfigError(
                f'{stage}: expected its settings as {{"name": value}}, found {table!r}.'
            )
    return replace(text, settings=merged)


def list_pipelines() -> dict[str, str]:
    """Return name and title of every pipeline that is found by its name."""
    found: dict[str, str] = {}
    for folder in search_path("pipelines"):
        for path in sorted(folder.glob("*.toml")):
            table = read_toml(path)
            if "stages" in table:
                found.setdefault(path.stem, str(table.get("title", path.stem)))
    return found


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
    wanted = problem["msg"].replace("Input should be", "expected").replace("valid ", "")
    return wanted.removeprefix("Value error, ").partition(", unable to parse")[0]


def _as_plain(value: Any) -> Any:
    """Return numbers and arrays of NumPy and torch as those of Python."""
    return value.tolist() if hasattr(value, "tolist") else value


def changed(settings: Any) -> dict[str, Any]:
    """Return the settings of a dataclass that differ from its defaults."""
    defaults = {f.name: f.default for f in fields(settings) if f.default is not MISSING}
    return {k: v for k, v in asdict(settings).items() if k not in defaults or v != defaults[k]}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ' Did you mean ...?' for a near miss, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
