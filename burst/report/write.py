"""Write the report of one run: `report.json` and the page `report.html` that shows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from burst.files.write import write_text
from burst.records import Burst, Provenance, Stack
from burst.report import page as report_page
from burst.report import summary as report_summary
from burst.report.rolling import Instants

JSON_NAME = "report.json"
HTML_NAME = "report.html"


def write_report(
    folder: Path,
    burst: Burst,
    provenance: Provenance,
    shown: np.ndarray | None = None,
    instants: Instants | None = None,
    whole: Stack | None = None,
    page: bool = True,
    colours: str | None = None,
) -> list[Path]:
    """Write both files into `folder`, atomically, and return their paths.

    Without `page` the page is not drawn; that of an earlier run is removed.

    `shown` is the restored picture (h, w) or (h, w, 3), linear, where it is not `burst.image`.
    `whole` is a stack with colours, of which `burst` is one channel. `instants` are the images of a
    rolling shutter's rows; `shown` is one of them. `colours` is the space
    of the pictures. Sections without data are left out. OSError where the files cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not page:
        (folder / HTML_NAME).unlink(missing_ok=True)
    names = (JSON_NAME, HTML_NAME) if page else (JSON_NAME,)
    outputs = _outputs(folder, names)
    summary = report_summary.summarise(burst, provenance, outputs, instants, whole, colours)
    texts = {JSON_NAME: json.dumps(summary, indent=1, allow_nan=False) + "\n"}
    if page:
        texts[HTML_NAME] = report_page.render(summary, burst, shown, instants, whole)
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def _outputs(folder: Path, new: Sequence[str]) -> list[str]:
    """Name what stands in the folder, and the files that are about to."""
    present = {f.name for f in folder.iterdir() if f.is_file() and not f.name.startswith(".")}
    return sorted({*present, *new})
