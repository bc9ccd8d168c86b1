"""The pictures that the page compares: from linear frames to small images inside the page."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from burst.ops.alignment.motion import flow_of
from burst.ops.bayer import demosaic, mosaic_to_planes, planes_to_mosaic
from burst.ops.color import developed, linear_to_display
from burst.ops.frames.track import cut_out
from burst.ops.orientation import upright
from burst.ops.warp import warp
from burst.records import Burst, Sensor, Stack
from burst.report.rolling import Instants, as_displayed, frame_image, from_dn, grey, scores

LONGEST_SIDE = 1024  # px; larger frames are shown reduced
LOSSLESS_PIXELS = 400 * 400  # noise does not compress: above this a page of PNGs nears 3 MB
JPEG_QUALITY = 85
ERROR_SHOWN = 0.2  # of white; larger errors are shown black and white
DARKEST, BRIGHTEST = 0.2, 99.8  # percentiles of the result that are shown black and white


@dataclass(frozen=True)
class Picture:
    """One picture of the scene: a name for programs, a label for people, a data URI, its size."""

    name: str
    label: str
    uri: str
    width: int
    height: int


def scene_pictures(
    burst: Burst,
    shown: np.ndarray | None = None,
    instants: Instants | None = None,
    whole: Stack | None = None,
) -> list[Picture]:
    """Return the pictures that the page compares, as far as they exist: first frame, plain mean,
    aligned mean, standard deviation of the result, and result; for images of instants the nearest
    frame or pair, truth and result.

    All but the deviation are shown with the black and white points of the last one, so that they
    can be compared.
    `shown` (h, w) or (h, w, 3), linear, replaces `burst.image`. With the `whole` stack that has
    colours, of which `burst` may be one channel, the frame and the mean are in colour, too.
    """
    if instants is not None:
        known = _instant_images(instants, whole)
    elif whole is not None and shown is not None:
        known = _colour_images(burst, shown, whole)
    else:
        known = _images_by_step(burst, shown)
    black, white = display_points(known[-1][2])
    pictures = [
        _picture(name, label, _shown(encode(image, black, white, burst.stack.sensor), burst))
        for name, label, image in known
    ]
    if burst.deviation is not None:
        pictures.insert(-1, _deviation_picture(_array(burst.deviation), burst))
    if burst.moving is not None:
        pixels = 255 * burst.moving.mask.cpu().numpy().astype(np.uint8)
        label = f"What moves by itself (white), shown as in frame {burst.moving.frame}"
        pictures.insert(-1, _picture("moving", label, _shown(pixels, burst)))
    if burst.gathered is not None:
        pixels = np.rint(255 * _array(burst.gathered.believed)).astype(np.uint8)
        label = "Share of the frames that were believed (black: none but one)"
        pictures.insert(-1, _picture("believed", label, _shown(pixels, burst)))
    return pictures


def _deviation_picture(deviation: np.ndarray, burst: Burst) -> Picture:
    """Return a picture of the standard deviation: black 0, white what few pixels exceed."""
    white = max(float(np.percentile(deviation, BRIGHTEST)), 1e-6)
    pixels = np.rint(np.clip(deviation / white, 0, 1) * 255).astype(np.uint8)
    label = f"Uncertainty (white: ± {white:.2g})"
    return _picture("deviation", label, _shown(pixels, burst))


def error_pictures(instants: Instants) -> list[Picture]:
    """Return pictures of the errors of frame and result, mid grey for none; none without truth."""
    number, sensor = instants.shown, instants.burst.stack.sensor
    truth = instants.truths.get(number)
    if truth is None:
        return []
    first = instants.frame_of(number)
    wanted = grey(as_displayed(truth, sensor))
    score = scores(replace(instants, truths={number: truth}))[0]
    pictures = []
    for name, label, image in (
        (
            "frame-error",
            f"Frame {first}: {score['frame_psnr']:.1f} dB",
            frame_image(instants.burst, first),
        ),
        ("error", f"Restored: {score['psnr']:.1f} dB", instants.images[number]),
    ):
        error = grey(as_displayed(image, sensor)) - wanted
        pixels = (0.5 + error / (2 * ERROR_SHOWN)).clip(0, 1) * 255
        pixels = _shown(np.asarray(np.rint(pixels), np.uint8), instants.burst)
        pictures.append(_picture(name, label, pixels))
    return pictures


def encode(image: np.ndarray, black: float, white: float, sensor: Sensor) -> np.ndarray:
    """Return an image (h, w) or (h, w, 3) as uint8 for display, `black` to 0 and `white` to 255.

    A source that was display-encoded from the start gets no second curve.
    """
    stretched = np.clip((np.nan_to_num(image) - black) / (white - black), 0, 1)
    if sensor.transfer == "linear":
        stretched = linear_to_display(torch.from_numpy(stretched)).numpy()
    return np.asarray(np.rint(stretched * 255), np.uint8)


def _shown(pixels: np.ndarray, burst: Burst) -> np.ndarray:
    return upright(pixels, burst.stack.sensor.orientation)


def _images_by_step(burst: Burst, shown: np.ndarray | None) -> list[tuple[str, str, np.ndarray]]:
    """Return name, label and linear image of every step that was run."""
    images = [("first", _frame_label(burst.numbers[0], burst), _first_frame(burst))]
    if burst.linear is not None:
        images.append(("mean", "Plain mean", _array(_on_result_grid(burst.linear.mean(0), burst))))
    if burst.merged is not None:
        images.append(("merged", "Aligned mean", _array(burst.merged)))
    if shown is not None:
        images.append(("restored", "Restored", balanced(shown, burst)))
    elif burst.image is not None:
        images.append(("restored", "Restored", _array(burst.image)))
    return images


def _recorded(number: int, burst: Burst, whole: Stack | None) -> np.ndarray:
    """Return a frame as it was recorded, in colour where it has any."""
    if whole is None:
        return balanced(frame_image(burst, number), burst)
    return _in_colour([number], burst, whole)


def _frame_label(number: int, burst: Burst) -> str:
    """Name a frame by its number, which settings and tables count from 0 as well."""
    count = burst.stack.count
    return f"Frame {number} of {count}" if number else f"First frame of {count}"


def _colour_images(
    burst: Burst, shown: np.ndarray, whole: Stack
) -> list[tuple[str, str, np.ndarray]]:
    """Return name, label and linear image [h, w, 3] of the first frame, the plain mean and the
    result of a stack with colours; `burst` is that of its first channel."""
    numbers, track = burst.numbers, burst.track
    if track is not None:
        # A pixel of the frames that were followed is a cell of 2 x 2 of a mosaic.
        side = 1 if whole.sensor.cfa == "mono" else 2
        corner = tuple((side * x, side * y) for x, y in track.corner)
        size = (side * track.size[0], side * track.size[1])
        whole = cut_out(whole, replace(track, corner=corner, size=size))
    return [
        ("first", _frame_label(numbers[0], burst), _in_colour(numbers[:1], burst, whole)),
        ("mean", "Plain mean", _in_colour(numbers, burst, whole)),
        ("restored", "Restored", balanced(shown, burst)),
    ]


def _in_colour(numbers: list[int], burst: Burst, whole: Stack) -> np.ndarray:
    """Return the mean of some frames of a stack with colours [h, w, 3], black 0 and white 1, as
    displays show them and in the place of the result."""
    sensor, cfa = whole.sensor, whole.sensor.cfa
    source = whole.frames if whole.colour is None else whole.colour
    chosen = list(range(len(source))) if len(numbers) == len(source) else numbers
    total = np.zeros(source.shape[1:])
    for number in chosen:
        total += source[number]
    mean = (total / len(chosen)).astype(np.float32)
    if cfa == "mono":
        planes = np.moveaxis((mean - sensor.black) / (sensor.white_level - sensor.black), -1, 0)
        return balanced(np.moveaxis(_placed(torch.from_numpy(planes), burst).numpy(), 0, -1), burst)
    mean = mean[: whole.height // 2 * 2, : whole.width // 2 * 2]
    blacks = np.resize(np.asarray(sensor.black_levels, np.float32), 4).reshape(2, 2)
    black = np.tile(blacks, (len(mean) // 2, mean.shape[1] // 2))
    linear = torch.from_numpy((mean - black) / (sensor.white_level - black))
    placed = _placed(mosaic_to_planes(linear, cfa), burst)
    colour = demosaic(planes_to_mosaic(placed, cfa), cfa, sensor.white_balance)
    return balanced(np.moveaxis(colour.numpy(), 0, -1), burst)


def _placed(planes: torch.Tensor, burst: Burst) -> torch.Tensor:
    """Return planes [c, h, w] in the place of the result."""
    return torch.stack([_on_result_grid(plane.to(burst.device), burst).cpu() for plane in planes])


def _instant_images(instants: Instants, whole: Stack | None) -> list[tuple[str, str, np.ndarray]]:
    """Return name, label and image of the frame or the pair, the truth, and the result."""
    burst, number = instants.burst, instants.shown
    first = instants.frame_of(number)
    images = [
        (f"frame-{k}", _frame_label(k, burst), _recorded(k, burst, whole))
        for k in range(first, first + 1 + instants.paired)
    ]
    if number in instants.truths:
        images.append(("truth", "Truth", balanced(instants.truths[number], burst)))
    return [*images, ("restored", "Restored", balanced(instants.images[number], burst))]


def _first_frame(burst: Burst) -> np.ndarray:
    if burst.linear is not None:
        return _array(_on_result_grid(burst.linear[0], burst))
    return from_dn(burst.stack.frames[burst.numbers[0]], burst.stack.sensor)


def _on_result_grid(image: torch.Tensor, burst: Burst) -> torch.Tensor:
    """Resample an image [h, w] from the first frame to the grid of the result, where it moved."""
    if burst.motion is None or burst.merged is None:
        return image
    size = (burst.merged.shape[0], burst.merged.shape[1])
    return warp(image[None], flow_of(burst.motion[:1], size))[0]


def balanced(shown: np.ndarray, burst: Burst) -> np.ndarray:
    """Return a linear picture in the colours of a display; grey or encoded ones unchanged."""
    sensor = burst.stack.sensor
    encoded = sensor.transfer == "srgb"
    return np.asarray(shown if encoded else developed(shown, sensor), np.float32)


def _array(tensor: torch.Tensor) -> np.ndarray:
    return np.asarray(tensor.detach().float().cpu().numpy())


def display_points(image: np.ndarray) -> tuple[float, float]:
    """Return the linear levels that are shown black and white: percentiles of an image."""
    finite = image[np.isfinite(image)]
    if not finite.size:
        return 0.0, 1.0
    black, white = np.percentile(finite, (DARKEST, BRIGHTEST))
    return float(black), float(max(white, black + 1e-6))


def reduced(pixels: np.ndarray, longest: int) -> np.ndarray:
    """Return pixels (h, w) or (h, w, 3) uint8 with no side longer than `longest` px."""
    scale = min(1.0, longest / max(pixels.shape[:2]))
    if scale == 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def data_uri(pixels: np.ndarray, suffix: str, quality: int = JPEG_QUALITY) -> str:
    """Return pixels (h, w) or (h, w, 3) uint8 as .png or .jpg inside the page."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
    in_file_order = pixels[..., ::-1] if pixels.ndim == 3 else pixels  # OpenCV writes B, G, R
    data = cv2.imencode(suffix, np.ascontiguousarray(in_file_order), options)[1].tobytes()
    kind = "png" if suffix == ".png" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _picture(name: str, label: str, pixels: np.ndarray) -> Picture:
    pixels = reduced(pixels, LONGEST_SIDE)
    lossless = pixels.shape[0] * pixels.shape[1] <= LOSSLESS_PIXELS
    uri = data_uri(pixels, ".png" if lossless else ".jpg")
    return Picture(name, label, uri, pixels.shape[1], pixels.shape[0])
