"""The folder of a run: its recipe, its latest state, the network so far, and its curves.

`recipe.toml` holds all settings, `state.pt` what is needed to go on, `network.safetensors` the
averaged weights as `burst run` takes them, with their card beside it, `board/` is for
TensorBoard.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from burst.data.samples.turbulence import Sample
from burst.files.write import atomic_write, write_text
from burst.network.card import Card
from burst.network.checkpoint import find, save
from burst.settings import ConfigError

NETWORK, STATE = "network.safetensors", "state.pt"

# The budget may grow or shrink when a run goes on; all else has to stay as it was.
MAY_CHANGE = ("steps", "seconds", "check_every", "each")


@dataclass(frozen=True)
class State:
    """All that is needed to continue after a step; random numbers follow from the step."""

    step: int
    seconds: float
    model: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    scores: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Run:
    """A run's folder; `card` describes its network by state, number of samples, and the levels
    that were measured of those where something is seen."""

    folder: Path
    card: Callable[[State, Sequence[Sample]], Card]

    @property
    def board(self) -> Path:
        """Where the curves are."""
        return self.folder / "board"

    def begin(self, settings: str, resume: bool) -> None:
        """Begin or resume a run with these settings (TOML) in the folder.

        ConfigError where the folder holds a run that is not to be resumed, or has other settings.
        """
        recipe = self.folder / "recipe.toml"
        if (self.folder / STATE).is_file():
            if not resume:
                raise ConfigError(
                    f"--out {self.folder}: expected a new folder, found a run."
                    " Pass --resume to go on with it, or another --out."
                )
            _check_same(recipe, settings)
        write_text(recipe, settings)

    def latest(self) -> State | None:
        """Return the latest state; None before the first, ConfigError where the file is broken."""
        path = self.folder / STATE
        if not path.is_file():
            return None
        try:
            return State(**torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:
            # A damaged file may raise anything.
            raise ConfigError(
                f"{path}: expected the state of a run, found {type(error).__name__}."
                " Delete the folder and train anew, or go on from its network by --parent."
            ) from error

    def save_state(self, state: State) -> None:
        """Keep the latest state."""
        with atomic_write(self.folder / STATE) as part:
            torch.save({f.name: getattr(state, f.name) for f in fields(State)}, part)

    def save_network(self, state: State, samples: Sequence[Sample]) -> Path:
        """Write the averaged weights with a card that says what they were trained on."""
        path = self.folder / NETWORK
        save(path, state.average, self.card(state, samples))
        return path


def network_of(name: str) -> Path:
    """Return the network of a run, given by its folder, or a checkpoint by name or path."""
    folder = Path(name)
    if not folder.is_dir():
        return find(name)
    if (folder / NETWORK).is_file():
        return folder / NETWORK
    raise ConfigError(
        f"{name}: expected a run with {NETWORK}, found none. It appears when the run first looks at"
        " the samples held out."
    )


def _check_same(recipe: Path, settings: str) -> None:
    before, now = (_flat(tomllib.loads(text)) for text in (recipe.read_text("utf-8"), settings))
    changed = [
        f"{key} = {before.get(key)!r}, now {now.get(key)!r}"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key) and key.rpartition(".")[2] not in MAY_CHANGE
    ]
    if changed:
        raise ConfigError(
            f"{recipe}: expected the settings of the run that is to go on, found"
            f" {'; '.join(changed)}. Pass what it had, or another --out."
        )


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
