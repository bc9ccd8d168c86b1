"""Stacks with bad frames, defects, moving cameras or things, compared with the same without them.

Disturbances are those of `data.faults` (frames), `data.defects` (sensor), `data.camera_path`
(camera) and `data.things` (things). The loss is measured against the result of the same stack, with
the same air and noise, without the bad frames, without the defects, from a camera at rest, or of
the still scene.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from burst.data.camera_path import CameraPath, simulate_moved
from burst.data.defects import DEFECTS
from burst.data.faults import FAULTS, apply_fault
from burst.data.levels import find_level
from burst.data.scenes import read_scene
from burst.data.things import pass_through
from burst.data.turbulence import SimulatedStack, simulate
from burst.measure.peers.baselines import plain_mean
from burst.measure.results import Record
from burst.measure.scores import BORDER, part_shown, score, shifted_onto
from burst.measure.stacks import choose_images
from burst.measure.suite import Options, Suite
from burst.measure.tables import grouped, mean, row_each
from burst.ops.color import linear_to_display
from burst.ops.metrics import psnr
from burst.pipeline import Pipeline
from burst.records import Burst, Stack, given

FRAMES, SIZE = 40, 192
LARGEST_LOSS = 0.3  # dB
TITLES = {
    "none": "Without trouble",
    "frames": "Bad frames",
    "sensor": "A sensor with defects",
    "camera": "A camera that moves",
    "things": "Things that move",
}
CLEAN, COPIES = "none", "identical"
PATHS = {
    "turned by 10 degrees": CameraPath(turn=10),
    "turned to and fro, 3 degrees rms": CameraPath(turn=3, kind="random"),
    "scaled by 5 %": CameraPath(scale=0.05),
    "scaled to and fro, 3 % rms": CameraPath(scale=0.03, kind="random"),
    "drifted by half a frame": CameraPath(drift=(0.5, 0.2)),
    "turned, scaled and drifted": CameraPath(turn=6, scale=0.03, drift=(0.25, 0.25)),
}
# Diameter px, and speed px a frame, of a disc that looks like SURFACE.
THINGS = {f"{side} px, {speed} px a frame": (side, speed)
          for side, speed in ((24, 0.3), (16, 1.0), (32, 1.0), (48, 2.0), (24, 3.0))}  # fmt: skip
SURFACE, APART = "grass", 8  # px around where the disc was, that count neither as inside nor out


@dataclass(frozen=True)
class DisturbedStack:
    """One stack: the kind of its disturbance ("frames", "sensor", "camera", "things" or "none"),
    its name, the scene (a file or a name of `SCENES`), the noise level, the seed."""

    part: str
    what: str
    image: str
    level: str
    seed: int
    frames: int
    size: int

    @property
    def name(self) -> str:
        """The disturbance, the image without its folder and suffix, and the level."""
        return f"{self.what}: {Path(self.image).stem}, {self.level}"


def measure(pipeline: Pipeline, case: DisturbedStack) -> Record:
    """Restore a stack with and without the disturbance, and return the loss."""
    if case.part == "things":
        return _measure_thing(pipeline, case)
    simulated, bad = disturbed(case)
    found = pipeline.run(Burst(simulated))
    still = pipeline.run(Burst(undisturbed(case, bad)))
    truth = at_rest(case).truth.scene
    image, without = given(found.image), given(still.image)
    # With a moving camera both are scored on the part that all frames show.
    shown = part_shown(image, truth)
    psnr = score(image, truth[shown]).psnr
    clean = score(without[shown], truth[shown]).psnr
    return {
        "psnr": psnr,
        "clean_psnr": clean,
        "loss": clean - psnr,
        "mean_psnr": score(plain_mean(simulated)[shown], truth[shown]).psnr,
        "size": list(image.shape),
        **count_left_out(found, bad),
    }


def _measure_thing(pipeline: Pipeline, case: DisturbedStack) -> Record:
    """Restore a stack in which a thing moves; return the PSNR inside and outside of where it was,
    and how far the mask is right."""
    scenes, there = pass_through(
        read_scene(case.image), read_scene(SURFACE), *THINGS[case.what], case.frames
    )
    top, left = ((side - case.size) // 2 for side in there.shape[1:])
    passed = there[:, top : top + case.size, left : left + case.size].any(0)
    generator = torch.Generator().manual_seed(_seed(case))
    shape = (case.size, case.size)
    conditions = find_level(case.level).point()
    made = simulate(scenes, conditions, generator, case.frames, shape)
    found, still = (pipeline.run(Burst(s.stack)) for s in (made, at_rest(case)))
    near = functional.max_pool2d(passed[None].float(), 2 * APART + 1, 1, APART)[0] > 0
    near[:BORDER] = near[-BORDER:] = near[:, :BORDER] = near[:, -BORDER:] = True

    def quality(image: torch.Tensor, simulated: SimulatedStack, part: torch.Tensor) -> float:
        truth = simulated.truth.scene
        shown, wanted = (linear_to_display(x[part]) for x in (shifted_onto(image, truth), truth))
        return psnr(shown, wanted)

    image, mean = given(found.image), plain_mean(made.stack)
    mask = torch.zeros_like(passed) if found.moving is None else found.moving.mask
    outside, clean = quality(image, made, ~near), quality(given(still.image), at_rest(case), ~near)
    return {
        "psnr": outside,
        "clean_psnr": clean,
        "loss": clean - outside,
        "mean_psnr": quality(mean, made, ~near),
        "inside": quality(image, made, passed),
        "mean_inside": quality(mean, made, passed),
        "overlap": float((mask & passed).sum() / (mask | passed).sum()),
        **count_left_out(found, np.zeros(0, int)),
    }


def disturbed(case: DisturbedStack) -> tuple[Stack, np.ndarray]:
    """Return the stack with the disturbance, and which of its frames [k] are bad."""
    none = np.zeros(0, int)
    if case.part == "camera":
        return _simulated(case).stack, none
    stack = at_rest(case).stack
    if case.part == "sensor":
        return replace(stack, frames=DEFECTS[case.what](stack.frames, case.seed)), none
    if case.part == "frames":
        made = apply_fault(case.what, stack.frames, stack.sensor, case.seed)
        return replace(stack, frames=made.frames), made.bad
    return stack, none


def undisturbed(case: DisturbedStack, bad: np.ndarray) -> Stack:
    """Return the stack without the disturbance and without the bad frames [k]."""
    stack = at_rest(case).stack
    keep = np.setdiff1d(np.arange(stack.count), bad)
    return replace(stack, frames=stack.frames[keep], scan=stack.scan[keep])


def count_left_out(found: Burst, bad: np.ndarray) -> Record:
    """Return how many bad and good frames were left out."""
    out = set(range(found.stack.count)) - set(found.numbers)
    return {
        "bad": len(bad),
        "bad_left_out": len(out & set(bad.tolist())),
        "good_left_out": len(out - set(bad.tolist())),
    }


def at_rest(case: DisturbedStack) -> SimulatedStack:
    """Return the stack of a camera at rest without a disturbance."""
    return _simulated(replace(case, part=CLEAN, what=CLEAN))


@lru_cache(maxsize=4)
def _simulated(case: DisturbedStack) -> SimulatedStack:
    """Return the stack of a camera that moves as `PATHS` says of the disturbance, if it does."""
    conditions, size = find_level(case.level).point(), (case.size, case.size)
    course = PATHS.get(case.what, CameraPath())
    return simulate_moved(
        read_scene(case.image), conditions, course, _seed(case), case.frames, size
    )


def _seed(case: DisturbedStack) -> int:
    return zlib.crc32(f"{case.seed} {case.image} {case.level}".encode()) % 2**31


def _cases(options: Options) -> list[DisturbedStack]:
    """Return every disturbance of every image at every level."""
    kinds = [
        (CLEAN, CLEAN),
        *(("frames", name) for name in FAULTS),
        *(("sensor", name) for name in DEFECTS),
        *(("camera", name) for name in PATHS),
        *(("things", name) for name in THINGS),
    ]
    return [
        DisturbedStack(part, what, image, level, options.seed, FRAMES, SIZE)
        for part, what in kinds
        for image in choose_images(options.images, options.per_level)
        for level in options.levels
    ]


def _finish(options: Options, records: Sequence[Record]) -> list[str]:
    """Return the mean loss of disturbances above the limit; copies have nothing to merge."""
    groups = grouped(records, "what")
    means = {what: mean(r["loss"] for r in group) for what, group in groups.items()}
    return [
        f"{what.replace('_', ' ')} costs {loss:.2f} dB"
        for what, loss in means.items()
        if what != COPIES and loss > LARGEST_LOSS
    ]


def _table(records: Sequence[Record]) -> str:
    """Return a table for each part: the mean figures of every disturbance over its stacks."""
    parts = grouped(records, "part")
    return "\n\n".join(
        f"### {title}\n\n{_of_part(parts[part])}" for part, title in TITLES.items() if part in parts
    )


def _of_part(records: Sequence[Record]) -> str:
    columns: tuple[tuple[str, str], ...] = (
        ("trouble", "{trouble}"),
        ("without it, dB", "{clean_psnr:.2f}"),
        ("with it, dB", "{psnr:.2f}"),
        ("lost, dB", "{loss:+.2f}"),
        ("most lost, dB", "{most:+.2f}"),
        ("plain mean, dB", "{mean_psnr:.2f}"),
        ("bad frames left out", "{out}"),
        ("good frames left out", "{good}"),
    )
    things = "inside" in records[0]
    if things:
        columns += (
            ("inside, dB", "{inside:.2f}"),
            ("plain mean inside, dB", "{mean_inside:.2f}"),
            ("mask, intersection over union", "{overlap:.2f}"),
        )
    names: tuple[str, ...] = ("clean_psnr", "psnr", "loss", "mean_psnr")
    names += ("inside", "mean_inside", "overlap") if things else ()
    rows = []
    for what, group in grouped(records, "what").items():
        row: Record = {name: mean(r[name] for r in group) for name in names}
        bad, out = (sum(r[name] for r in group) for name in ("bad", "bad_left_out"))
        row["trouble"], row["out"] = what.replace("_", " "), f"{out} of {bad}" if bad else "-"
        row["most"] = max(r["loss"] for r in group)
        row["good"] = sum(r["good_left_out"] for r in group)
        rows.append(row)
    return row_each(rows, columns)


SUITE = Suite(
    title="Stacks with trouble",
    cases=_cases,
    measure=lambda options: partial(measure, options.load()),
    table=_table,
    notes=(
        "40 frames of 192 x 192. Each stack is compared with the same stack, with the same air and"
        " noise, without the disturbance (see `burst/measure/suites/sound.py`): without the bad"
        " frames, without the defects, from a camera at rest, on the part of the scene that all"
        ' frames show. The loss may be at most 0.3 dB. "Plain mean" is that of all frames as they'
        " are. If all frames are the same there is nothing to merge: the result must be no worse"
        " than their mean. Of things that move the first figures are of what lies 8 px and more"
        " away from where they were in any frame; the truth is that of the middle frame."
    ),
    finish=_finish,
)
