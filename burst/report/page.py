"""Render the page: facts, pictures, a film of instants, plots and tables for `report.html.j2`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from burst.ops.orientation import upright
from burst.records import Burst, Stack
from burst.report import curves, frames, motion, rows
from burst.report.pictures import (
    ERROR_SHOWN,
    balanced,
    data_uri,
    display_points,
    encode,
    error_pictures,
    reduced,
    scene_pictures,
)
from burst.report.rolling import Instants
from burst.report.svg import to_svg
from burst.report.template import render_template
from burst.report.words import facts, origin_rows, sensor_rows, subject, table_rows

TEMPLATE = "report.html.j2"
# Of the film.
LONGEST_SIDE = 360  # px
MOST_IMAGES = 24  # the page stays small however long the video is
JPEG_QUALITY = 80


def render(
    summary: Mapping[str, Any],
    burst: Burst,
    shown: np.ndarray | None = None,
    instants: Instants | None = None,
    whole: Stack | None = None,
) -> str:
    """Return the page as text.

    `summary` is what `report.json` holds; for `shown`, `instants` and `whole` see `write_report`.
    """
    return render_template(
        TEMPLATE,
        summary=summary,
        facts=facts(summary),
        what=subject(summary),
        pictures=scene_pictures(burst, shown, instants, whole),
        errors=error_pictures(instants) if instants else [],
        error_shown=f"{ERROR_SHOWN:.0%}",
        film=film_of(instants) if instants else None,
        plots=draw_plots(burst, instants),
        stages=_stages(summary),
        origin=origin_rows(summary),
        sensor=sensor_rows(summary),
    )


def draw_plots(burst: Burst, instants: Instants | None = None) -> list[dict[str, str]]:
    """Return name, title, caption and SVG of every plot for which the burst has the data."""
    painters = (
        motion.draw_track,
        curves.draw_scores,
        curves.draw_ranking,
        frames.draw_gain,
        curves.draw_noise,
        motion.draw_shift,
        motion.draw_row_motion,
        motion.draw_displacement,
        curves.draw_structure,
        curves.draw_witnesses,
        curves.draw_psf,
        curves.draw_readout,
        motion.draw_path,
    )
    drawings = [drawing for paint in painters if (drawing := paint(burst))]
    drawings += rows.draw_rows(instants) if instants else []
    return [
        {"name": d.name, "title": d.title, "caption": d.caption, "svg": to_svg(d)} for d in drawings
    ]


def _stages(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each stage with its tables, its warnings and its share of the longest one's time."""
    longest = max((stage["seconds"] or 0.0 for stage in summary["stages"]), default=0.0)
    return [
        {
            "name": stage["stage"],
            "seconds": f"{stage['seconds'] or 0.0:.2f} s",
            "share": round(100 * (stage["seconds"] or 0.0) / max(longest, 1e-9), 1),
            "settings": table_rows(stage["settings"]),
            "numbers": table_rows(stage["numbers"]),
            "warnings": stage["warnings"],
        }
        for stage in summary["stages"]
    ]


@dataclass(frozen=True)
class Filmstrip:
    """A strip of `count` pictures below one another as a data URI, the size of one, a caption."""

    uri: str
    count: int
    width: int
    height: int
    caption: str


def film_of(instants: Instants) -> Filmstrip | None:
    """Return the images of instants as a filmstrip, evenly sampled if many; None for one image."""
    images, burst = instants.images, instants.burst
    if len(images) < 2:
        return None
    chosen = np.linspace(0, len(images) - 1, min(len(images), MOST_IMAGES)).round().astype(int)
    sensor, turned = burst.stack.sensor, burst.stack.sensor.orientation
    levels = display_points(balanced(images[instants.shown], burst))
    pictures = [
        reduced(upright(encode(balanced(images[k], burst), *levels, sensor), turned), LONGEST_SIDE)
        for k in chosen
    ]
    height, width = pictures[0].shape[:2]
    times = instants.times
    caption = (
        f"{len(chosen)} of {len(images)} images, from {times[0]:.2f} to {times[-1]:.2f}"
        f" {'readouts' if instants.paired else 'frame times'} after the first row, to and fro."
    )
    uri = data_uri(np.concatenate(pictures), ".jpg", JPEG_QUALITY)
    return Filmstrip(uri, len(chosen), width, height, caption)
