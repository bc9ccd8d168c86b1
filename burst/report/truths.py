"""The images of instants beside the truths that lie with their frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from burst.files.layouts.listing import read_images_alike
from burst.files.layouts.published import truths_beside
from burst.log import LOG
from burst.records import Burst, StackError
from burst.report.rolling import Instants, frame_image, from_dn


def instants_of(burst: Burst, images: np.ndarray | None, source: str) -> Instants | None:
    """Return the images [t, ...] of instants with the truths beside the stack's `source`; None
    unless a stage unrolled the rows."""
    if images is None or burst.unrolled is None:
        return None
    instants = Instants(burst, images)
    if not Path(source or "-").exists():
        return instants
    try:
        return replace(instants, truths=dict(_truths(Path(source), instants)))
    except StackError as error:
        # The truth is only shown; the image does not need it.
        LOG.warning("%s", error)
        return instants


def _truths(folder: Path, instants: Instants) -> Iterator[tuple[int, np.ndarray]]:
    """Yield number and truth of every image whose truth lies beside the stack."""
    size = frame_image(instants.burst, 0).shape
    for truth_file in truths_beside(folder):
        number = instants.image_of(truth_file.frame, truth_file.share)
        if number is not None:
            truth = read_images_alike([truth_file.path])[0]
            if truth.shape == instants.images[number].shape == size:
                yield number, from_dn(truth, instants.burst.stack.sensor)
