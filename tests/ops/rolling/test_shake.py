"""Three frames tell how a camera shakes; two do not, and what moves by itself is not the camera."""

import pytest
import torch
from simulated import rms

from burst.ops.rolling.shake import Shake, TimedFlow, find_shake
from burst.ops.vibration import Vibration

SIZE = (96, 128)
READOUT = 0.8  # frame times
FRAME_TIME = 1 / 30  # s
SPEED = torch.tensor([6.0, 2.0])  # px a frame time


class Scene:
    """A camera that pans and shakes, before which some points move otherwise."""

    def __init__(self, shake: float, bend: float = 0.0) -> None:
        self.vibration = Vibration(shake, torch.Generator().manual_seed(3))
        self.bend = bend  # px a frame time squared, of a half of the middle rows

    def path(self, times: torch.Tensor) -> torch.Tensor:
        """Return the camera's displacement [2, ...] px."""
        return self.vibration.at(times * FRAME_TIME).movedim(-1, 0)

    def own_times(self, frame: int) -> torch.Tensor:
        rows = torch.arange(SIZE[0])[:, None] / SIZE[0]
        return (frame + READOUT * rows).expand(SIZE)

    def timed_flow(self, frame: int, other: int) -> TimedFlow:
        """Return where another frame sees the points of a frame; far ones move half as fast."""
        own, times = self.own_times(frame), self.own_times(other)
        for _ in range(4):
            depth = torch.linspace(0.5, 1, SIZE[0])[:, None] * torch.linspace(0.9, 1, SIZE[1])
            steady = SPEED[:, None, None] * depth * (times - own)
            flow = steady + self.path(times) - self.path(own)
            flow[:, 30:66, :64] += self.object(times)[:, 30:66, :64]
            flow[:, 30:66, :64] -= self.object(own)[:, 30:66, :64]
            rows = torch.arange(SIZE[0])[:, None] + flow[1]
            times = other + READOUT * rows / SIZE[0]
        return TimedFlow(flow, torch.ones(SIZE), times)

    def object(self, times: torch.Tensor) -> torch.Tensor:
        bent = self.bend * times**2 / 2 + (5.0 if self.bend else 0.0) * times
        return torch.stack([bent, torch.zeros_like(bent)])

    def found(self, frame: int, *others: int) -> Shake | None:
        return find_shake(self.own_times(frame), [self.timed_flow(frame, k) for k in others])

    def errors(self, path: Shake | None, frame: int) -> tuple[float, float]:
        """Return by how much (px rms) rows stay displaced against the middle one: as they were,
        and with what was found; of both a steady motion is taken out."""
        times = self.own_times(frame)[:, 0]
        true = self.path(times)
        said = torch.zeros_like(true) if path is None else path.at(times)
        return rms(_bent(true, times)), rms(_bent(true - said, times))


def _bent(values: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    line = torch.stack([torch.ones_like(times), times], dim=1)
    return values - (line @ torch.linalg.lstsq(line, values.T).solution).T


@pytest.mark.parametrize("others", [(3, 1), (3, 1, 4, 0)])
def test_three_frames_tell_a_shake(others):
    scene = Scene(0.4)
    path = scene.found(2, *others)
    assert path is not None
    before, after = scene.errors(path, 2)
    assert after < 0.6 * before
    assert 0.1 < path.strength < 1


def test_two_frames_tell_nothing_of_it():
    assert Scene(0.4).found(2, 3) is None


def test_frames_in_which_little_is_found_again_tell_nothing_of_it():
    scene = Scene(0.4)
    lost = [TimedFlow(s.flow, 0 * s.trust, s.times) for s in (scene.timed_flow(2, 3),) * 2]
    assert find_shake(scene.own_times(2), lost) is None


def test_a_steady_camera_does_not_shake():
    path = Scene(0.0).found(2, 3, 1)
    assert path is not None
    assert rms(path.at(torch.linspace(1.5, 3.5, 50))) < 0.05


def test_an_object_that_speeds_up_is_not_the_camera():
    scene = Scene(0.4, bend=3.0)
    before, after = scene.errors(scene.found(2, 3, 1), 2)
    assert after < 0.6 * before


def test_a_path_is_straight_between_its_points_and_rests_beyond():
    path = Shake(1.0, torch.tensor([[0.0, 1.0, 4.0], [0.0, 0.0, 2.0]]), 0.1)
    step = (path.end - path.start) / 2
    times = torch.tensor([0.0, 1.0 + step / 2, 1.0 + 1.5 * step, 9.0])
    expected = torch.tensor([[0.0, 0.5, 2.5, 4.0], [0.0, 0.0, 1.0, 2.0]])
    torch.testing.assert_close(path.at(times), expected)
    assert path.velocity(9.0).tolist() == [0.0, 0.0]


def test_a_velocity_is_that_of_the_path():
    path = Shake(0.0, torch.arange(65.0).repeat(2, 1) * torch.tensor([[2 / 64], [-1 / 64]]), 0.0)
    torch.testing.assert_close(path.velocity(0.5), torch.tensor([2.0, -1.0]))
