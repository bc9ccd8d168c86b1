"""Find a stage by name: in `burst.stages`, in a file of one's own, or in another installed package.

A stage of one's own is written "mine.py:darken" in a pipeline. What stands behind the colon is its
name there, and the name of an object in the file, if it has one; else the whole file is the stage.
A package offers stages by entry points of the group `burst.stages`.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

import burst.stages
from burst.config import PipelineText
from burst.records import FIELDS, Burst
from burst.settings import ConfigError, did_you_mean

GROUP = "burst.stages"


class Stage(Protocol):
    """What a pipeline runs: what it needs and gives, its settings, and its one function."""

    NEEDS: tuple[str, ...]
    GIVES: tuple[str, ...]
    Config: type[Any]

    def run(self, burst: Burst, config: Any) -> Burst:
        """Return a burst that knows what `GIVES` names."""
        ...


@dataclass(frozen=True)
class FoundStage:
    """A stage; if it is no part of burst, its files, and the package that offers it."""

    stage: Stage
    files: tuple[Path, ...] = ()
    package: str | None = None


def check_exists(name: str, text: PipelineText) -> None:
    """Raise ConfigError where a pipeline names a stage that nobody offers; nothing is imported."""
    file = text.files.get(name)
    if file is not None:
        if not file.is_file():
            raise ConfigError(
                f"{text.where}: expected the file of stage '{name}' at {file}, found none. Its path"
                " counts from the folder of the pipeline file."
            )
        return
    if _is_own(name) or name in _offered():
        return
    known = [*(module.name for module in pkgutil.iter_modules(burst.stages.__path__)), *_offered()]
    raise ConfigError(
        f"{text.where}: no stage '{name}'. Expected a file burst/stages/{name}.py."
        f"{did_you_mean(name, known)} Known are {', '.join(known)}. A stage of your own is named"
        f' with its file: "mine.py:{name}".'
    )


def find_stage(name: str, text: PipelineText) -> FoundStage:
    """Load a stage of a pipeline; ConfigError says why a file or a package is none."""
    file = text.files.get(name)
    if file is not None:
        module = _load(file)
        _check_holds(name, module, file)
        return FoundStage(checked_stage(getattr(module, name, module), f"{file}:{name}"), (file,))
    if _is_own(name):
        module = importlib.import_module(f"burst.stages.{name}")
        return FoundStage(checked_stage(module, f"stage '{name}'"))
    point = _offered()[name]
    where = f"stage '{name}' of the package {point.dist.name if point.dist else point.module}"
    with_words = f"{where} ({point.value})"
    try:
        stage = point.load()
    except Exception as error:
        # An import runs code of others, which may raise anything.
        raise ConfigError(f"{with_words}: {_reason(error)} Install it again.") from error
    module = sys.modules[point.module]
    package = point.dist.name if point.dist else None
    return FoundStage(checked_stage(stage, with_words), _sources_of(module), package)


def stages_that_give(field: str) -> list[str]:
    """Return the stages of burst that give a field, by their GIVES."""
    names = [module.name for module in pkgutil.iter_modules(burst.stages.__path__)]
    modules = {name: importlib.import_module(f"burst.stages.{name}") for name in names}
    return [name for name, module in modules.items() if field in getattr(module, "GIVES", ())]


def _is_own(name: str) -> bool:
    return name.isidentifier() and importlib.util.find_spec(f"burst.stages.{name}") is not None


def _offered() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the stages that installed packages offer, by name."""
    return {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}


def _load(file: Path) -> ModuleType:
    """Load a file of stages; the same file with the same content is loaded once."""
    source = file.read_bytes()
    digest = hashlib.sha256(str(file.resolve()).encode() + b"\0" + source).hexdigest()
    name = f"burst_stage_{digest[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and their checks look for the module of a class.
    sys.modules[name] = module
    try:
        # Compiled here: a cache of bytes would be written beside the file, and outlive a change.
        exec(compile(source, str(file), "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[name]
        raise ConfigError(f"{file}: {_reason(error)} Mend the file.") from error
    return module


def _reason(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    place = f" in line {line}" if line else ""
    return f"expected a stage, found {type(error).__name__}{place}: {str(error).rstrip('.')}."


def _check_holds(name: str, module: ModuleType, file: Path) -> None:
    """Raise ConfigError where a file holds stages, but none of this name, and is none itself."""
    if hasattr(module, name) or not _lacking(module):
        return
    held = [each for each, value in vars(module).items() if not _lacking(value)]
    if held:
        raise ConfigError(
            f"{file}: no stage '{name}'.{did_you_mean(name, held)} It holds {', '.join(held)}."
        )


def _lacking(stage: Any) -> list[str]:
    """Return which parts of a stage are missing."""
    return [part for part in ("NEEDS", "GIVES", "Config", "run") if not hasattr(stage, part)]


def checked_stage(stage: Any, where: str) -> Stage:
    """Return what is a stage; ConfigError says what it lacks."""
    needed = 'NEEDS = ("image",), GIVES = ("image",), a dataclass Config and run(burst, config)'
    lacking = _lacking(stage)
    if lacking:
        raise ConfigError(f"{where}: expected {needed}, found no {' and no '.join(lacking)}.")
    for part in ("NEEDS", "GIVES", "MAY_GIVE"):
        names = getattr(stage, part, ())
        if not isinstance(names, tuple | list):
            raise ConfigError(
                f"{where}: expected {part} to be a tuple of names, found {names!r}. One name is"
                f" written ({names!r},)."
            )
        for name in names:
            if name not in FIELDS:
                raise ConfigError(
                    f"{where}: expected {part} to name fields of Burst, found '{name}'."
                    f"{did_you_mean(str(name), FIELDS)} Known are {', '.join(FIELDS)}."
                )
    if not (isinstance(stage.Config, type) and is_dataclass(stage.Config)):
        raise ConfigError(f"{where}: expected Config to be a dataclass, found {stage.Config!r}.")
    if not callable(stage.run):
        raise ConfigError(f"{where}: expected a function run(burst, config), found {stage.run!r}.")
    return cast(Stage, stage)


def _sources_of(module: ModuleType) -> tuple[Path, ...]:
    """Return the files of the package that a module belongs to, or the module's own."""
    top = sys.modules[module.__name__.partition(".")[0]]
    if top.__file__ and Path(top.__file__).name == "__init__.py":
        return tuple(sorted(Path(top.__file__).parent.rglob("*.py")))
    return (Path(str(module.__file__)),)
