"""Clips of a rolling shutter, drawn from high-speed video (--images) with sound and flicker."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from skimage import data as photographs

from burst.data.clips import FilmedScene, film
from burst.files.clip import Clip, ClipFrame, find_ffmpeg, frames_of, open_clip
from burst.files.quiet import quiet_opencv
from burst.files.video import decode_video
from burst.measure.cost import run_watched
from burst.measure.results import Record
from burst.measure.suite import Options, Suite
from burst.measure.tables import MIB, row_each

RATE = 30  # frames a second
MOST_IMAGES = 200  # of a video
MOST_FRAMES = 60  # of a clip, however many are asked for
LARGE, LARGE_FRAMES = (1080, 1920), 24  # of the clip on which time is measured
BANDS = 16  # of rows, whose shifts against the truth tell how bent upright lines are
BORDER = 0.06  # of the sides, left out of scores: the truth shows there what no frame saw


@dataclass(frozen=True)
class ClipCase:
    """A clip to draw: from an image or a high-speed video, or from a photograph where `path` is
    empty; `lamp` is the amplitude of a lamp at 100 Hz."""

    name: str
    path: str
    size: tuple[int, int]
    frames: int
    readout: float
    scan: str = "top"
    pan: float = 40.0
    shake: float = 4.0
    lamp: float = 0.0

    def scene(self) -> FilmedScene:
        """Return the scene, 1.5 times as wide and high as the clip."""
        images = photographs.astronaut()[None, ..., ::-1]
        if self.path:
            images, _ = decode_video(Path(self.path), np.asarray, MOST_IMAGES)
        scale = 1.5 * max(self.size[0] / images.shape[1], self.size[1] / images.shape[2])
        shape = (round(images.shape[2] * scale), round(images.shape[1] * scale))
        larger = np.stack([cv2.resize(one, shape, interpolation=cv2.INTER_CUBIC) for one in images])
        # In shares of the width, so that large clips move as small ones.
        unit = self.size[1] / 320
        pan = (self.pan * unit, self.pan * unit / 5)
        return FilmedScene(larger, 1000.0, pan, self.shake * unit, (100.0, self.lamp))


def measure(case: ClipCase) -> Record:
    """Draw a clip, straighten it by `burst unroll`, and compare both with the truth."""
    frames = film(case.scene(), case.size, 1 / RATE, case.readout / RATE, case.scan)
    recorded, truths = zip(*itertools.islice(frames, case.frames), strict=True)
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "clip.mp4", Path(folder) / "straight.mp4"
        write_clip(source, recorded, RATE)
        command = [sys.executable, "-m", "burst", "unroll", str(source), "--out", str(out)]
        held = run_watched([*command, "--threads", "1", "--quiet"]).held
        report = json.loads(out.with_suffix(".json").read_text("utf-8"))
        before, after = (_luminances(open_clip(path)) for path in (source, out))
        sound = find_ffmpeg() is not None and has_sound(out)
    true = [cv2.cvtColor(one, cv2.COLOR_BGR2GRAY).astype(float) for one in truths]
    psnrs = [list(map(_psnr, each, true)) for each in (before, after)]
    bent = [float(np.mean(list(map(bending, each, true)))) for each in (before, after)]
    return {
        "psnr_before": float(np.mean(psnrs[0])),
        "psnr_after": float(np.mean(psnrs[1])),
        "worst": float(np.min(np.subtract(psnrs[1], psnrs[0]))),
        "bent_before": bent[0],
        "bent_after": bent[1],
        "readout": report["readout_ratio"],
        "scan": report["scan"],
        "from": report["readout_from"],
        "seconds": 1 / report["frames_a_second"],
        "dis_seconds": dis_seconds(before),
        "memory": max(held, default=0) / MIB,
        "sound": sound,
    }


def write_clip(path: Path, frames: Sequence[np.ndarray], rate: int) -> None:
    """Write frames [h, w, 3] uint8, blue first, as a clip with a tone, or by OpenCV without."""
    height, width = frames[0].shape[:2]
    program = find_ffmpeg()
    if program is None:
        quiet_opencv()
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
        for frame in frames:
            writer.write(frame)
        writer.release()
        return
    command = [
        program, "-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24",
        "-s", f"{width}x{height}", "-framerate", str(rate), "-i", "pipe:0",
        "-f", "lavfi", "-i", f"sine=f=440:d={len(frames) / rate:.4f}",
        "-vf", "scale=out_color_matrix=bt709,setparams=colorspace=bt709", "-c:v", "libx264",
        "-crf", "14", "-preset", "veryfast", "-pix_fmt", "yuv420p", str(path),
    ]  # fmt: skip
    subprocess.run(command, input=b"".join(frame.tobytes() for frame in frames), check=True)


def has_sound(path: Path) -> bool:
    """Return whether ffmpeg finds sound in a file."""
    program = find_ffmpeg()
    said = subprocess.run([program or "ffmpeg", "-i", str(path)], capture_output=True, check=False)
    return b"Audio:" in said.stderr


def bending(image: np.ndarray, truth: np.ndarray) -> float:
    """Return by how much (px rms) upright lines of an image [h, w] are bent against a truth: how
    far bands of rows are shifted sideways, about their mean."""
    pairs = zip(np.array_split(image, BANDS), np.array_split(truth, BANDS), strict=True)
    window = cv2.createHanningWindow((image.shape[1], len(image) // BANDS), cv2.CV_32F)
    shifts = []
    for one, other in pairs:
        rows = len(image) // BANDS
        parts = [part[:rows].astype(np.float32) for part in (one, other)]
        shifts.append(cv2.phaseCorrelate(parts[0], parts[1], window)[0][0])
    # Bands without texture are found anywhere.
    away = np.array(shifts) - np.median(shifts)
    kept = np.abs(away) <= max(3 * float(np.median(np.abs(away))), 0.5)
    return float(np.sqrt(np.mean((away[kept] - away[kept].mean()) ** 2)))


def dis_seconds(frames: Sequence[np.ndarray]) -> float:
    """Return the seconds of OpenCV's dense inverse search, forth and back a pair, one thread."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    some = [np.rint(one).clip(0, 255).astype(np.uint8) for one in frames[:5]]
    started = time.perf_counter()
    for first, second in itertools.pairwise(some):
        search.calc(first, second, None)  # type: ignore[call-overload]
        search.calc(second, first, None)  # type: ignore[call-overload]
    cv2.setNumThreads(threads)
    return (time.perf_counter() - started) / max(len(some) - 1, 1)


