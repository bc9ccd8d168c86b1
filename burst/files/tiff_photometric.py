"""Interpret the numbers of TIFF pages: grey, min-is-white, palette, colour or a mosaic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from burst.files.luminance import to_luminance
from burst.files.values import assumed_sensor, white_of_colours
from burst.log import LOG
from burst.records import BAYER_PATTERNS, Sensor, StackError

# Tags of TIFF 6.0 and TIFF/EP.
_MAXIMUM, _PALETTE_COLOURS, _ORIENTATION = 281, 320, 274
_CFA_SIZE, _CFA_PATTERN = 33421, 33422
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR, _CFA, _LINEAR_RAW = (
    0, 1, 2, 3, 6, 32803, 34892,
)  # fmt: skip
_GREYS = 257  # a palette holds 8-bit values times 257


@dataclass(frozen=True)
class DecodedPages:
    """Pages as numbers that rise with light.

    frames       [n, h, w] DN
    colours      [n, h, w, 3], blue first; None for grey
    white        white level, if tags or packing indicate it
    cfa          "mono" or a Bayer pattern
    orientation  of EXIF
    """

    frames: np.ndarray
    colours: np.ndarray | None = None
    white: float | None = None
    cfa: str = "mono"
    orientation: int = 1

    def first_page(self) -> np.ndarray:
        """Return the first page [h, w], or [h, w, 3] in colour."""
        first: np.ndarray = self.frames[0] if self.colours is None else self.colours[0]
        return first


def decode_pages(path: Path, page: Any, array: np.ndarray, *, imagej: bool) -> DecodedPages:
    """Interpret pages [n, h, w] or [n, h, w, samples]; StackError for no images of light."""
    pages, turned = _decode_pages(path, page, array, imagej=imagej), _value(page, _ORIENTATION)
    orientation = int(turned) if turned in range(1, 9) else 1
    return replace(pages, cfa=_mosaic_of(page), orientation=orientation)


def sensor_of_pages(pages: DecodedPages) -> Sensor:
    """Return the sensor that tags and values indicate."""
    sensor = assumed_sensor(pages.frames) if pages.frames.ndim == 3 else Sensor()
    white = pages.white or (None if pages.colours is None else white_of_colours(pages.frames))
    return replace(
        sensor,
        white_level=white or sensor.white_level,
        cfa=pages.cfa,
        orientation=pages.orientation,
    )


def _decode_pages(path: Path, page: Any, array: np.ndarray, *, imagej: bool) -> DecodedPages:
    kind = int(page.photometric)
    white = _white_of_bits(page)
    if kind == _WHITE_IS_ZERO:
        return _inverted(path, page, array)
    if kind == _PALETTE:
        return _from_palette(path, page, array, imagej)
    if kind in (_RGB, _YCBCR, _LINEAR_RAW) and array.shape[-1] in (3, 4) and array.ndim == 4:
        colours = array[..., 2::-1]
        return DecodedPages(to_luminance(path, colours), colours, white)
    if kind in (_BLACK_IS_ZERO, _CFA, _LINEAR_RAW):
        return DecodedPages(_without_alpha(path, page, array), white=white)
    name = getattr(page.photometric, "name", str(kind))
    raise StackError(
        f"{path}: expected grey, colour or mosaic pages, found {name} of"
        f" {page.samplesperpixel} values a pixel. Save it again as grey uint16."
    )


def _value(page: Any, code: int) -> Any:
    tag = page.tags.get(code)
    return None if tag is None else tag.value


def _white_of_bits(page: Any) -> float | None:
    """Return the largest value of pages of 2 to 15 bits; None for whole bytes."""
    bits = page.bitspersample
    return float(2**bits - 1) if page.dtype is not None and 1 < bits < 16 and bits != 8 else None


def _inverted(path: Path, page: Any, array: np.ndarray) -> DecodedPages:
    """Invert pages whose 0 is white; with 16 bits white is the largest value of the bits in use."""
    pixels = _without_alpha(path, page, array)
    if pixels.dtype.kind != "u":
        raise StackError(
            f"{path}: expected whole numbers where 0 is white, found {pixels.dtype}."
            " Save it again with 0 as black."
        )
    highest = int(pixels.max(initial=0))
    stated = _value(page, _MAXIMUM)
    ends = (stated if isinstance(stated, int) else 0, 255, 4095, 16383, 2**page.bitspersample - 1)
    end = next((e for e in ends if e >= highest), 2**page.bitspersample - 1)
    if pixels.dtype.itemsize == 1:
        end = 2**page.bitspersample - 1
    LOG.info("%s: 0 is white; the values are taken from %d.", path, end)
    return DecodedPages((end - pixels).astype(pixels.dtype.newbyteorder("=")), white=float(end))


def _from_palette(path: Path, page: Any, array: np.ndarray, imagej: bool) -> DecodedPages:
    """Apply a palette: its greys, or the luminance of its colours. ImageJ displays measured values
    in false colours; there the numbers themselves are used."""
    table = np.asarray(_value(page, _PALETTE_COLOURS), np.uint16).reshape(3, -1)
    grey = bool((table == table[0]).all())
    if imagej and not grey:
        LOG.info("%s: its false colours are left out; the values count.", path)
        return DecodedPages(array)
    narrow = not (table % _GREYS).any()
    table = (table // _GREYS).astype(np.uint8) if narrow else table
    if grey:
        return DecodedPages(table[0][array], white=255.0 if narrow else 65535.0)
    colours = np.moveaxis(table[::-1][:, array], 0, -1)
    return DecodedPages(to_luminance(path, colours), colours, 255.0 if narrow else 65535.0)


def _without_alpha(path: Path, page: Any, array: np.ndarray) -> np.ndarray:
    """Return grey pages without transparency; StackError for several channels."""
    samples = page.samplesperpixel
    if samples == 1:
        return array
    if samples == 2 and len(page.extrasamples) == 1:
        return array[..., 0]
    raise StackError(
        f"{path}: expected one value a pixel, or three of a colour picture, found {samples}."
        " Save one channel as a stack of its own."
    )


def _mosaic_of(page: Any) -> str:
    """Return the colours of a mosaic's 2x2 cell; "mono" for other pages."""
    if int(page.photometric) != _CFA:
        return "mono"
    pattern, size = _value(page, _CFA_PATTERN), _value(page, _CFA_SIZE)
    name = "".join("RGB"[site] if site < 3 else "?" for site in tuple(pattern or ()))
    if name not in BAYER_PATTERNS or tuple(size or (2, 2)) != (2, 2):
        raise StackError(f"cfa: expected a Bayer pattern of 2 x 2 sites, found '{name}'.")
    return name
