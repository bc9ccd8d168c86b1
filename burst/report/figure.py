"""Draw a result as one figure: a frame, the image, the weights, the PSF."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

SHARE_SHOWN = 0.995  # of the pixels; brighter ones are cut off, as glints would darken all else


def draw(
    frame: tuple[str, np.ndarray],
    image: np.ndarray | None,
    weights: np.ndarray | None,
    psf: np.ndarray | None,
) -> Figure:
    """Return a figure of a named frame and the image, (h, w) or (h, w, 3) encoded for a display,
    of the weights [n] and of a PSF [k, k]; what is None is left out."""
    figure, axes = plt.subplots(1, 4, figsize=(14, 4), width_ratios=(3, 3, 2, 2), layout="tight")
    _picture(axes[0], *frame)
    if image is not None:
        _picture(axes[1], "restored", image)
    if weights is not None:
        axes[2].bar(np.arange(1, len(weights) + 1), weights, width=1.0)
        axes[2].set(title="weight of each frame", xlabel="frame")
    if psf is not None:
        axes[3].imshow(psf, cmap="magma")
        axes[3].set_title("mean PSF, px")
    for axis in axes:
        axis.set_visible(axis.has_data())
    return figure


def _picture(axis: Axes, title: str, display: np.ndarray) -> None:
    white = float(np.quantile(display, SHARE_SHOWN)) or 1.0
    axis.imshow(np.clip(display / white, 0, 1), cmap="gray", vmin=0, vmax=1)
    axis.set_title(title)
    axis.set_axis_off()