def _luminances(clip: Clip) -> list[np.ndarray]:
    def whole(frame: ClipFrame) -> np.ndarray:
        span = 219 if clip.black else 255
        return np.asarray((frame.planes[0].astype(float) - clip.black) * (255 / span))

    return [whole(frame) for frame in frames_of(clip)]


def _psnr(image: np.ndarray, truth: np.ndarray) -> float:
    rows, columns = (round(BORDER * side) for side in truth.shape)
    apart = (image - truth)[rows:-rows, columns:-columns]
    return float(-10 * np.log10(max(float(np.mean(apart**2)), 1e-6) / 255**2))


def _cases(options: Options) -> list[ClipCase]:
    small = (options.size // 2 * 2, options.size * 4 // 6 * 2)
    count = min(options.frames, MOST_FRAMES)
    paths = options.images or ("",)
    cases = []
    for path in paths:
        name = Path(path).stem or "astronaut"
        cases += [
            ClipCase(f"{name}, handheld", path, small, count, 0.8),
            ClipCase(f"{name}, shaken, lamp", path, small, count, 0.6, "bottom", 60, 8, 0.05),
            ClipCase(f"{name}, sideways", path, small, count, 0.7, "left", 30, 6),
        ]
    return [*cases, ClipCase("1080p", paths[0], LARGE, min(count, LARGE_FRAMES), 0.8)]


def _table(records: Sequence[Record]) -> str:
    columns = (
        ("clip", "{case[name]}"),
        ("PSNR before, dB", "{psnr_before:.2f}"),
        ("after", "{psnr_after:.2f}"),
        ("least gain", "{worst:.2f}"),
        ("bent before, px", "{bent_before:.2f}"),
        ("after", "{bent_after:.2f}"),
        ("readout: true", "{case[readout]:.3f} {case[scan]}"),
        ("found", "{readout:.3f} {scan}"),
        ("by", "{from}"),
        ("s a frame", "{seconds:.2f}"),
        ("DIS forth and back", "{dis_seconds:.2f}"),
        ("memory, MiB", "{memory:.0f}"),
        ("sound", "{kept}"),
    )
    return row_each(({**r, "kept": "kept" if r["sound"] else "none"} for r in records), columns)


SUITE = Suite(
    title="Clips of a rolling shutter",
    cases=_cases,
    measure=lambda options: measure,
    table=_table,
    notes=(
        "Clips drawn from photographs or high-speed video, with a camera that pans and shakes, are"
        " straightened by `burst unroll` on one thread. PSNR of luminance against what a global"
        " shutter sees; the least gain of any frame; how much upright lines are bent against the"
        " truth. The time is that of the whole program a frame, decoding and encoding included,"
        " beside OpenCV's dense inverse search at its medium preset on the same frames; the memory"
        " is that of all its processes."
    ),
    settings=lambda options: "clips",
    separate_processes=True,
)
