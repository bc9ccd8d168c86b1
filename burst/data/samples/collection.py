"""A collection of samples on disk, one file each, in a folder named by a hash of their settings.

Any number of processes may fill it and may join at any time: each takes the next sample that does
not exist and that no other process is making. A sample depends on its key alone, so it does not
matter which process makes it.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from burst.data.levels import levels_file
from burst.data.samples.handheld import HandheldSampleSettings, make_handheld_sample
from burst.data.samples.pairs import PairSample, make_pair_sample
from burst.data.samples.recorded import list_recorded
from burst.data.samples.rolling import ShutterSampleSettings, make_shutter_sample
from burst.data.samples.turbulence import (
    Sample,
    SampleKey,
    StackSampleSettings,
    load_sample,
    make_sample,
    save_sample,
    stages_before_network,
)
from burst.data.scenes import SCENES, list_scenes
from burst.files.digest import code_digest, digest_of, essence, file_digest, source_files
from burst.files.write import write_text

SUFFIX = ".safetensors"
# The source that determines a sample's values, besides the stages that are run.
CODE = (
    "data/samples/augment.py", "data/samples/draws.py", "data/samples/turbulence.py",
    "data/levels.py", "data/scenes.py", "network/preparation.py", "network/inputs.py", "ops",
    "records.py", "sensor.py", "findings.py",
)  # fmt: skip
CODE_OF_STACKS = (
    "data/charts.py", "data/turbulence.py", "data/exposures.py", "data/targets.py",
    "data/histories.py", "data/video_codec.py", "data/faults.py", "data/samples/mix.py",
)  # fmt: skip
CODE_OF_SHUTTERS = (
    "data/samples/pairs.py", "data/rolling.py", "data/samples/rolling.py", "files/sequence.py",
    "data/samples/depth.py", "data/samples/recorded.py", "data/samples/mix.py",
    "data/video_codec.py", "network/inputs_rolling.py",
)  # fmt: skip
CODE_OF_PHOTOGRAPHS = (
    "data/handheld.py", "data/samples/handheld.py", "network/inputs_handheld.py",
    "stages/denoise.py", "data/samples/mix.py",
)  # fmt: skip
DIGITS = 12  # of the hash, in the folder's name

SampleSettings = StackSampleSettings | ShutterSampleSettings | HandheldSampleSettings


@dataclass(frozen=True)
class Collection:
    """A folder of samples, their settings, the scenes they are made from, and the device."""

    folder: Path
    settings: SampleSettings
    scenes: list[list[str]]
    device: str = "cpu"

    def path(self, key: SampleKey) -> Path:
        """Return the file of a sample, whether or not it exists."""
        return self.folder / f"{key.name}{SUFFIX}"

    def present(self, keys: Iterable[SampleKey]) -> list[SampleKey]:
        """Return the keys whose samples exist."""
        known = {path.name for path in self.folder.glob(f"*{SUFFIX}")}
        return [key for key in keys if f"{key.name}{SUFFIX}" in known]

    def load(self, key: SampleKey, device: str = "cpu") -> Any:
        """Read an existing sample: a `Sample`, or a `PairSample` without truth."""
        kind = Sample if self.settings.truth else PairSample
        return load_sample(self.path(key), kind, device)

    def fill(self, keys: Iterable[SampleKey]) -> Iterator[SampleKey]:
        """Make the samples that are missing; yield the key of each one made here."""
        for key in keys:
            path = self.path(key)
            if path.is_file():
                continue
            with _claim(path) as claimed:
                # Another process may have finished it since the first check.
                if claimed and not path.is_file():
                    _make(path, key, self)
                    yield key


def open_collection(
    place: Path, settings: SampleSettings, folders: list[str], device: str = "cpu"
) -> Collection:
    """Return the collection under `place` for these settings and folders of scenes. Samples of
    stacks are made on `device`, whose random numbers differ from those of other devices; samples of
    rolling shutters on the CPU, where dense inverse search runs."""
    recorded = isinstance(settings, ShutterSampleSettings) and settings.recorded
    taken = (folders, settings.kind, settings.truth)
    scenes = list_recorded(*taken) if recorded else list_scenes(folders)
    pipeline = stages_before_network(settings.pipeline)
    stages = [f"stages/{step.name}.py" for step in pipeline.steps if not step.source]
    own_files = [path for step in pipeline.steps for path in step.source]
    own = {"turbulence": CODE_OF_STACKS, "handheld": CODE_OF_PHOTOGRAPHS}.get(
        settings.kind, CODE_OF_SHUTTERS
    )
    files = [[Path(scene) for scene in folder if scene not in SCENES] for folder in scenes]
    if recorded:
        files = [[p for p in sorted(Path(f).rglob("*")) if p.is_file()] for f in folders]
    package, parts = Path(__file__).parents[2], [*CODE, *own, *stages]
    account = {
        "making": asdict(settings),
        "pipeline": pipeline.to_toml(),
        "levels": _digest_files([levels_file()]),
        "scenes": [_digest_files(folder) for folder in files],
        "named scenes": [s for folder in scenes for s in folder if s in SCENES],
        "code": code_digest(package, source_files(package, parts), essence),
    }
    if own_files:
        account["stages of one's own"] = _digest_files(own_files)
    device = device if isinstance(settings, StackSampleSettings) else "cpu"
    if device != "cpu":
        account["device"] = device
    text = json.dumps(account, indent=1, sort_keys=True)
    name = digest_of(text)[:DIGITS]
    collection = Collection(place / name, settings, scenes, device)
    if not (collection.folder / "made-by.json").is_file():
        write_text(collection.folder / "made-by.json", text)
    return collection


def keys_of(levels: Iterable[str], count: int, held_out: int) -> list[SampleKey]:
    """Return the keys of `count` training samples and `held_out` validation samples of each level.
    Levels take turns, with the held-out samples first, so that training can start soon."""
    levels = list(levels)
    return [
        key
        for index in range(max(count, held_out))
        for level in levels
        for key in (SampleKey(level, index, held_out=True), SampleKey(level, index))
        if index < (held_out if key.held_out else count)
    ]


def _make(path: Path, key: SampleKey, collection: Collection) -> None:
    """Make a sample and write it."""
    settings, scenes = collection.settings, collection.scenes
    if isinstance(settings, StackSampleSettings):
        save_sample(path, make_sample(key, settings, scenes, collection.device))
    elif isinstance(settings, HandheldSampleSettings):
        save_sample(path, make_handheld_sample(key, settings, scenes))
    elif settings.truth:
        save_sample(path, make_shutter_sample(key, settings, scenes))
    else:
        save_sample(path, make_pair_sample(key, settings, scenes))


def _digest_files(paths: list[Path]) -> str:
    """Return the SHA-256 of names and contents; where the files lie does not matter."""
    return digest_of(*(f"{path.name} {file_digest(path)}" for path in paths))


@contextmanager
def _claim(path: Path) -> Iterator[bool]:
    """Lock a file that is to be made; False if another process holds the lock. The system releases
    the lock of a process that dies."""
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
