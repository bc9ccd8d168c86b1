"""The image of an instant comes from all that was recorded."""

import torch
from rolled import known_of, recording

from burst.ops.rolling.synthesis import image_at


def test_every_plane_is_moved_alike():
    known = known_of(recording())
    plane = known.frames[:, None] / 255
    image = image_at(known, lambda k: torch.cat([plane[k], 1 - plane[k]]), 0.5).image
    torch.testing.assert_close(image[1], 1 - image[0], atol=1e-4, rtol=0)
