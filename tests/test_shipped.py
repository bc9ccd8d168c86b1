"""The networks that are shipped: true cards, each chosen for its level, none inventing detail."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from burst.data.handheld import WHITE_BALANCE, simulate_handheld
from burst.data.levels import find_level, read_levels
from burst.data.rolling import draw_layers, simulate_shutter
from burst.data.scenes import read_colours, read_scene
from burst.data.targets import draw_target
from burst.data.turbulence import simulate
from burst.measure.scores import score
from burst.network.card import card_text
from burst.network.checkpoint import choose, load, name_of, read_card
from burst.ops.color import linear_to_display
from burst.ops.metrics import psnr
from burst.pipeline import load as load_pipeline
from burst.pipeline import run_step
from burst.records import Burst, NoiseModel, Sensor, Shutter, Stack

FOLDER = Path(__file__).parents[1] / "checkpoints"
SHIPPED = sorted(FOLDER.glob("*.safetensors"))
LARGEST = 16 * 2**20  # bytes
LEVELS = tuple(read_levels())
# Of a row, in frame times, by the shutter whose network is shipped.
EXPOSURES = {"rolling": 0.3, "global_reset": 0.2, "dual_reversed": 0.02}


def restored(scene: torch.Tensor, level: str, seed: int = 0) -> tuple[Burst, Burst, torch.Tensor]:
    """Return a burst before and after the network, and the scene as it was seen."""
    conditions = find_level(level).point()
    simulated = simulate(scene, conditions, torch.Generator().manual_seed(seed), 30, (128, 128))
    pipeline = load_pipeline("turbulence")
    network = pipeline.steps[-1]
    before = pipeline.before(network.name).run(Burst(simulated.stack))
    return before, run_step(network, before), simulated.truth.scene


def recorded(kind: str, seed: int) -> tuple[Stack, torch.Tensor]:
    """Return blurred and noisy frames of a shutter, and the truth of the middle of the readout."""
    shutter = Shutter(kind)
    sensor = Sensor(
        white_level=4095,
        noise=NoiseModel(1 / 2000, 1e-5),
        shutter=shutter,
        exposure_time=EXPOSURES[kind] / 30,
        row_time=0.6 / 30 / 128,
        frame_time=1 / 30,
    )
    scene = draw_layers(read_scene("camera"), (128, 128), 7.0 * 30, 0.0, seed)
    light = 0.2 if shutter is Shutter.GLOBAL_RESET else 0.8
    sequence = simulate_shutter(scene, sensor, 2, torch.Generator().manual_seed(seed), light)
    frame = 0 if shutter is Shutter.DUAL_REVERSED else 1
    moments = zip(sequence.truth_frame, sequence.truth_share, strict=True)
    index = next(i for i, (f, share) in enumerate(moments) if f == frame and share == 0.5)
    return sequence.luminance(), torch.from_numpy(sequence.truths[index] / 4095).float()


@pytest.mark.parametrize("kind", EXPOSURES)
def test_a_shutters_network_is_better_than_geometry(kind):
    gains = []
    for seed in range(3):
        stack, truth = recorded(kind, seed)
        pipeline = load_pipeline(kind)
        before = pipeline.before("correct").run(Burst(stack))
        after = run_step(pipeline.steps[-1], before)
        assert not after.report.warnings
        wanted = linear_to_display(truth)
        scores = [psnr(linear_to_display(burst.image), wanted) for burst in (before, after)]
        gains.append(scores[1] - scores[0])
    assert sum(gains) / len(gains) > 0


@pytest.mark.parametrize(("iso", "gain"), [(100, -0.1), (3200, 0.3)])
def test_the_network_for_photographs_takes_noise_out_and_no_detail(iso, gain):
    burst = simulate_handheld(read_colours("coffee")[:, 100:360, 100:360], iso, 6, seed=0)
    stages = load_pipeline("handheld")
    plain = stages.with_settings({"denoise": {"checkpoint": "none"}})
    figures = []
    for pipeline in (plain, stages):
        done = pipeline.run(Burst(burst.stack))
        assert not done.report.warnings
        truth = burst.truth(int(done.numbers[done.camera.reference]))
        balance = torch.tensor(WHITE_BALANCE)[:, None, None]
        figures.append(
            psnr((balance * done.image)[:, 8:-8, 8:-8], (balance * truth)[:, 8:-8, 8:-8])
        )
    assert figures[1] > figures[0] + gain


def test_every_level_has_its_network():
    assert {path.stem for path in SHIPPED} >= {f"turbulence-{level}" for level in LEVELS}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_card_beside_a_network_is_the_one_in_it(path):
    assert path.with_suffix(".md").read_text("utf-8") == card_text(read_card(path))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_network_is_small_and_takes_its_prior_from_either_source(path):
    assert path.stat().st_size <= LARGEST
    card = load(path, "cpu").card
    either = {"none"} if card.spec.prior == "none" else {"encoder", "diffusion"}
    assert set(card.priors) == either
    assert card.training["licences"]


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_is_restored_by_its_own_network_and_better_than_without(level):
    target = draw_target(160, torch.Generator().manual_seed(7)).image
    before, after, truth = restored(target, level)
    assert before.level is not None
    assert name_of(choose(before.level)) == f"turbulence-{level}"
    assert score(after.image, truth).psnr > score(before.image, truth).psnr


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_is_seen_where_nothing_is(level):
    _, after, _ = restored(torch.full((160, 160), 0.3), level)
    inside = linear_to_display(after.image)[8:-8, 8:-8]
    assert float(inside.std()) < 0.01
