"""How images are scored against the truth.

Images are linear, clipped to 0..1 and encoded for a display (sRGB). One shift, one gain and one
offset for the whole image are fitted to the truth by least squares, for every method alike: they do
not affect detail, and some methods leave them open. A border of 8 px is ignored.

Images are shifted at twice their resolution: otherwise an image that is right but for half a pixel
would reach only 35 to 41 dB, however sharp it was.

A second PSNR is taken after a smooth warp is removed as well. The mean displacement over the frames
is unknown to every method, so that even a perfectly sharp result may be warped against the truth.
The warp is registered in windows too wide to repair detail.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from burst.ops.alignment.locate import locate
from burst.ops.alignment.registration import gradient, remove_warp
from burst.ops.alignment.shifts import small_shift
from burst.ops.color import linear_to_display
from burst.ops.metrics import mtf50, psnr, ssim
from burst.ops.warp import twice_as_fine, warp_finer
from burst.records import StackError

BORDER = 8  # px
STEPS = 5  # Gauss-Newton; the shift is known to a fraction of a pixel from the start
LARGEST_SHIFT = 8.0  # px of an image against the truth
INTERVAL = 1.6449  # standard deviations that hold 90 % of Gaussian errors


@dataclass(frozen=True)
class Scores:
    """PSNR (dB), PSNR (dB) without a smooth warp, SSIM, and MTF50 (cycles per pixel)."""

    psnr: float
    psnr_without_warp: float
    ssim: float
    mtf50: float


def score(image: torch.Tensor, truth: torch.Tensor) -> Scores:
    """Score an image [h, w] against the truth [h, w], both linear. An image that is smaller because
    the camera moved is scored against the part that it shows."""
    shown, wanted = _displayed(image, truth)
    shift = _find_shift(shown, wanted)
    moved = _shifted(twice_as_fine(shown[None]), shift)
    gain, offset = _gain_and_offset(moved, wanted)
    fitted = gain * moved + offset
    # From the original image, since resampling twice loses detail.
    straight = remove_warp(gain * shown + offset, wanted, shift)
    gain, offset = _gain_and_offset(straight, wanted)
    inside, straight = without_border(wanted), without_border(gain * straight + offset)
    return Scores(
        psnr=psnr(without_border(fitted), inside),
        psnr_without_warp=psnr(straight, inside),
        ssim=ssim(without_border(fitted), inside),
        mtf50=mtf50(straight, inside),
    )


def share_within(image: torch.Tensor, deviation: torch.Tensor, truth: torch.Tensor) -> float:
    """Return the share of pixels whose truth lies within the interval that is said to hold 90 % of
    them: 1.645 standard deviations [h, w] about the image [h, w], all linear. Shift, gain and
    offset are fitted as for `score`."""
    shown, wanted = _displayed(image, truth)
    reach = linear_to_display((image + INTERVAL * deviation).float()) - linear_to_display(
        (image - INTERVAL * deviation).float()
    )
    shift = _find_shift(shown, wanted)
    moved = _shifted(twice_as_fine(shown[None]), shift)
    gain, offset = _gain_and_offset(moved, wanted)
    inside = (gain * moved + offset - wanted).abs() <= abs(gain) * reach / 2
    return float(without_border(inside).float().mean())


def half_height(image: torch.Tensor, truth: torch.Tensor) -> float:
    """Return the frequency (cycles per pixel) at which half of the contrast of the truth [h, w] is
    left in an image [h, w], both linear, as the light was when it was blurred."""
    shown, wanted = _displayed(image, truth)
    part = truth[part_shown(image, truth)].float()
    straight = remove_warp(image.float(), part, _find_shift(shown, wanted))
    return mtf50(without_border(straight), without_border(part))


def part_shown(image: torch.Tensor, truth: torch.Tensor) -> tuple[slice, slice]:
    """Return the rows and columns of a truth [H, W] that an image [h, w] shows. The image may be
    smaller because the camera moved. All, if the image is not found in the truth."""
    height, width = image.shape
    smaller = image.shape != truth.shape and height <= truth.shape[0] and width <= truth.shape[1]
    shown, wanted = (linear_to_display(part.float()) for part in (image, truth))
    place = locate(shown, wanted) if smaller else None
    if place is None:
        return slice(None), slice(None)
    left, top = place
    return slice(top, top + height), slice(left, left + width)


def shifted_onto(image: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Return an image [h, w] without its shift against truth [h, w], both linear."""
    shift = _find_shift(linear_to_display(image.float()), linear_to_display(truth.float()))
    return _shifted(twice_as_fine(image[None].float()), shift)


def _displayed(image: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return an image [h, w] and the part of a truth that it shows, for display, or StackError."""
    truth = truth[part_shown(image, truth)]
    if image.shape != truth.shape:
        raise StackError(
            f"--truth: expected a scene of {tuple(image.shape)}, found {tuple(truth.shape)}."
            " Pass the truth of this stack."
        )
    return linear_to_display(image.float()), linear_to_display(truth.float())


def without_border(image: torch.Tensor) -> torch.Tensor:
    """Return an image [h, w] without its border."""
    return image[BORDER:-BORDER, BORDER:-BORDER]


def _find_shift(image: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Return the shift [2] px of image [h, w] against truth [h, w], for any gain and offset."""
    shift = small_shift(image, truth, LARGEST_SHIFT)
    finer = twice_as_fine(image[None])
    constant = torch.ones_like(truth)
    slopes = gradient(truth)
    for _ in range(STEPS):
        gain, _, right, down = _solve([_shifted(finer, shift), constant, *slopes], truth)
        # If the images have nothing in common, the gain vanishes and there is no shift to find.
        if abs(gain) < 0.05:
            break
        shift = (shift + torch.tensor([right, down])).clamp(-LARGEST_SHIFT, LARGEST_SHIFT)
    return shift


def _shifted(finer: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Shift an image [1, 2h - 1, 2w - 1] of twice the resolution; return it at its own [h, w]."""
    height, width = ((side + 1) // 2 for side in finer.shape[-2:])
    return warp_finer(finer, shift[None, :, None, None].expand(1, 2, height, width))[0]


def _gain_and_offset(image: torch.Tensor, truth: torch.Tensor) -> list[float]:
    """Return the gain and the offset that bring image [h, w] closest to truth [h, w]."""
    return _solve([image, torch.ones_like(truth)], truth)


def _solve(parts: list[torch.Tensor], truth: torch.Tensor) -> list[float]:
    """Return the weights of the sum of parts [h, w] closest to truth [h, w], without the border."""
    columns = torch.stack([without_border(part).flatten() for part in parts], dim=1).double()
    normal = columns.T @ columns
    # A uniform image makes the equations singular; damping then gives zero.
    damping = 1e-9 * normal.diagonal().mean() * torch.eye(len(parts), dtype=torch.float64)
    weights = torch.linalg.solve(
        normal + damping, columns.T @ without_border(truth).flatten().double()
    )
    return [float(weight) for weight in weights]
