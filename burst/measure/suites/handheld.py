"""Bursts of raw photographs taken by hand: colours, sharpness, fringes, and a person who walks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from burst.data.charts import EDGES, draw_chart, edges_of
from burst.data.handheld import ISOS, WHITE_BALANCE, Handheld, simulate_handheld
from burst.data.scenes import read_colours
from burst.measure.mtf import edge_mtf
from burst.measure.peers.handheld import developed, developed_mean, tile_merge
from burst.measure.results import Record
from burst.measure.stacks import choose_images
from burst.measure.suite import Options, Suite
from burst.measure.tables import grouped, markdown, mean_of
from burst.ops.alignment.motion import chain, inverse, move
from burst.ops.warp import compose, pixel_grid, warp
from burst.pipeline import Pipeline, load
from burst.records import Burst, given
from burst.restoration import Execution, describe, restore_stack

IMAGES = ("astronaut", "coffee")  # of scikit-image, where no folder is passed
COUNTS = (5, 15, 30)
ZONE, WALKER = "zone plate", "walker"
BORDER = 14  # px, which frames may not show in common
ONE, MEAN, ROBUST, OURS, FINER = "single", "mean", "tile merge", "burst", "burst 2x"
AIR = "turbulence"  # the default pipeline


@dataclass(frozen=True)
class HandheldCase:
    """One burst: a file, a name of scikit-image's or a chart; ISO, frames, and what is measured."""

    image: str
    iso: int
    frames: int
    size: int
    seed: int
    kind: str = "colours"

    @property
    def name(self) -> str:
        """The image's name, the ISO and the frames."""
        return f"{Path(self.image).stem}, {self.kind}, ISO {self.iso}, {self.frames} frames"


def measure(pipeline: Pipeline, case: HandheldCase) -> Record:
    """Simulate a burst and return the figures of every method."""
    burst = simulate_handheld(_scene(case), case.iso, case.frames, case.seed, case.kind == WALKER)
    done = {1.0: pipeline.run(Burst(burst.stack))}
    if case.kind in (EDGES, ZONE):
        finer = pipeline.with_settings({"merge": {"scale": 2.0}})
        done[2.0] = finer.run(Burst(burst.stack))
    ours = done[1.0]
    place = given(ours.camera).reference
    reference = ours.numbers[place]
    images = {
        ONE: developed(burst.stack.frames[reference], burst.stack.sensor),
        MEAN: developed_mean(burst, reference),
        ROBUST: tile_merge(burst, reference),
        OURS: given(ours.image),
    }
    if 2.0 in done:
        images[FINER] = given(done[2.0].image)
    figures = {name: _figures(case, burst, reference, x) for name, x in images.items()}
    figures[AIR] = _figures(case, *_through_air(burst))
    return {"methods": figures}


def _through_air(burst: Handheld) -> tuple[Handheld, int, torch.Tensor]:
    """Return the image [3, h, w] that the default pipeline makes of a burst, and the burst with a
    frame that lies as this image does, by its number."""
    pipeline = load("turbulence").with_settings({"align": {"field": "frame"}})
    execution = Execution()
    provenance = describe(pipeline, burst.stack, execution)
    result = restore_stack(burst.stack, pipeline, execution, provenance)
    flow = compose(given(result.burst.flow), result.burst.row_motion)
    number = result.burst.numbers[0]
    x, y = pixel_grid(flow)
    columns = torch.stack(torch.broadcast_tensors(x, y, torch.ones_like(x)), dim=-1).flatten(0, -2)
    there = torch.stack([x + flow[0, 0], y + flow[0, 1]], dim=-1).flatten(0, -2)
    fitted = torch.linalg.lstsq(columns, there).solution.T[None]
    # Cells of 2 x 2 to pixels.
    linear, shift = fitted[:, :, :2], fitted[:, :, 2]
    shift = 2 * shift + 0.5 * (1 - linear.sum(2))
    onto = torch.cat([linear, shift[..., None]], dim=2)
    motion = burst.motion.clone()
    motion[number] = chain(burst.motion[number : number + 1], inverse(onto))[0]
    image = torch.from_numpy(given(result.image)).movedim(-1, 0)
    return replace(burst, motion=motion), number, image


def _figures(case: HandheldCase, burst: Handheld, reference: int, image: torch.Tensor) -> Record:
    scale = image.shape[-1] / burst.size[1]
    gain = torch.tensor(WHITE_BALANCE)[:, None, None]
    truth, image = gain * burst.truth(reference, scale), gain * image
    border = round(BORDER * scale)
    inside = (..., slice(border, -border), slice(border, -border))
    found = {"cpsnr": _psnr((image - truth)[inside])}
    if case.kind in (EDGES, ZONE):  # grey things, whose colours are fringes
        fringe = (image - image[1])[inside][::2].square().mean().sqrt()
        found["fringe"] = 100 * float(fringe)
    if case.kind == EDGES:
        found["mtf50"] = scale * _mtf50(burst, reference, image[1], scale)
    if case.kind == WALKER:
        mask = burst.moved(reference)
        edge = torch.zeros_like(mask)
        edge[inside] = True
        found["moving"] = _psnr((image - truth)[:, mask & edge])
        found["ghost"] = 100 * _ghost(burst, reference, (image - truth) / gain, mask & edge)
    return found


