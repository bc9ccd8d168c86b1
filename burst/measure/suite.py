"""A suite of `burst bench`: a file in `measure/suites` that defines `SUITE`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from burst.measure.results import Record
from burst.pipeline import Pipeline, load
from burst.settings import ConfigError

SMALLEST = 64  # px; smaller images have nothing left within the border of the scores


@dataclass(frozen=True)
class Options:
    """Options of `burst bench`: pipeline and overrides, the stacks (`images` to `seed`), threads,
    whether peers are measured, whether the figures of the quick suite are recorded, and the folder
    of results."""

    pipeline: str = "turbulence"
    settings: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    levels: tuple[str, ...] = ("low", "medium", "high", "very-high")
    per_level: int = 12
    targets: int = 2
    frames: int = 100
    size: int = 271
    seed: int = 0
    threads: int = 1
    peers: bool = False
    record: bool = False
    out: str = "out/bench"

    def load(self, default: str = "turbulence") -> Pipeline:
        """Return the pipeline with its settings; that of the suite unless another one is asked."""
        name = default if self.pipeline == Options.pipeline else self.pipeline
        return load(name, self.settings)

    def needed_images(self, suite: str, what: str) -> tuple[str, ...]:
        """Return `images`; ConfigError where there are none, of which a suite has none itself."""
        if not self.images:
            raise ConfigError(f"--suite {suite}: expected {what}, found none. Pass --images.")
        return self.images

    def footage(self, suite: str, what: str) -> list[Footage]:
        """Return each of `images` as a case; ConfigError as `needed_images`."""
        return [Footage(path) for path in self.needed_images(suite, what)]

    def arguments(self) -> list[str]:
        """Return pipeline and settings as arguments of a command line."""
        return ["--pipeline", self.pipeline, *(w for s in self.settings for w in ("--set", s))]


@dataclass(frozen=True)
class Footage:
    """A file or a folder that somebody recorded."""

    path: str

    @property
    def name(self) -> str:
        """Its own name."""
        return Path(self.path).name


def rolling_text(options: Options) -> str:
    """Return the resolved settings of the pipeline for rolling shutters."""
    return load("rolling", options.settings).to_toml()


@dataclass(frozen=True)
class Suite:
    """A suite of measurements.

    title               of its section on the page
    cases               Options -> what is measured, dataclasses of plain values with a name
    measure             Options -> function from a case to its figures, plain JSON values
    table               figures of all cases -> Markdown
    notes               text above the table
    settings            Options -> text that determines the figures besides case and code
    smallest            size (px) that its stacks must have
    plot                draws the figures into an SVG file, above the notes
    finish              uses all figures; returns sentences on those that are worse than allowed
    page                writes a separate page from a folder of results
    filled_by           the suite whose results contain its figures
    separate_processes  whether it measures other processes, so that this one must stay small
    cached              whether figures of an earlier run are used
    """

    title: str
    cases: Callable[[Options], Sequence[Any]]
    measure: Callable[[Options], Callable[[Any], Record]]
    table: Callable[[Sequence[Record]], str]
    notes: str = ""
    settings: Callable[[Options], str] = lambda options: options.load().to_toml()
    smallest: int = SMALLEST
    plot: Callable[[Sequence[Record], Path], None] | None = None
    finish: Callable[[Options, Sequence[Record]], list[str]] = lambda options, records: []
    page: Callable[[Path, Path], None] | None = None
    filled_by: str | None = None
    separate_processes: bool = False
    cached: bool = True

    def tables(self, records: Sequence[Record]) -> str:
        """Return the tables of all that was measured."""
        return self.table(records) if records else "Nothing measured."


def suites() -> dict[str, str]:
    """Return the first line of every suite's file by its name, without importing any."""
    files = sorted((Path(__file__).parent / "suites").glob("[!_]*.py"))
    lines = {path.stem: path.read_text("utf-8").partition("\n")[0] for path in files}
    return {name: line.strip('"').rstrip(".") for name, line in lines.items()}


def find_suite(name: str) -> Suite:
    """Return the suite of a name; ConfigError if there is none."""
    if name not in suites():
        raise ConfigError(f"--suite {name}: expected one of {', '.join(suites())}.")
    suite = import_module(f"burst.measure.suites.{name}").SUITE
    assert isinstance(suite, Suite)
    return suite
