"""Each tile takes its own sharpest frames where the camera moved as well."""

import pytest

from burst.measure.scores import score
from burst.measure.suites.sound import DisturbedStack, at_rest, disturbed
from burst.pipeline import load
from burst.records import Burst


@pytest.mark.parametrize("path", ["turned by 10 degrees", "drifted by half a frame"])
def test_tiles_of_a_moving_camera_take_their_own_frames(path):
    case = DisturbedStack("camera", path, "camera", "low", 0, 24, 128)
    stack, truth = disturbed(case)[0], at_rest(case).truth.scene

    def restored(per: str) -> float:
        settings = ("select.keep=0.3", f"select.per={per}")
        return score(load("classical", settings).run(Burst(stack)).image, truth).psnr

    assert restored("tile") > restored("frame") + 1