def _psnr(error: torch.Tensor) -> float:
    return -10 * math.log10(float(error.square().mean()) + 1e-12)


def _mtf50(burst: Handheld, reference: int, image: torch.Tensor, scale: float) -> float:
    """Return the MTF50 of the chart in a channel [h, w], in cycles per pixel of it."""
    back = inverse(burst.to_scene(reference, scale))
    edges = []
    for edge in edges_of(burst.scenes.shape[-1]):
        middle = move(back, torch.tensor([edge.x, edge.y]).reshape(1, 2, 1, 1))[0, :, 0, 0]
        length = edge.length * float(back[0, 0, 0])
        edges.append(replace(edge, x=float(middle[0]), y=float(middle[1]), length=length))
    return edge_mtf(np.asarray(image.double().numpy()), edges).mtf50


def _ghost(burst: Handheld, reference: int, error: torch.Tensor, mask: torch.Tensor) -> float:
    """Return the largest share with which what another frame shows in a mask [h, w] is in an error
    [3, h, w], beyond what is in it on average."""
    here, shares = burst.truth(reference), []
    for k, flow in enumerate(burst.onto(reference)):
        if k != reference:
            other = warp(burst.truth(k), flow.expand(3, -1, -1, -1)) - here
            other, wrong = other[:, mask], error[:, mask]
            shares.append(float((other * wrong).sum() / other.square().sum()))
    return max(shares)


def _scene(case: HandheldCase) -> torch.Tensor:
    side = 2 * (case.size + 24)
    if case.image == EDGES:
        return draw_chart(EDGES, side).expand(3, -1, -1)
    if case.image == ZONE:
        # On a grey photograph, as a chart is photographed: alone its aliases move the other way.
        x = torch.arange(side) - side / 2
        radius = x[None] ** 2 + x[:, None] ** 2
        plate = 0.5 + 0.4 * torch.cos(math.pi * radius / (1.4 * side))
        around = read_colours(IMAGES[0]).mean(0)[:side, :side]
        return torch.where(radius < (0.35 * side) ** 2, plate, around).expand(3, -1, -1)
    scene = read_colours(case.image)
    top, left = (max(0, (n - side) // 2) for n in scene.shape[1:])
    return scene[:, top : top + side, left : left + side]


def _cases(options: Options) -> list[HandheldCase]:
    chosen = choose_images(options.images, options.per_level) if options.images else IMAGES
    counts = [n for n in COUNTS if n <= options.frames] or [options.frames]
    size, seed = min(options.size, 232) // 2 * 2, options.seed
    isos = [ISOS[level] for level in options.levels]
    cases = [HandheldCase(i, iso, n, size, seed) for i in chosen for iso in isos for n in counts]
    few = counts[len(counts) // 2]
    kinds = (EDGES, ZONE)
    cases += [HandheldCase(kind, iso, few, size, seed, kind) for kind in kinds for iso in isos]
    return cases + [HandheldCase(i, iso, few, size, seed, WALKER) for i in chosen for iso in isos]


def _table(records: Sequence[Record]) -> str:
    tables = []
    for kind, own in grouped(records, "kind").items():
        groups = grouped(own, lambda r: f"ISO {r['case']['iso']}, {r['case']['frames']}")
        methods = own[0]["methods"]
        for figure in methods[ONE]:
            rows = [
                [name, *(f"{mean_of(part, name, figure):.2f}" for part in groups.values())]
                for name in methods
            ]
            tables.append(markdown([f"{kind}: {figure}", *groups], rows))
    return "\n\n".join(tables)


SUITE = Suite(
    title="Bursts of photographs taken by hand",
    cases=_cases,
    measure=lambda options: partial(measure, options.load("handheld")),
    table=_table,
    settings=lambda options: options.load("handheld").to_toml(),
    notes=(
        "Simulated bursts of a Bayer sensor that a hand shakes and turns, with the noise of an ISO"
        " (`burst/data/handheld.py`). `single` is one frame developed by LibRaw (AHD), `mean` the"
        " mean of all frames so developed and aligned by their true motion, `tile merge` a merge of"
        " mosaics as HDR+ does it, with the true motion, `turbulence` the default pipeline, which"
        " looks for air and takes the mean frame for its grid. `cpsnr` (dB) is of white-balanced"
        " linear colours; `fringe` the rms difference of red and blue from green on grey charts, in"
        " percent of white; `mtf50` that of green, in cycles per pixel of the sensor. Where a"
        " person walks, `moving` is the PSNR wherever one stood in any frame, and `ghost` the"
        " largest share (%) of another frame in the error there."
    ),
)
