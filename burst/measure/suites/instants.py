"""Simulated recordings of two shutters against the truth: nine instants, readout, and offset.

A hand-held camera, one step in 0.3 s, pans over a still image with a moving disc in front of it;
the sensor is that of the lowest noise level. Rolling recordings are made without and with a shake
of many frequencies; what is faster than the frame rate makes the readout harder to estimate.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

from burst.data.levels import find_level
from burst.data.rolling import TRUTHS, Drift, draw_layers, simulate_shutter
from burst.data.scenes import read_scene
from burst.files.sequence import Sequence as Recorded
from burst.measure.results import Record
from burst.measure.rolling import UNTOUCHED, figures, frame_planes
from burst.measure.stacks import choose_images
from burst.measure.suite import Options, Suite, rolling_text
from burst.measure.tables import OURS, grouped, markdown
from burst.pipeline import Pipeline, load
from burst.records import Burst, Sensor, Shutter, StackError, given

SIZE, FRAMES = 256, 10  # px, and frames of a rolling shutter; of the other there are two
SPEED, FRAME_RATE = 10.0, 30.0  # px a frame, and Hz
SWING, PERIOD = (12.0, 8.0), 0.3  # px and seconds, of the camera
RATIOS = (0.4, 0.7, 1.0)
SHAKES = (0.0, 0.3)  # px rms
READOUT = "unroll.readout_ratio="
CLOSE = 0.03  # of a readout ratio
OFFSET = (-3, 2)  # px to the right and down, of the second camera of a pair


@dataclass(frozen=True)
class InstantRecording:
    """One recording: its scene (a file or a name of `SCENES`), shutter, readout ratio, seed, and
    the shake of its camera, px rms."""

    image: str
    shutter: str
    ratio: float
    seed: int
    shake: float = 0.0

    @property
    def name(self) -> str:
        """The image without its folder and suffix, and how it is recorded."""
        return f"{Path(self.image).stem}, {self.kind}"

    @property
    def kind(self) -> str:
        """The shutter, the readout ratio, and the shake if there is any."""
        shaken = f", {self.shake:g} px of shake" if self.shake else ""
        return f"{self.shutter} {self.ratio:g}{shaken}"

    def simulate(self) -> Recorded:
        """Return the frames and their truths; the second frame of a pair is displaced."""
        number = zlib.crc32(f"{self.seed} {Path(self.image).stem}".encode())
        scene = draw_layers(
            read_scene(self.image), (SIZE, SIZE), SPEED * FRAME_RATE, self.shake, number
        )
        assert isinstance(scene.camera_path, Drift)
        path = replace(scene.camera_path, swing=SWING, period=PERIOD)
        sensor = Sensor(
            noise=find_level("low").point().noise,
            shutter=Shutter(self.shutter),
            frame_time=1 / FRAME_RATE,
            row_time=self.ratio / FRAME_RATE / SIZE,
        )
        paired = sensor.shutter is Shutter.DUAL_REVERSED
        generator = torch.Generator().manual_seed(number)
        recorded = simulate_shutter(
            replace(scene, camera_path=path), sensor, 2 if paired else FRAMES, generator
        )
        if paired:
            recorded.frames[1] = np.roll(recorded.frames[1], OFFSET[::-1], (0, 1))
        return recorded


def _cases(options: Options) -> list[InstantRecording]:
    """Return rolling recordings at every ratio, calm and shaken, and a dual reversed pair."""
    kinds = [("rolling", ratio, shake) for shake in SHAKES for ratio in RATIOS]
    kinds.append(("dual_reversed", 1.0, 0.0))
    return [
        InstantRecording(image, shutter, ratio, options.seed, shake)
        for image in choose_images(options.images, options.per_level)
        for shutter, ratio, shake in kinds
    ]


@dataclass(frozen=True)
class InstantBench:
    """Restores all instants of a frame with the known readout, and estimates the readout."""

    pipelines: Callable[[str, Sequence[str]], Pipeline]
    assignments: tuple[str, ...] = ()

    def measure(self, recording: InstantRecording) -> Record:
        """Return PSNR at each instant, the estimated readout, and the offset error of a pair."""
        recorded = recording.simulate()
        paired = recording.shutter == Shutter.DUAL_REVERSED
        frame = 0 if paired else recorded.count // 2
        shares = np.linspace(0, 1, TRUTHS).tolist()
        arguments = [f"unroll.frame={frame}", f"unroll.instants={shares}", *self.assignments]
        pipeline = self.pipelines(recording.shutter, arguments)
        burst = pipeline.run(Burst(recorded.luminance()))
        first = int(np.flatnonzero(recorded.truth_frame == frame)[0])
        read = frame_planes(burst.stack, frame).expand(TRUTHS, -1, -1)
        found: Record = {
            name: [
                figures(images[k], recorded.with_one_truth(first + k))["psnr"]
                for k in range(TRUTHS)
            ]
            for name, images in ((UNTOUCHED, read), (OURS, given(burst.image)))
        }
        if paired:
            offset = given(burst.unrolled).offset[0]
            return {**found, "offset_error": math.dist(offset, OFFSET)}
        return {**found, **self._readout(recorded)}

    def _readout(self, recorded: Recorded) -> Record:
        """Return the readout ratio estimated from the motion; None if that fails."""
        stack = recorded.with_readout_ratio(0.0).luminance()
        assignments = [text for text in self.assignments if not text.startswith(READOUT)]
        pipeline = self.pipelines(str(Shutter.ROLLING), assignments)
        try:
            unrolled = given(pipeline.run(Burst(stack)).unrolled)
        except StackError:
            return {"readout": None}
        return {"readout": unrolled.readout_ratio, "range": list(unrolled.readout_range or ())}


def _table(records: Sequence[Record]) -> str:
    """Return PSNR at every instant, and the errors of readouts and offsets."""
    rows: list[Sequence[str]] = []
    for kind, group in grouped(records, _kind).items():
        for method in ("frame", OURS):
            columns = zip(*(r[method] for r in group), strict=True)
            means = [sum(column) / len(group) for column in columns]
            cells = (f"{mean:.1f}" for mean in (*means, sum(means) / len(means)))
            rows.append([kind, str(len(group)), method, *cells])
    shares = (f"{k / (len(means) - 1):.3g}" for k in range(len(means)))
    head = ["shutter and readout ratio", "recordings", "image", *shares, "mean"]
    offsets = [r["offset_error"] for r in records if "offset_error" in r] or [math.nan]
    return "\n\n".join(
        (
            f"### PSNR in dB, at shares of the readout\n\n{markdown(head, rows)}",
            f"### Readout ratio, estimated from the motion\n\n{_readouts(records)}",
            f"The offset of the second camera of a pair was found to"
            f" {sum(offsets) / len(offsets):.2f} px on average, {max(offsets):.2f} px at most.",
        )
    )


def _readouts(records: Sequence[Record]) -> str:
    rows: list[Sequence[str]] = []
    for kind, group in grouped([r for r in records if "readout" in r], _kind).items():
        found = [r for r in group if r["readout"]]
        errors = [abs(r["readout"] / r["case"]["ratio"] - 1) for r in found]
        held = sum(r["range"][0] <= r["case"]["ratio"] <= r["range"][1] for r in found)
        close = str(sum(error <= CLOSE for error in errors))
        cells = [f"{e:.1%}" for e in (median(errors), max(errors))] if errors else ["none", "none"]
        rows.append([kind, str(len(group)), str(len(errors)), close, *cells, str(held)])
    figures = ["estimated", f"within {CLOSE:.0%}", "median error", "largest", "truth within range"]
    return markdown(["shutter and readout ratio", "recordings", *figures], rows)


def _kind(record: Record) -> str:
    return InstantRecording(**record["case"]).kind


SUITE = Suite(
    title="Rolling shutters, simulated",
    cases=_cases,
    measure=lambda options: InstantBench(load, options.settings).measure,
    table=_table,
    notes=(
        "A hand-held camera pans over still images with a moving disc in front of it (see"
        " `burst/measure/suites/instants.py`). Scored like the recorded sequences. The readout is"
        " known for the images, and estimated for the second table."
    ),
    settings=rolling_text,
)
