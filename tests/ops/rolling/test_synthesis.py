"""The image of an instant comes from all that was recorded."""

import torch
from rolled import known_of, recording, truth
from torch.nn.functional import max_pool2d

from burst.ops.flow import fill
from burst.ops.rolling.synthesis import image_at


def test_every_plane_is_moved_alike():
    known = known_of(recording())
    plane = known.frames[:, None] / 255
    image = image_at(known, lambda k: torch.cat([plane[k], 1 - plane[k]]), 0.5).image
    torch.testing.assert_close(image[1], 1 - image[0], atol=1e-4, rtol=0)


def test_what_no_frame_shows_is_filled_from_around_it():
    sequence = recording(speed=600.0)
    known = known_of(sequence)
    planes = known.frames[:, None] / 255
    # The first row of the first frame is read 24 px before the last of the second.
    made = image_at(known, lambda k: planes[k], known.times.instant(0, 0.5, 128))
    near = max_pool2d(made.trust.amax(0)[None], 3, 1, 1)[0]
    unseen = near == 0  # by more than a pixel
    assert 0.01 < float(unseen.float().mean()) < 0.3
    around = fill(made.image, (near > 0).float())
    torch.testing.assert_close(made.image[:, unseen], around[:, unseen], atol=1e-4, rtol=0)
    wanted = truth(sequence, 0, 0.5)
    mirrored = made.images[:, 0].mean(0)

    def error(image: torch.Tensor) -> float:
        return float((image - wanted)[unseen].square().mean())

    assert error(made.image[0]) < 0.7 * error(mirrored)
