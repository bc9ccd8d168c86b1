"""Text travels in a PNG without touching its pixels."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from burst.files.png import encode_png


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
def test_pixels_and_text_come_back(shape: tuple[int, ...]) -> None:
    image = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape) * 999
    png = encode_png(image, "note", "café\nline two")
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(pixels if len(shape) == 2 else pixels[..., ::-1], image)
    with Image.open(io.BytesIO(png)) as stored:
        stored.load()
        assert stored.text["note"] == "café\nline two"


def test_other_programs_read_the_text() -> None:
    png = encode_png(np.zeros((4, 5), np.uint16), "note", "café")
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        assert image.text["note"] == "café"
