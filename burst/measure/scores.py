"""The one convention by which images are scored against the truth.

Images come in linear, are clipped to 0..1 and encoded for a display (sRGB). One shift, one gain
and one offset for the whole image are fitted to the truth by least squares, for every method alike:
they say nothing of detail, and some methods choose them freely. A border of 8 px is left out.

Images are moved as `twice_as_fine` says: an image that is right but for half a pixel would else
come to 35 to 41 dB, however sharp it was.

A second PSNR is taken after a smooth warp is removed as well. The mean displacement over the frames
is unknown to every method, so that a perfectly sharp result may still sit askew on the truth; the
warp is registered in windows too wide to repair detail.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from burst.ops.alignment.registration import gradient, remove_warp
from burst.ops.alignment.shifts import small_shift
from burst.ops.color import linear_to_display
from burst.ops.metrics import mtf50, psnr, ssim
from burst.ops.warp import twice_as_fine, warp_finer
from burst.records import StackError

BORDER = 8  # px
STEPS = 5  # Gauss-Newton; the shift is known to a fraction of a pixel from the start
LARGEST_SHIFT = 8.0  # px of an image against the truth


@dataclass(frozen=True)
class Scores:
    """PSNR (dB), PSNR (dB) without a smooth warp, SSIM, and MTF50 (cycles per pixel)."""

    psnr: float
    psnr_without_warp: float
    ssim: float
    mtf50: float


def score(image: torch.Tensor, truth: torch.Tensor) -> Scores:
    """Score an image [h, w] against the truth [h, w], both linear.

    An image that is smaller, because the camera moved, is scored against the part that it shows.
    """
    truth = truth[part_shown(image, truth)]
    if image.shape != truth.shape:
        raise StackError(
            f"--truth: expected a scene of {tuple(image.shape)}, found {tuple(truth.shape)}."
            " Pass the truth of this stack."
        )
    wanted = linear_to_display(truth.float())
    shown = linear_to_display(image.float())
    shift = _find_shift(shown, wanted)
    moved = _shifted(twice_as_fine(shown[None]), shift)
    gain, offset = _tone(moved, wanted)
    fitted = gain * moved + offset
    # From the image itself: what is resampled twice loses detail.
    straight = remove_warp(gain * shown + offset, wanted, shift)
    gain, offset = _tone(straight, wanted)
    inside, straight = cut(wanted), cut(gain * straight + offset)
    return Scores(
        psnr=psnr(cut(fitted), inside),
        psnr_without_warp=psnr(straight, inside),
        ssim=ssim(cut(fitted), inside),
        mtf50=mtf50(straight, inside),
    )


def part_shown(image: torch.Tensor, truth: torch.Tensor) -> tuple[slice, slice]:
    """Return the rows and columns of a truth [H, W] that an image [h, w] shows, where the camera
    moved and the image is smaller; all where nothing of it is found."""
    from burst.ops.alignment.locate import locate

    height, width = image.shape
    smaller = image.shape != truth.shape and height <= truth.shape[0] and width <= truth.shape[1]
    shown, wanted = (linear_to_display(part.float()) for part in (image, truth))
    place = locate(shown, wanted) if smaller else None
    if place is None:
        return slice(None), slice(None)
    left, top = place
    return slice(top, top + height), slice(left, left + width)


def cut(image: torch.Tensor) -> torch.Tensor:
    """Return an image [h, w] without its border."""
    return image[BORDER:-BORDER, BORDER:-BORDER]


def _find_shift(image: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Return the shift [2] at which image [h, w] is closest to truth [h, w], whatever its gain and
    offset are."""
    shift = small_shift(image, truth, LARGEST_SHIFT)
    finer = twice_as_fine(image[None])
    constant = torch.ones_like(truth)
    slopes = gradient(truth)
    for _ in range(STEPS):
        gain, _, right, down = _solve([_shifted(finer, shift), constant, *slopes], truth)
        # Where the images have nothing in common the gain vanishes and there is no shift to find.
        if abs(gain) < 0.05:
            break
        shift = (shift + torch.tensor([right, down])).clamp(-LARGEST_SHIFT, LARGEST_SHIFT)
    return shift


def _shifted(finer: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Return the image [h, w] that was made twice as fine [1, 2h - 1, 2w - 1], shifted."""
    height, width = ((side + 1) // 2 for side in finer.shape[-2:])
    return warp_finer(finer, shift[None, :, None, None].expand(1, 2, height, width))[0]


def _tone(image: torch.Tensor, truth: torch.Tensor) -> list[float]:
    """Return the gain and the offset that bring image [h, w] closest to truth [h, w]."""
    return _solve([image, torch.ones_like(truth)], truth)


def _solve(parts: list[torch.Tensor], truth: torch.Tensor) -> list[float]:
    """Return the weights with which parts [h, w] add up to truth [h, w] best, border left out."""
    columns = torch.stack([cut(part).flatten() for part in parts], dim=1).double()
    normal = columns.T @ columns
    # An image of one grey only makes the equations singular; a trace of damping decides for zero.
    damping = 1e-9 * normal.diagonal().mean() * torch.eye(len(parts), dtype=torch.float64)
    weights = torch.linalg.solve(normal + damping, columns.T @ cut(truth).flatten().double())
    return [float(weight) for weight in weights]
