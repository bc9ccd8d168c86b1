"""Add sensor defects to clean frames [n, h, w] uint16 in DN; all are seeded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Defect = Callable[[np.ndarray, int], np.ndarray]

# Chosen by hand.
DEAD_PIXELS = 2e-3  # share of all pixels
CLUSTERS = 4
HOT = 0.9  # of the largest DN there is
BLINKING = 1e-3  # share of all pixels
WRONG_BLACK = 84  # DN


def dead_pixels(frames: np.ndarray, seed: int) -> np.ndarray:
    """Return frames with single pixels that read 0."""
    dead = np.random.default_rng(seed).random(frames.shape[1:]) < DEAD_PIXELS
    return np.where(dead, np.uint16(0), frames)


def dead_cluster(frames: np.ndarray, seed: int) -> np.ndarray:
    """Return frames with squares of 2 and 3 pixels that read 0."""
    return _with_clusters(frames, seed, lambda values: np.zeros_like(values))


def hot_cluster(frames: np.ndarray, seed: int) -> np.ndarray:
    """Return frames with squares of 2 and 3 pixels near saturation, with noise."""
    generator = np.random.default_rng(seed)
    top = HOT * float(frames.max())

    def saturated(values: np.ndarray) -> np.ndarray:
        noisy = generator.normal(top, 0.02 * top, values.shape)
        return np.asarray(noisy.clip(0, frames.max()).round().astype(np.uint16))

    return _with_clusters(frames, seed, saturated)


def stuck_rows(frames: np.ndarray, seed: int) -> np.ndarray:
    """Return frames with a row that reads 0, one that reads the median, and one near the top."""
    spoilt = frames.copy()
    values = (0, int(np.median(frames)), int(HOT * float(frames.max())))
    places = _spread_out(np.random.default_rng(seed), frames.shape[1], len(values))
    for place, value in zip(places, values, strict=True):
        spoilt[:, place] = value
    return spoilt


def stuck_columns(frames: np.ndarray, seed: int) -> np.ndarray:
    """Return frames with three stuck columns; see `stuck_rows`."""
    turned = np.ascontiguousarray(frames.swapaxes(1, 2))
    return np.ascontiguousarray(stuck_rows(turned, seed).swapaxes(1, 2))


def dark_row_block(frames: np.ndarray, seed: int) -> np.ndarray:
    """Return frames whose first four rows read 0."""
    spoilt = frames.copy()
    spoilt[:, :4] = 0
    return spoilt


def blinking(frames: np.ndarray, seed: int) -> np.ndarray:
    """Return frames with pixels that jump up by a third of the range in some frames."""
    generator = np.random.default_rng(seed)
    chosen = generator.random(frames.shape[1:]) < BLINKING
    jumps = chosen & (generator.random(frames.shape) < 0.4)
    top = int(frames.max())
    raised = np.minimum(frames.astype(np.int64) + top // 3, top)
    return np.where(jumps, raised, frames).astype(np.uint16)


def wrong_black(frames: np.ndarray, seed: int) -> np.ndarray:
    """Return frames with a pedestal that the black level does not include."""
    return np.minimum(frames.astype(np.int64) + WRONG_BLACK, 65535).astype(np.uint16)


DEFECTS: dict[str, Defect] = {
    spoil.__name__: spoil
    for spoil in (
        dead_pixels,
        dead_cluster,
        hot_cluster,
        stuck_rows,
        stuck_columns,
        dark_row_block,
        blinking,
        wrong_black,
    )
}


def _with_clusters(
    frames: np.ndarray, seed: int, change: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    generator = np.random.default_rng(seed)
    spoilt = frames.copy()
    rows = _spread_out(generator, frames.shape[1], CLUSTERS)
    columns = generator.permutation(_spread_out(generator, frames.shape[2], CLUSTERS))
    for number, (y, x) in enumerate(zip(rows, columns, strict=True)):
        side = 2 + number % 2
        spoilt[:, y : y + side, x : x + side] = change(spoilt[:, y : y + side, x : x + side])
    return spoilt


def _spread_out(generator: np.random.Generator, length: int, count: int) -> np.ndarray:
    """Return places [count] in ascending order, one in each part of a side, off the border."""
    part = length // count
    return np.arange(count) * part + generator.integers(part // 4, part - part // 4, count)
