"""A collection of samples on disk, one file each, in a folder that is named by what made them.

Any number of processes fill it, and may join at any time: each takes the next sample that nobody
has made or is making. A sample is decided by its key alone, so it does not matter who makes it.
"""

from __future__ import annotations

import fcntl
import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from burst.config import search_path
from burst.data.samples.pairs import PairSample, list_pairs, make_pair_sample
from burst.data.samples.rolling import ShutterMaking, make_shutter_sample
from burst.data.samples.turbulence import (
    Key,
    Making,
    Sample,
    load_sample,
    make_sample,
    save_sample,
    stages_before_network,
)
from burst.data.scenes import SCENES, list_scenes
from burst.files.digest import code_digest, digest_of, essence, file_digest, source_files
from burst.files.write import write_text

LOG = logging.getLogger("burst")

SUFFIX = ".safetensors"
# The source that decides a sample's numbers, beside the stages that are run.
NUMERICS = (
    "data/samples/augment.py", "data/samples/turbulence.py", "data/levels.py", "data/scenes.py",
    "network/preparation.py", "network/inputs.py", "ops", "records.py", "findings.py",
)  # fmt: skip
NUMERICS_OF_STACKS = ("data/charts.py", "data/turbulence.py", "data/targets.py")
NUMERICS_OF_SHUTTERS = (
    "data/samples/pairs.py", "data/rolling.py", "data/samples/rolling.py", "files/sequence.py",
    "network/inputs_rolling.py",
)  # fmt: skip
DIGITS = 12  # of the hash, in the folder's name

AnyMaking = Making | ShutterMaking


@dataclass(frozen=True)
class Collection:
    """Where the samples of one making are kept, the scenes they are made from, and where."""

    folder: Path
    making: AnyMaking
    scenes: list[list[str]]
    device: str = "cpu"

    def path(self, key: Key) -> Path:
        """Return the file of a sample, which may not exist yet."""
        return self.folder / f"{key.name}{SUFFIX}"

    def present(self, keys: Iterable[Key]) -> list[Key]:
        """Return those of the keys whose samples are there."""
        known = {path.name for path in self.folder.glob(f"*{SUFFIX}")}
        return [key for key in keys if f"{key.name}{SUFFIX}" in known]

    def load(self, key: Key, device: str = "cpu") -> Any:
        """Read a sample that is there: a `Sample`, or a `PairSample` where there is no truth."""
        kind = Sample if self.making.truth else PairSample
        return load_sample(self.path(key), kind, device)

    def fill(self, keys: Iterable[Key]) -> Iterator[Key]:
        """Make what is missing and nobody else is making; yield each key that was made."""
        for key in keys:
            path = self.path(key)
            if path.is_file():
                continue
            with _claim(path) as ours:
                # Another process may have finished it between the two looks.
                if ours and not path.is_file():
                    _make(path, key, self)
                    yield key


def open_collection(
    place: Path, making: AnyMaking, folders: list[str], device: str = "cpu"
) -> Collection:
    """Return the collection under `place` that holds samples so made from folders of scenes.

    Those of stacks are made on `device`, whose random numbers are its own; those of rolling
    shutters on the CPU, where dense inverse search runs.
    """
    recorded = isinstance(making, ShutterMaking) and making.recorded
    scenes = [list_pairs(folder) for folder in folders] if recorded else list_scenes(folders)
    pipeline = stages_before_network(making.pipeline)
    stages = [f"stages/{step.name}.py" for step in pipeline.steps if not step.source]
    strange = [path for step in pipeline.steps for path in step.source]
    own = NUMERICS_OF_STACKS if isinstance(making, Making) else NUMERICS_OF_SHUTTERS
    files = [[Path(scene) for scene in folder if scene not in SCENES] for folder in scenes]
    if recorded:
        files = [[p for p in sorted(Path(f).rglob("*")) if p.is_file()] for f in folders]
    package, parts = Path(__file__).parents[2], [*NUMERICS, *own, *stages]
    account = {
        "making": asdict(making),
        "pipeline": pipeline.to_toml(),
        "levels": _digest_files([_levels_file()]),
        "scenes": [_digest_files(folder) for folder in files],
        "named scenes": [s for folder in scenes for s in folder if s in SCENES],
        "code": code_digest(package, source_files(package, parts), essence),
    }
    if strange:
        account["stages of one's own"] = _digest_files(strange)
    device = device if isinstance(making, Making) else "cpu"
    if device != "cpu":
        account["device"] = device
    text = json.dumps(account, indent=1, sort_keys=True)
    name = digest_of(text)[:DIGITS]
    collection = Collection(place / name, making, scenes, device)
    if not (collection.folder / "made-by.json").is_file():
        write_text(collection.folder / "made-by.json", text)
    return collection


def keys_of(levels: Iterable[str], count: int, held_out: int) -> list[Key]:
    """Return the keys of `count` samples of each level to train on, and `held_out` to check with.

    Levels advance together, the held-out ones among the first, so that training can soon begin.
    """
    levels = list(levels)
    return [
        key
        for index in range(max(count, held_out))
        for level in levels
        for key in (Key(level, index, held_out=True), Key(level, index))
        if index < (held_out if key.held_out else count)
    ]


def _make(path: Path, key: Key, collection: Collection) -> None:
    """Make a sample and write it."""
    making, scenes = collection.making, collection.scenes
    if isinstance(making, Making):
        save_sample(path, make_sample(key, making, scenes, collection.device))
    elif making.truth:
        save_sample(path, make_shutter_sample(key, making, scenes))
    else:
        save_sample(path, make_pair_sample(key, making, scenes))


def _digest_files(paths: list[Path]) -> str:
    """Return the SHA-256 of names and contents; where the files lie does not matter."""
    return digest_of(*(f"{path.name} {file_digest(path)}" for path in paths))


def _levels_file() -> Path:
    places = (folder / "levels.toml" for folder in search_path("pipelines"))
    return next(path for path in places if path.is_file())


@contextmanager
def _claim(path: Path) -> Iterator[bool]:
    """Hold the right to make a file; False if another process has it.

    The system lets go of the lock of a process that dies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.stem}.lock")
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            lock.unlink(missing_ok=True)
