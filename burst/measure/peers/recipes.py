"""Two published methods, reimplemented briefly: stack in, linear image [h, w] out.

`winner`    the first of UG2+ 2023 track 2.2 (arXiv 2306.09379): flow from the mean of the frames,
            the sharpest 30 averaged
`template`  the diffeomorphic template (arXiv 2405.03662): flow from a sharp key frame, whose own
            warp is the mean flow and is inverted, trimmed mean
Their flow is OpenCV's DIS; Richardson-Lucy replaces their deblurring (a trained network, ADMM).
"""

from __future__ import annotations

import cv2
import numpy as np
import skimage
import torch
from einops import rearrange
from torch.nn import functional

from burst.ops.alignment.registration import recentre
from burst.ops.noise import to_linear
from burst.ops.warp import warp
from burst.records import Stack

SHARPEST = 30  # frames that the winner averages
SHARPNESS_BOX = 15  # px, over which gradients are averaged
TRIMMED = 0.1  # share of a pixel's values that the template drops at either end
FLOW_PERCENTILES = (0.1, 99.9)  # of the reference, scaled to the 8 bits that DIS accepts

# One width for every stack, as in the recipes. Of settings from 0.8 px and 5 iterations to 2 px and
# 15 this one scored best at medium, on the mean of three stacks; at low a milder one scores up to
# 0.7 dB more.
DEBLUR_SIGMA = 1.6  # px
DEBLUR_ITERATIONS = 15
DEBLUR_REACH = 6  # px
DEBLUR_MARGIN = 4 * DEBLUR_REACH  # px; dark borders of the deconvolution stay outside the image
DARKEST = 1e-3  # Richardson-Lucy needs positive values


def winner(stack: Stack) -> torch.Tensor:
    """Return the image [h, w] by the winner's method."""
    frames = _linear(stack)
    registered = warp(frames, dis_flow(frames.mean(0), frames))
    best = boxed_gradients(registered).argsort(descending=True)[:SHARPEST]
    return richardson_lucy(registered[best].mean(0))


def template(stack: Stack) -> torch.Tensor:
    """Return the image [h, w] by the diffeomorphic template."""
    frames = _linear(stack)
    key = int(boxed_gradients(frames).argmax())
    registered = warp(frames, recentre(dis_flow(frames[key], frames)))
    dropped = int(TRIMMED * len(frames))
    middle = registered.sort(dim=0).values[dropped : len(frames) - dropped]
    return richardson_lucy(middle.mean(0))


def dis_flow(reference: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """Return the displacement [n, 2, h, w] px from a reference [h, w] to each frame [n, h, w]."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(0)
    low, high = np.percentile(reference.numpy(), FLOW_PERCENTILES)
    scale = 255 / max(float(high - low), 1e-6)
    bytes_of = [((f - low) * scale).clamp(0, 255).byte().numpy() for f in (reference, *frames)]
    still = np.zeros((*reference.shape, 2), np.float32)
    flows = np.stack([dis.calc(bytes_of[0], frame, still.copy()) for frame in bytes_of[1:]])
    return rearrange(torch.from_numpy(flows), "n h w xy -> n xy h w").contiguous()


def boxed_gradients(frames: torch.Tensor) -> torch.Tensor:
    """Return the sharpness [n] of frames [n, h, w]: the sum of box-averaged gradient magnitudes."""
    down, right = torch.gradient(frames, dim=(1, 2))
    boxed = functional.avg_pool2d(torch.hypot(down, right)[:, None], SHARPNESS_BOX, stride=1)
    return boxed.sum((1, 2, 3))


def richardson_lucy(image: torch.Tensor) -> torch.Tensor:
    """Return an image [h, w] deblurred by a Gaussian of fixed width; edges reflect."""
    reach = np.arange(-DEBLUR_REACH, DEBLUR_REACH + 1)
    row = np.exp(-(reach**2) / (2 * DEBLUR_SIGMA**2))
    psf = np.outer(row, row) / row.sum() ** 2
    padded = np.pad(image.numpy().clip(DARKEST), DEBLUR_MARGIN, mode="reflect")
    sharp = skimage.restoration.richardson_lucy(padded, psf, DEBLUR_ITERATIONS, clip=False)
    inside = slice(DEBLUR_MARGIN, -DEBLUR_MARGIN)
    return torch.from_numpy(sharp[inside, inside].astype(np.float32))


def _linear(stack: Stack) -> torch.Tensor:
    return to_linear(stack.frames, stack.sensor).cpu()
