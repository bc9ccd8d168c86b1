"""Make one page over many results: a table that sorts, pictures, and links to each report."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from burst.about import __version__
from burst.command import Exit, main_of
from burst.data import levels
from burst.files.check import explained
from burst.files.folder import TRUTH_SUFFIX, natural_key
from burst.files.write import read_json, write_bytes, write_text
from burst.jobs.batch import RECORD
from burst.lazy import torch
from burst.log import LOG
from burst.measure import scores
from burst.ops.orientation import upright
from burst.records import MID_GREY, StackError
from burst.report import overview
from burst.report import thumbnails as report_thumbnails

PAGE = "overview.html"
PICTURES = "overview-pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `burst report`."""
    parser.add_argument(
        "folder", metavar="DIR",
        help="the --out of `burst run`; truths are looked for where the stacks were read from",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="only warnings and errors on stderr")


def execute(args: argparse.Namespace) -> int:
    """Write DIR/overview.html and print its path."""
    folder = Path(args.folder)
    failures = _failures(folder)
    results = sorted((path.parent for path in folder.glob("*/report.json")), key=natural_key)
    if not results and not failures:
        raise StackError(f"{folder}: expected results of `burst run`, found none. Pass its --out.")
    rows = [_row(result) for result in results if result.name not in failures]
    rows += [overview.StackRow(name, failure=message) for name, message in failures.items()]
    page = folder / PAGE
    write_text(page, overview.render_overview(folder.resolve().name, __version__, rows))
    LOG.info("%s: %d stacks, %d failed", page, len(rows), len(failures))
    print(page)
    return Exit.DONE


def nearest_level(summary: Mapping[str, Any]) -> tuple[int, str] | None:
    """Return place and name of the noise level whose point is nearest in noise and in D/r0."""
    numbers = {stage["stage"]: stage["numbers"] for stage in summary["stages"]}
    noise = (summary["measured"]["level"] or {}).get("noise")
    d_over_r0 = numbers.get("blur", {}).get("d_over_r0")
    if not noise or not d_over_r0:
        return None
    distances = []
    for place, (name, level) in enumerate(levels.read_levels().items()):
        point = level.point()
        std = math.hypot(math.sqrt(MID_GREY * point.electrons), point.read_noise) / point.electrons
        away = math.hypot(math.log(noise / std), math.log(d_over_r0 / point.d_over_r0))
        distances.append((away, place, name))
    _, place, name = min(distances)
    return place, name


def _failures(folder: Path) -> dict[str, str]:
    """Return folder name and message of what the record of the batch says has failed."""
    stacks = read_json(folder / RECORD).get("stacks", [])
    return {Path(row["folder"]).name: row["message"] for row in stacks if row["status"] == "failed"}


def _row(folder: Path) -> overview.StackRow:
    """Return the row of one result folder."""
    summary = read_json(folder / "report.json")
    if "measured" not in summary:
        return overview.StackRow(
            folder.name, failure=f"{folder / 'report.json'}: expected a report. Run it again."
        )
    level = summary["measured"]["level"] or {"noise": None, "displacement": None}
    page = "report.html" if (folder / "report.html").is_file() else "report.json"
    return overview.StackRow(
        name=folder.name,
        report=f"{folder.name}/{page}",
        pictures=_pictures(folder),
        level=nearest_level(summary),
        noise=level["noise"],
        displacement=level["displacement"],
        psnr=_psnr(folder, summary),
        seconds=sum(stage["seconds"] or 0.0 for stage in summary["stages"]),
        warnings=summary["warnings"],
    )


def _pictures(folder: Path) -> dict[str, str]:
    """Return the small pictures of a result, relative to the page; made where they are not new."""
    page = folder / "report.html"
    if not page.is_file():
        return {}
    places = {
        name: folder.parent / PICTURES / f"{folder.name}-{name}.jpg"
        for name in report_thumbnails.NAMES
    }
    made = page.stat().st_mtime
    if not all(path.is_file() and path.stat().st_mtime >= made for path in places.values()):
        for name, picture in report_thumbnails.thumbnails(page.read_text("utf-8")).items():
            write_bytes(places[name], picture)
    return {name: f"{PICTURES}/{path.name}" for name, path in places.items() if path.is_file()}


def _psnr(folder: Path, summary: dict[str, Any]) -> float | None:
    """Return the PSNR (dB) of a result whose stack has its truth beside it; else None.

    Of images of instants it is the mean that the report states.
    """
    stated = [s["psnr"] for s in summary.get("truth") or [] if s["psnr"] is not None]
    if stated:
        return float(sum(stated) / len(stated))
    source = Path(summary["stack"]["source"])
    truth, restored = source.with_suffix(TRUTH_SUFFIX), folder / "restored.npy"
    if not (truth.is_file() and restored.is_file()):
        return None
    try:
        with explained(truth, "the truth of the stack", "Remove it, or simulate it again."):
            with np.load(truth, allow_pickle=False) as archive:
                turned = summary["stack"]["sensor"].get("orientation", 1)
                scene = torch.from_numpy(upright(archive["scene"], turned))
            return scores.score(torch.from_numpy(np.load(restored, allow_pickle=False)), scene).psnr
    except StackError as error:
        LOG.warning("%s", error)
        return None


if __name__ == "__main__":
    sys.exit(main_of("report", add_arguments, execute))
