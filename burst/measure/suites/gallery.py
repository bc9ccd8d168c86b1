"""Sheets of pictures for each stack: one frame, the plain mean, the result and the truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from burst.files.write import write_bytes
from burst.measure.peers.baselines import plain_mean
from burst.measure.results import Record
from burst.measure.stacks import Case, simulate_case, stack_cases
from burst.measure.suite import Options, Suite
from burst.ops.color import linear_to_display
from burst.ops.noise import to_linear
from burst.pipeline import Pipeline
from burst.records import Burst, Stack, StackError, given

TITLES = ("first frame", "plain mean", "burst", "truth")
GAP = 6  # px between the pictures
CAPTION = 22  # px above them
QUALITY = 92


def draw_sheet(case: Case, pipeline: Pipeline, folder: Path) -> Path:
    """Simulate and restore a case; write DIR/<level>-<image>.jpg and return its path."""
    simulated, _ = simulate_case(case)
    image = given(pipeline.run(Burst(simulated.stack)).image)
    stack = simulated.stack
    sheet = side_by_side([first_frame(stack), plain_mean(stack), image, simulated.truth.scene])
    path = folder / f"{case.level}-{Path(case.label).name.replace(' ', '-')}.jpg"
    _write(path, sheet)
    return path


def first_frame(stack: Stack) -> torch.Tensor:
    """Return the first frame [h, w], linear."""
    return to_linear(stack.frames[0], stack.sensor)


def side_by_side(images: list[torch.Tensor]) -> np.ndarray:
    """Return linear images [h, w] as one sheet uint8, display-encoded, with their titles above."""
    h, w = images[0].shape
    sheet = np.full((h + CAPTION, len(images) * (w + GAP) - GAP), 255, np.uint8)
    for i, (image, title) in enumerate(zip(images, TITLES, strict=True)):
        left = i * (w + GAP)
        display = linear_to_display(image) * 255
        sheet[CAPTION:, left : left + w] = display.round().byte().cpu().numpy()
        cv2.putText(sheet, title, (left, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0, 1, cv2.LINE_AA)
    return sheet


def _write(path: Path, sheet: np.ndarray) -> None:
    done, encoded = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise StackError(f"{path}: expected a sheet that JPEG can hold, found {sheet.shape}.")
    write_bytes(path, encoded.tobytes())


def _bench(options: Options) -> Callable[[Case], Record]:
    pipeline = options.load()
    return lambda case: {"sheet": str(draw_sheet(case, pipeline, Path(options.out)))}


SUITE = Suite(
    title="Sheets of pictures",
    cases=stack_cases,
    measure=_bench,
    table=lambda records: "\n".join(record["sheet"] for record in records),
    cached=False,
)
