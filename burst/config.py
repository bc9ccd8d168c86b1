"""Pipeline and settings files: where they are found, how they are read and overridden."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any

from burst.settings import ConfigError, did_you_mean

NO_PIPELINES = {"levels"}  # in the folder of pipelines: the noise levels of the benchmark


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


def search_path(folder: str, variable: str | None = None) -> list[Path]:
    """Return where a shipped folder is sought: $variable, ./, the repository, the package."""
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
    """Return the names of stages, and the files of those written "mine.py:darken"."""
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


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
