"""Extract small pictures of the scene, before and after, from the page of a run."""

from __future__ import annotations

import base64
import re

import cv2
import numpy as np

from burst.report.pictures import reduced

LONGEST_SIDE = 160  # px
JPEG_QUALITY = 80

# How `report.html.j2` writes the first picture and the result; a page of one picture has neither.
_PATTERNS = {
    "before": re.compile(r'<figure class="before"[^>]*><img src="data:image/\w+;base64,([^"]+)"'),
    "after": re.compile(r'<figure class="after"><img src="data:image/\w+;base64,([^"]+)"'),
}
NAMES = tuple(_PATTERNS)


def thumbnails(page: str) -> dict[str, bytes]:
    """Return "before" and "after" as JPEG; nothing where the page does not compare the two.

    Both keep the black and white points that the page gave them.
    """
    found = {name: pattern.search(page) for name, pattern in _PATTERNS.items()}
    return {name: _reduce(base64.b64decode(match[1])) for name, match in found.items() if match}


def _reduce(picture: bytes) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    small = reduced(np.asarray(pixels), LONGEST_SIDE)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
