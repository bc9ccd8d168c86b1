"""What moves by itself in front of a still scene is shown once, and the rest as if it were not."""

from functools import lru_cache

import pytest
import torch
from simulated import before, camera_scene

from burst.data.levels import find_level
from burst.data.scenes import read_scene
from burst.data.things import pass_through
from burst.data.turbulence import simulate
from burst.ops.metrics import psnr
from burst.pipeline import Pipeline, load
from burst.records import Burst
from burst.stages import align

FRAMES, SIZE, SIDE = 24, 96, 20


def pipeline(moving: bool) -> Pipeline:
    """Return the classical pipeline, which looks for things that move or does not."""
    return load("classical", [f"align.moving={str(moving).lower()}"])


@lru_cache(maxsize=4)
def restored(speed: float, moving: bool = True) -> tuple[Burst, torch.Tensor, torch.Tensor]:
    """Return a restored burst in which a disc passes, its truth, and where the disc was."""
    scenes, there = pass_through(camera_scene(), read_scene("grass"), SIDE, speed, FRAMES)
    generator = torch.Generator().manual_seed(3)
    conditions = find_level("low").point()
    simulated = simulate(scenes, conditions, generator, FRAMES, (SIZE, SIZE))
    margin = (camera_scene().shape[0] - SIZE) // 2
    inside = slice(margin, margin + SIZE)
    return (
        pipeline(moving).run(Burst(simulated.stack)),
        simulated.truth.scene,
        there[:, inside, inside],
    )


def test_a_thing_that_moves_is_shown_once():
    burst, truth, there = restored(1.0)
    passed = there.any(0)
    found, plain = (
        psnr(one.image[passed], truth[passed]) for one in (burst, restored(1.0, False)[0])
    )
    assert found > plain + 4
    assert burst.moving.frame == FRAMES // 2


def test_the_scene_around_it_is_as_good_as_without_it():
    burst, truth, there = restored(1.0)
    alone = restored(0.0, False)[0]
    apart = ~torch.nn.functional.max_pool2d(there.any(0)[None].float(), 17, 1, 8)[0].bool()
    apart[:8] = apart[-8:] = apart[:, :8] = apart[:, -8:] = False
    assert psnr(burst.image[apart], truth[apart]) > psnr(alone.image[apart], truth[apart]) - 1


def test_the_mask_says_where_it_passed():
    burst, _, there = restored(1.0)
    passed = there.any(0)
    mask = burst.moving.mask
    assert float((mask & passed).sum() / (mask | passed).sum()) > 0.5


@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_nothing_moves_in_air_alone_and_nothing_changes(level):
    burst = before("align", level)
    found, plain = (align.run(burst, align.Config(moving=moving)) for moving in (True, False))
    assert found.moving is None
    assert found.valid is burst.valid
    assert torch.equal(found.merged, plain.merged)
    assert torch.equal(found.flow, plain.flow)
