"""Completion of a command line in a shell: verbs, options, pipelines, stages and their settings."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from burst.config import names_in
from burst.options import DEFAULT_PIPELINE
from burst.pipeline import load
from burst.settings import ConfigError, settings_of

Completer = Callable[..., list[str]]


def answer(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that completes a command line, and end; nothing without `argcomplete`."""
    try:
        import argcomplete
    except ImportError:
        return
    completers: dict[str, Completer] = {
        "pipeline": partial(_names_in, "pipelines"), "set": _assignments, "until": _stages,
        "challenge": partial(_names_in, "submissions/challenges"),
    }  # fmt: skip
    for action in _actions(parser):
        if action.dest in completers and action.choices is None:
            action.completer = completers[action.dest]  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from _actions(verb)


def _names_in(folder: str, prefix: str, **_: Any) -> list[str]:
    return [*names_in(folder), *_files(prefix)]


def _files(prefix: str) -> list[str]:
    from argcomplete.completers import FilesCompleter

    return list(FilesCompleter(("toml",))(prefix))


def _stages(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    return [name for name, _ in _settings(parsed_args)]


def _assignments(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    return [f"{stage}.{name}=" for stage, names in _settings(parsed_args) for name in names]


def _settings(args: argparse.Namespace) -> list[tuple[str, list[str]]]:
    """Return each stage of the pipeline that is typed, with the names of its settings."""
    try:
        steps = load(getattr(args, "pipeline", None) or DEFAULT_PIPELINE).steps
    except ConfigError:
        # Half a name is no pipeline yet.
        return []
    return [(s.name, [one.name for one in settings_of(type(s.config))]) for s in steps]
