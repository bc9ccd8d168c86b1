"""What a suite of `burst bench` is: a file in `measure/suites` that holds a `SUITE`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from burst.config import ConfigError
from burst.measure.results import Record
from burst.pipeline import Pipeline, load

SMALLEST = 64  # px; less leaves no image within the border that scores leave out


@dataclass(frozen=True)
class Options:
    """What `burst bench` was asked for: which stacks (`images` to `seed`), by which pipeline and
    settings, on how many threads; the folder of results, and whether quick figures are recorded."""

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

    def load(self) -> Pipeline:
        """Return the pipeline with its settings."""
        return load(self.pipeline, self.settings)

    def words(self) -> list[str]:
        """Return pipeline and settings as words of a command line."""
        return ["--pipeline", self.pipeline, *(w for s in self.settings for w in ("--set", s))]


def pipeline_text(options: Options) -> str:
    """Return the resolved settings of the pipeline."""
    return options.load().to_toml()


def rolling_text(options: Options) -> str:
    """Return the resolved settings of the pipeline of rolling shutters."""
    return load("rolling", options.settings).to_toml()


@dataclass(frozen=True)
class Suite:
    """What is measured, how, and how it is shown.

    title      of its section on the page
    cases      what is measured, one after the other: dataclasses of plain values with a name
    measure    what turns a case into its figures, plain JSON values
    table      the figures of all cases as Markdown
    notes      what a reader must know, above the table
    settings   what decides a figure beside the case and the code; checked before any work
    smallest   size (px) that its stacks must have
    plot       draws the figures into an SVG file, above the notes
    finish     what is done with all figures; returns sentences on those worse than they may be
    page       writes a page of its own from a folder of results
    filled_by  the suite whose results hold its figures too
    apart      whether it measures processes of its own, so that this one must stay small
    remembers  whether a case that was measured before is taken from the results
    """

    title: str
    cases: Callable[[Options], Sequence[Any]]
    measure: Callable[[Options], Callable[[Any], Record]]
    table: Callable[[Sequence[Record]], str]
    notes: str = ""
    settings: Callable[[Options], str] = pipeline_text
    smallest: int = SMALLEST
    plot: Callable[[Sequence[Record], Path], None] | None = None
    finish: Callable[[Options, Sequence[Record]], list[str]] = lambda options, records: []
    page: Callable[[Path, Path], None] | None = None
    filled_by: str | None = None
    apart: bool = False
    remembers: bool = True

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
