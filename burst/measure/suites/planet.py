"""Rotating planets that drift, and the surface of a moon, through both simulators of air."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch
from einops import rearrange

from burst.data import planets, turbulence
from burst.data.recording import Planet
from burst.measure.cost import measure_cost
from burst.measure.discs import score_disc
from burst.measure.peers.programs import pss_drifting
from burst.measure.peers.recipes import richardson_lucy
from burst.measure.results import PeerError, Record
from burst.measure.scores import score
from burst.measure.suite import Options, Suite
from burst.measure.tables import MEAN, MIB, OURS, row_each, worked
from burst.measure.trace import after_each
from burst.ops.alignment.registration import aligned_mean
from burst.ops.alignment.shifts import global_shifts
from burst.ops.frames.sharpness import tile_sharpness
from burst.ops.frames.track import find_discs
from burst.ops.turbulence.layers import LayeredAir, layers_of
from burst.ops.turbulence.path import PATHS
from burst.pipeline import Pipeline
from burst.records import Burst, Stack, given
from burst.settings import ConfigError

BEST = "mean of the best tenth"
# Of the height of a frame: at 480 rows a disc of 120 px that drifts by 300 px.
RADIUS, DRIFT = 1 / 8, 0.625
# The recordings: what of `Planet` differs, and whether the air is made of layers.
RECORDINGS: dict[str, tuple[dict[str, float], bool]] = {
    "at rest": ({}, False),
    "drifts": ({"drift": DRIFT}, False),
    "leaves the field": ({"drift": DRIFT / 2, "away": 0.2}, False),
    "turns 18 degrees": ({"seconds": 1800.0}, False),
    "layers": ({"drift": DRIFT}, True),
    "moon": ({"drift": DRIFT / 2}, False),
}
LAYERS_SAMPLING = 1.0
LARGEST_OVERSHOOT = 3.0  # percent
LOST = 0.1  # dB, by drift or against a mean


@dataclass(frozen=True)
class Recorded:
    """One recording of `frames` frames of 4/3 `size` x `size` px."""

    kind: str
    frames: int
    size: int
    seed: int

    @property
    def name(self) -> str:
        """What it shows, and its seed."""
        return f"{self.kind}-{self.seed}"


def measure(pipeline: Pipeline, case: Recorded) -> Record:
    """Simulate a recording; return the scores of every method, seconds, and memory, with the
    pipeline between plain means and PlanetarySystemStacker."""
    if case.kind == "moon":
        stack, scene = _moon(case)
        return _figures(pipeline, stack, lambda image: {"psnr": score(image, scene).psnr})
    simulated = _planet(case)
    planet = simulated.planet
    if case.kind.startswith("turns"):
        told = {name: getattr(planet, name) for name in ("period", "tilt", "latitude")}
        pipeline = pipeline.with_settings({"rotate": told})

    def scored(image: torch.Tensor) -> Record:
        truth = simulated.truth((image.shape[0], image.shape[1]))
        return asdict(score_disc(image, truth, planet.globe))

    return _figures(pipeline, simulated.stack, scored)


def _figures(pipeline: Pipeline, stack: Stack, scored: Callable[[torch.Tensor], Record]) -> Record:
    """Return the figures of every method on a stack."""
    after, cost = measure_cost(partial(after_each, pipeline, stack))
    burst = list(after.values())[-1]
    methods = {
        MEAN: scored(_shifted_mean(after["noise"], 1.0)),
        BEST: scored(_shifted_mean(after["noise"], 0.1)),
        OURS: {
            **scored(given(burst.image)),
            "seconds": cost.seconds,
            "mib": None if cost.peak is None else cost.peak / MIB,
        },
    }
    for name, sharpen in (("pss", lambda image: image), ("pss deblurred", richardson_lucy)):
        try:
            image, spent = measure_cost(partial(_pss, stack, burst))
            methods[name] = {**scored(sharpen(image)), "seconds": spent.seconds}
        except PeerError as error:
            methods[name] = {"failed": str(error)}
    used = int((given(burst.weights) > 0).sum())
    return {"methods": methods, "used": used, "left_out": len(burst.left_out or {})}


def _planet(case: Recorded) -> planets.PlanetStack:
    """Simulate a planet; the air is that of the seed, whatever the disc does."""
    values, layered = RECORDINGS[case.kind]
    values = {k: v * case.size if k == "drift" else v for k, v in values.items()}
    planet = Planet(radius=max(12.0, RADIUS * case.size), **values)
    draw = torch.Generator().manual_seed(case.seed)
    air: LayeredAir | None = None
    if layered:
        frame_time = planet.seconds / case.frames
        air = layers_of(PATHS["telescope"], LAYERS_SAMPLING, frame_time, draw)
    size = (case.size, case.size * 4 // 3)
    return planets.simulate_planet(planet, planets.SEEING, draw, case.frames, size, air)


def _moon(case: Recorded) -> tuple[Stack, torch.Tensor]:
    """Simulate the surface of a moon that drifts through the field; return the stack and the
    surface that the frame in the middle of the way shows."""
    draw = torch.Generator().manual_seed(case.seed)
    drift = RECORDINGS["moon"][0]["drift"] * case.size
    size = (case.size, case.size * 4 // 3)
    scene = planets.draw_craters(2 * size[1], draw)
    path = torch.eye(2, 3).repeat(case.frames, 1, 1)
    path[:, 0, 2] = torch.linspace(-drift / 2, drift / 2, case.frames)
    simulated = turbulence.simulate(
        scene, planets.SEEING, draw, case.frames, size, planets.CAMERA, path=path
    )
    return simulated.stack, simulated.truth.scene


def _shifted_mean(burst: Burst, share: float) -> torch.Tensor:
    """Return the mean [h, w] of the sharpest share of the frames, shifted onto each other."""
    linear = given(burst.linear)
    sharp = tile_sharpness(linear, given(burst.noise), min(linear.shape[1:])).mean((1, 2))
    best = sharp.argsort(descending=True)[: max(2, round(share * len(linear)))]
    frames = linear[best.sort().values]
    shifts = global_shifts(frames, 0)
    flow = rearrange(shifts - shifts.mean(0), "n xy -> n xy 1 1")
    flow = flow.expand(-1, -1, *frames.shape[1:])
    return aligned_mean(frames, flow, frames.new_ones(len(frames)))


def _pss(stack: Stack, ours: Burst) -> torch.Tensor:
    """Return PlanetarySystemStacker's image; of a disc cut around it to the size of our image."""
    surface = given(ours.track).radius is None
    image = pss_drifting(stack, surface).astype(np.float32)
    like = given(ours.image)
    if not surface:
        centre = find_discs(image[None]).centre[0]
        left, top = np.rint(centre - np.array(like.shape[::-1]) / 2).astype(int)
        rows, columns = (np.arange(side) for side in like.shape)
        image = image[np.ix_((rows + top) % image.shape[0], (columns + left) % image.shape[1])]
    return torch.from_numpy(image / image.max())


