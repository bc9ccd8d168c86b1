"""The peers bring back an image of the scene, on the frames' grid and on the linear scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from burst.data.levels import find_level
from burst.data.turbulence import simulate
from burst.measure.peers.baselines import plain_mean
from burst.measure.peers.find import PEERS, peers_if
from burst.measure.peers.programs import find_pss, find_siril, place, pss, siril
from burst.measure.peers.recipes import boxed_gradients, dis_flow, richardson_lucy
from burst.measure.results import PeerError
from burst.measure.scores import score
from burst.ops.color import display_to_linear
from burst.ops.warp import warp
from burst.records import Sensor, Stack


def reason_missing(finder) -> str:
    """Return why a program cannot be used; nothing if it can."""
    try:
        finder()
    except PeerError as error:
        return str(error)
    return ""


needs_pss = pytest.mark.skipif(bool(reason_missing(find_pss)), reason=reason_missing(find_pss))
needs_siril = pytest.mark.skipif(
    bool(reason_missing(find_siril)), reason=reason_missing(find_siril)
)


@pytest.fixture(scope="module")
def simulated():
    camera = torch.from_numpy(data.camera().astype(np.float32) / 255)
    generator = torch.Generator().manual_seed(0)
    point = find_level("medium").point()
    return simulate(display_to_linear(camera), point, generator, frames=40, size=(160, 160))


def gain_over_mean(simulated, image) -> float:
    """Return by how many dB an image beats the plain mean."""
    truth = simulated.truth.scene
    return score(image, truth).psnr - score(plain_mean(simulated.stack), truth).psnr


@pytest.mark.parametrize("name", ["winner", "template"])
def test_recipe_beats_the_mean(simulated, name):
    image = PEERS[name](simulated.stack)
    assert image.shape == (160, 160)
    assert image.dtype == torch.float32
    assert gain_over_mean(simulated, image) > 1.5


def test_recipe_takes_the_frames_black_and_white_for_0_and_1():
    frames = np.full((8, 64, 64), 1256, np.uint16)
    stack = Stack(frames, Sensor(black_level=256, white_level=2256))
    for name in ("winner", "template"):
        assert PEERS[name](stack)[8:-8, 8:-8].mean() == pytest.approx(0.5, abs=0.01)


def test_flow_points_from_the_reference_to_the_frame(simulated):
    scene = simulated.truth.scene
    moved = warp(scene[None], torch.tensor([1.5, -0.5])[None, :, None, None].expand(1, 2, 160, 160))
    flow = dis_flow(scene, moved)[0, :, 40:-40, 40:-40].median(-1).values.median(-1).values
    assert flow.tolist() == pytest.approx([-1.5, 0.5], abs=0.1)


def test_sharper_frame_has_larger_gradients(simulated):
    frames = torch.stack([simulated.truth.scene, plain_mean(simulated.stack)])
    sharp, blurred = boxed_gradients(frames)
    assert sharp > 1.2 * blurred


def test_deblurring_keeps_flat_light():
    flat = torch.full((40, 50), 0.3)
    torch.testing.assert_close(richardson_lucy(flat), flat, atol=1e-4, rtol=0)


@needs_pss
@pytest.mark.parametrize("name", ["pss", "pss deblurred"])
def test_pss_gives_an_image_on_the_frames_grid(simulated, name):
    image = PEERS[name](simulated.stack)
    assert image.shape == (160, 160)
    assert gain_over_mean(simulated, image) > 0.5


@needs_siril
def test_siril_gives_an_image_on_the_frames_grid(simulated):
    image = siril(simulated.stack)
    assert image.shape == (160, 160)
    assert gain_over_mean(simulated, image) > -0.5
    mean = float(plain_mean(simulated.stack).mean())
    assert float(image.mean()) == pytest.approx(mean, abs=0.02)


@needs_pss
def test_pss_without_an_image_says_why():
    tiny = Stack(np.full((4, 32, 32), 900, np.uint16), Sensor())
    with pytest.raises(PeerError, match=r"pss: expected an image, found none\. It ended with"):
        pss(tiny)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (3, 7), (9, 2)])
def test_cropped_result_is_put_back_at_its_place(top, left):
    frame = data.camera()[100:200, 100:200].astype(np.float32) + 1
    result = 1.1 * frame[top : top + 90, left : left + 92]
    result[:2] = 0  # the rim it leaves black
    placed = place(result, frame)
    assert placed.shape == frame.shape
    inside = placed[top + 2 : top + 90, left : left + 92]
    np.testing.assert_allclose(inside, result[2:])
    np.testing.assert_allclose(placed[top : top + 2], frame[top : top + 2])
    np.testing.assert_allclose(placed[:, :left], frame[:, :left])


def test_missing_programs_are_told_and_left_out(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("BURST_PSS", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    assert list(peers_if(True)) == ["winner", "template"]
    assert [message.removeprefix("--peers: left out: ") for message in caplog.messages] == [
        f"pss: expected {tmp_path}/bin/PlanetarySystemStacker, found nothing there."
        " Install it as docs/peers.md says, or point $BURST_PSS to its environment.",
        "siril: expected siril-cli on the path, found none. Install it as docs/peers.md says.",
    ]
    assert peers_if(False) == {}
