"""What restoring a stack gave: to be looked at, shown, and written as a folder of results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from burst.files.folder import first_frame
from burst.files.write import (
    finished,
    finished_deviation,
    read_json,
    write_confidence,
    write_instants,
    write_mask,
    write_results,
    write_text,
)
from burst.lazy import pyplot, torch
from burst.records import Burst, ColourSpace, Level, NoiseModel, Provenance, Report, Stack
from burst.report import figure as report_figure
from burst.report.rolling import frame_image, instants_of
from burst.report.write import HTML_NAME, JSON_NAME, write_report
from burst.settings import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = HTML_NAME
PICTURE = "restored.png"
CONFIDENCE = "confidence.tif"
MOVING = "moving.png"  # where something moves by itself
RAW = "restored.dng"  # of a stack with colours of raw frames
IMAGES = ("restored.npy", "restored.tif", PICTURE)
FILM, INSTANTS = "restored.mp4", "restored-*.png"  # in place of one picture
SETTINGS = "pipeline.toml"
OUTPUTS = (*IMAGES, JSON_NAME, PAGE, SETTINGS)


@dataclass(frozen=True)
class Result:
    """What restoring a stack gave.

    stack       what was restored
    burst       all that the stages found; of a stack with colours that of its first green channel
    pixels      the image as the frames lie and as they are encoded; `image` is easier to use
    provenance  version, settings, seed, threads, device and network that made the image
    own_files   files of stages of one's own, by the names that the settings give them
    deviations  how far `pixels` may be off, likewise; `deviation` is easier to use

    Numbers are NumPy arrays on the host, and None where no stage has found them. Displacements,
    PSF and sizes of a colour mosaic are those of one of its planes, of half the size.
    """

    stack: Stack = field(repr=False)
    burst: Burst = field(repr=False)
    pixels: np.ndarray | None = field(repr=False)
    provenance: Provenance
    own_files: Mapping[str, Path] = field(default_factory=dict, repr=False)
    deviations: np.ndarray | None = field(default=None, repr=False)

    @cached_property
    def image(self) -> np.ndarray | None:
        """The image (h, w), or (h, w, 3) of colours, red first; of several instants (t, h, w) or
        (t, h, w, 3).

        Float32, upright, linear with black 0 and white 1: what `restored.npy` holds.
        """
        if self.pixels is None:
            return None
        return finished(self.pixels, self.stack.sensor, self.is_sequence)[0]

    @property
    def deviation(self) -> np.ndarray | None:
        """How far the image may be off, (h, w) or (h, w, 3): one standard deviation, linear.

        About 90 % of the true values lie within 1.645 of it. What `confidence.tif` holds; None
        where no network has said it.
        """
        if self.deviations is None or self.pixels is None:
            return None
        return finished_deviation(self.deviations, self.pixels, self.stack.sensor)

    @property
    def is_sequence(self) -> bool:
        """Whether the image is of several instants."""
        one = 2 if self.stack.colour is None and self.stack.sensor.cfa == "mono" else 3
        return self.pixels is not None and self.pixels.ndim > one

    @property
    def report(self) -> Report:
        """What each stage did: settings, seconds, numbers and warnings."""
        return self.burst.report

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings, each with the stage that gave it."""
        return self.burst.report.warnings

    @property
    def kept(self) -> np.ndarray:
        """The numbers [m] of the used frames."""
        kept = _array(self.burst.kept)
        return np.arange(self.stack.count) if kept is None else kept

    @property
    def weights(self) -> np.ndarray | None:
        """The weight [n] of every frame: 0 if it was not used, with a mean of 1 over the others."""
        weights = _array(self.burst.weights)
        if weights is None:
            return None
        whole = np.zeros(self.stack.count, weights.dtype)
        whole[self.kept] = weights
        return whole

    @property
    def flow(self) -> np.ndarray | None:
        """The displacement [m, 2, h, w], (dx, dy) in px, of every used frame."""
        return _array(self.burst.flow)

    @property
    def psf(self) -> np.ndarray | None:
        """The PSF [m, k, k] of every used frame after alignment."""
        return _array(self.burst.psf)

    @property
    def merged(self) -> np.ndarray | None:
        """The mean [h, w] of the aligned frames, linear, before deconvolution."""
        return _array(self.burst.merged)

    @property
    def noise(self) -> NoiseModel | None:
        """The noise of one linear frame."""
        return self.burst.noise

    @property
    def level(self) -> Level | None:
        """How hard the stack is: noise at mid grey, displacement rms."""
        return self.burst.level

    @property
    def settings(self) -> str:
        """All settings as the text of a pipeline file; restoring by it gives the same image."""
        return self.provenance.pipeline

    def save(
        self, folder: str | Path, page: bool = True, colours: ColourSpace = "srgb"
    ) -> list[Path]:
        """Write what `burst run` writes into a folder, and return the files.

        Those are `restored.npy`, `.tif` and `.png`, of raw frames in colour `restored.dng`,
        `confidence.tif`, `report.json`, `report.html` and `pipeline.toml`, which begins with the
        call that repeats it. Without `page` there is no `report.html`, whose plots take about a
        second. `colours` is the space of `.tif` and `.png`: "srgb" or "display-p3". An older result
        of the same stack is written over; ConfigError where the folder holds that of another.
        WriteError where the disk refuses.
        """
        folder = Path(folder)
        other = belongs_to_another(folder, self.stack.source, self.provenance)
        if other:
            raise ConfigError(
                f"{folder}: expected an empty folder or the result of {self.stack.source}, found"
                f" that of {other}. Choose another folder, or delete this one."
            )
        write(self, folder, _again(self.provenance, self.burst.memory), page, colours)
        return list(outputs(folder))

    def figure(self) -> Figure:
        """Return a figure of the middle frame, the image, the weights and the mean PSF."""
        sensor, middle, pixels = self.stack.sensor, self.stack.count // 2, self.pixels
        if pixels is not None and self.is_sequence:
            pixels = pixels[len(pixels) // 2]
        frame = finished(frame_image(self.burst, middle), sensor)[1]
        return report_figure.draw(
            (f"frame {middle + 1} of {self.stack.count}", frame),
            None if pixels is None else finished(pixels, sensor)[1],
            self.weights,
            None if self.psf is None else self.psf.mean(0),
        )

    def show(self) -> None:
        """Show the figure: in a notebook below the cell, else in a window if there is one."""
        self.figure()
        if pyplot.get_backend().lower() != "agg":
            pyplot.show()


def write(
    result: Result, folder: Path, again: str, page: bool = True, colours: ColourSpace = "srgb"
) -> None:
    """Write all files of a result; `again` is the command that repeats it, `page` whether the
    report is drawn, `colours` the space of the pictures.

    Images of an earlier result that are no longer true are removed.
    """
    image, sensor, made = result.pixels, result.burst.stack.sensor, result.provenance
    several = result.is_sequence
    if image is None:
        new = []
    elif several:
        new = write_instants(folder, image, sensor, made, colours)
    else:
        first = first_frame(Path(result.stack.source)) if result.stack.source else None
        new = write_results(folder, image, sensor, made, colours, first)
    old = {*_images(folder), folder / CONFIDENCE, folder / MOVING} - set(new)
    for path in filter(Path.is_file, old):
        path.unlink()
    if result.deviation is not None:
        write_confidence(folder / CONFIDENCE, result.deviation, result.provenance)
    if result.burst.moving is not None and image is not None:
        mask = result.burst.moving.mask.cpu().numpy()
        write_mask(folder / MOVING, mask, image, sensor, made)
    shown = image[len(image) // 2] if image is not None and several else image
    write_text(folder / SETTINGS, f"# {again}\n{result.provenance.pipeline}")
    for name, source in result.own_files.items():
        write_text(folder / name, source.read_text("utf-8"))
    whole = result.stack if _in_colour(result) else None
    images = image if image is None or several else image[None]
    instants = instants_of(result.burst, images, result.stack.source)
    space = colours if shown is not None and shown.ndim == 3 else None
    write_report(folder, result.burst, result.provenance, shown, instants, whole, page, space)


def _in_colour(result: Result) -> bool:
    """Return whether the frames have colours that the result's burst does not show by itself."""
    burst, sensor = result.burst, result.stack.sensor
    single = burst.unrolled is None and result.stack.colour is not None
    return burst.channel is not None or sensor.cfa != "mono" or single


def earlier_report(folder: Path) -> dict[str, Any]:
    """Return the report of an earlier run in this folder; empty if there is none to be read."""
    return read_json(folder / JSON_NAME)


def belongs_to_another(folder: Path, source: str, provenance: Provenance) -> str | None:
    """Return the stack whose result a folder holds, if it is not this one."""
    earlier = earlier_report(folder)
    found = earlier.get("stack", {}).get("source")
    if found is None or earlier.get("fingerprint") == provenance.fingerprint:
        return None
    return None if Path(found).resolve() == Path(source).resolve() else str(found)


def outputs(folder: Path) -> tuple[Path, ...]:
    """Return the files of a result that are in a folder: images first, then report and settings."""
    written = (folder / name for name in (CONFIDENCE, *OUTPUTS) if name not in IMAGES)
    return (*_images(folder), *filter(Path.is_file, written))


def _array(values: torch.Tensor | None) -> np.ndarray | None:
    return None if values is None else values.detach().cpu().numpy()


def _again(provenance: Provenance, memory: int | None) -> str:
    """Return the Python code that gives the image again; `memory` is the limit of blocks."""
    limit = "" if memory is None else f", memory={memory}"
    return (
        f'burst.restore(stack, "{SETTINGS}", seed={provenance.seed},'
        f' threads={provenance.threads}, device="{provenance.device}"{limit})'
    )


def _images(folder: Path) -> list[Path]:
    """Return the images in a folder: those of one instant, and those of several."""
    named = [folder / name for name in (*IMAGES, RAW, FILM)]
    return [*filter(Path.is_file, named), *sorted(folder.glob(INSTANTS))]