def _pipeline(options: Options) -> Pipeline:
    pipeline = options.load("planet")
    if "track" not in [step.name for step in pipeline.steps]:
        raise ConfigError(
            f"--suite planet: expected a pipeline that tracks, found {options.pipeline}."
        )
    return pipeline


def _table(records: Sequence[Record]) -> str:
    columns = (
        ("recording: method", "{name}"),
        ("PSNR (dB)", "{psnr}"),
        ("overshoot (%)", "{overshoot}"),
        ("seconds", "{seconds}"),
        ("MiB", "{mib}"),
    )
    digits = {"overshoot": 2, "seconds": 1, "mib": 0}
    rows = [
        {
            "name": f"{record['case']['kind']}: {method}",
            "psnr": f"{found['psnr']:.2f}" if worked(record, method) else "not installed",
            **{k: "" if found.get(k) is None else f"{found[k]:.{n}f}" for k, n in digits.items()},
        }
        for record in records
        for method, found in record["methods"].items()
    ]
    return row_each(rows, columns)


def _finish(options: Options, records: Sequence[Record]) -> list[str]:
    """Return what is worse than allowed."""
    found = {record["case"]["kind"]: record["methods"] for record in records}
    doubts = []
    for kind, methods in found.items():
        ours = methods[OURS]
        if ours.get("overshoot", 0.0) > LARGEST_OVERSHOOT:
            doubts.append(f"{kind}: the limb overshoots by {ours['overshoot']:.1f} %")
        doubts += [
            f"{kind}: {methods[mean]['psnr'] - ours['psnr']:.2f} dB worse than the {mean}"
            for mean in (MEAN, BEST)
            if ours["psnr"] < methods[mean]["psnr"] - LOST
        ]
    if {"drifts", "at rest"} <= set(found):
        lost = found["at rest"][OURS]["psnr"] - found["drifts"][OURS]["psnr"]
        if lost > LOST:
            doubts.append(f"drift costs {lost:.2f} dB")
    return doubts


SUITE = Suite(
    title="Planets and the moon",
    cases=lambda options: [
        Recorded(kind, options.frames, options.size // 8 * 8, options.seed) for kind in RECORDINGS
    ],
    measure=lambda options: partial(measure, _pipeline(options)),
    table=_table,
    notes=(
        "Simulated recordings of a textured globe that turns as Jupiter does, and of a moon's"
        " surface (`burst/data/planets.py`), against the truth at the middle of the recording. PSNR"
        " is on the disc; overshoot is by how much rings inside the limb are brighter than the"
        " truth at most, in percent of the disc. The means are of frames that were cut and"
        " shifted alike. `--frames 1000 --size 480` makes frames of 640 x 480."
    ),
    settings=lambda options: _pipeline(options).to_toml(),
    finish=_finish,
)
