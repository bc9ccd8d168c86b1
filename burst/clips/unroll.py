"""Straighten a clip from file to file: segments beside the output, from which an interrupted run
goes on, then the whole clip with its sound, and a report beside it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter

from burst.about import __version__
from burst.clips.stream import Straight, Straightener, colours, cropped, lacking
from burst.clips.timing import LONGEST, Timing, find_timing
from burst.files.clip import Clip, open_clip
from burst.files.clip_write import Encoder, join
from burst.files.write import write_text
from burst.log import LOG
from burst.records import StackError
from burst.report.pictures import data_uri, reduced
from burst.report.template import render_template

SEGMENT = 240  # frames; an interrupted run loses at most so many
WHOLE = 0.9  # of the stated length; a clip that ends earlier is damaged
WORST = 10  # frames that the report shows
SHOWN = 480  # px, the longer side of their pictures
LITTLE_FOUND = 0.5  # of the pixels found again; with less, that is why a frame is among the worst

Tell = Callable[[int, int, float], None]  # frames done, all (0 if unknown), frames a second


@dataclass(frozen=True)
class Wish:
    """What is asked of a clip: readout in s or as a share of the frame time, scan, what becomes of
    edges that a frame lacks and of bands; None is found by itself."""

    readout: float | None = None
    share: float | None = None
    scan: str | None = None
    edges: Literal["fill", "crop"] = "fill"
    bands: Literal["remove", "keep"] = "remove"


@dataclass
class _State:
    """How far a run is: what `key` it is for, the timing, what is cropped, the segments, each with
    its count of frames and its stamps' begin and length, and notes of frames."""

    key: dict[str, Any]
    timing: Timing
    crop: tuple[float, float] = (0.0, 0.0)
    segments: list[tuple[int, int, int]] = field(default_factory=list)
    worst: list[dict[str, Any]] = field(default_factory=list)
    cuts: list[float] = field(default_factory=list)
    lone: int = 0

    @property
    def frames(self) -> int:
        """Frames in the segments."""
        return sum(count for count, _, _ in self.segments)


def unroll_clip(path: Path, out: Path, wish: Wish, tell: Tell) -> list[Path]:
    """Straighten a clip; return the paths of the new clip and its report, JSON and HTML."""
    clip = open_clip(path)
    _warn(clip)
    folder = out.with_name(f".{out.stem}.parts")
    state = _begun(clip, folder, wish)
    started, resumed = time.monotonic(), state.frames
    frames = Straightener(clip, state.timing, wish.bands == "remove").frames(resumed)
    step = round(clip.frame_time / clip.time_base)
    # Without ffmpeg segments could not be joined.
    longest = SEGMENT if clip.program else 2**31
    encoder: Encoder | None = None
    stamps: list[int] = []
    try:
        for frame in frames:
            if encoder is not None and len(stamps) == longest:
                _end_segment(encoder, state, stamps, frame.stamp, folder)
                encoder, stamps = None, []
            planes = cropped(frame.planes, state.crop) if any(state.crop) else frame.planes
            if encoder is None:
                place = folder / f"{len(state.segments):05d}.mp4"
                encoder = Encoder(clip, place, [plane.shape for plane in planes])
            encoder.add(planes)
            stamps.append(frame.stamp)
            _note(clip, state, frame)
            done = frame.number + 1
            tell(done, clip.count, (done - resumed) / (time.monotonic() - started))
        if encoder is not None:
            _end_segment(encoder, state, stamps, stamps[-1] + step, folder)
    except BaseException:
        if encoder is not None:
            encoder.stop()
        raise
    _, last, length = state.segments[-1]
    found = float((last + length) * clip.time_base)
    if found < WHOLE * clip.seconds and state.frames < WHOLE * clip.count:
        LOG.warning(
            "%s: expected %.1f s, found frames of %.1f s that can be decoded. It is damaged: copy"
            " or record it again.", clip.path, clip.seconds, found,
        )  # fmt: skip
    parts = [(folder / f"{k:05d}.mp4", length) for k, (_, _, length) in enumerate(state.segments)]
    join(clip, parts, state.segments[0][1], out)
    seconds = time.monotonic() - started
    written = _write_report(clip, state, out, seconds, resumed)
    shutil.rmtree(folder, ignore_errors=True)
    return [out, *written]


def _warn(clip: Clip) -> None:
    if clip.program is None:
        LOG.warning(
            "%s: the program ffmpeg is not found. Frames are read and written by OpenCV: 8 bits,"
            " MPEG-4, a steady rate, without sound, and an interrupted run starts again.",
            clip.path,
        )


def _begun(clip: Clip, folder: Path, wish: Wish) -> _State:
    """Return the state of an earlier run of the same clip and wish, or that of a new one."""
    about = clip.path.stat()
    key = {
        "clip": str(clip.path.resolve()), "size": about.st_size, "changed": about.st_mtime_ns,
        "version": __version__, **asdict(wish),
    }  # fmt: skip
    # A state that is broken or missing has nothing to add.
    with suppress(OSError, ValueError, LookupError, TypeError):
        kept = json.loads((folder / "state.json").read_text("utf-8"))
        if kept["key"] == key:
            state = TypeAdapter(_State).validate_python(kept)
            LOG.info("%s: goes on after frame %d.", clip.path, state.frames)
            return state
    shutil.rmtree(folder, ignore_errors=True)
    told = wish.readout if wish.share is None else wish.share * float(clip.frame_time)
    if told is not None and told > LONGEST * clip.frame_time:
        raise StackError(
            f"{clip.path}: expected a readout of at most the {1000 * float(clip.frame_time):.2f} ms"
            f" of a frame, found {1000 * told:.2f} ms. Pass a shorter --readout."
        )
    timing, stretches = find_timing(clip, told, wish.scan)
    crop = lacking(clip, timing, stretches) if wish.edges == "crop" else (0.0, 0.0)
    folder.mkdir(parents=True)
    LOG.info(
        "%s: read from the %s within %.2f ms of %.2f ms, by %s.", clip.path, timing.scan,
        1000 * timing.readout, 1000 * float(clip.frame_time),
        "--readout" if timing.source == "told" else timing.source,
    )  # fmt: skip
    return _State(key, timing, crop)


def _end_segment(
    encoder: Encoder, state: _State, stamps: list[int], following: int, folder: Path
) -> None:
    """Close a segment, and keep that it is there."""
    encoder.close(stamps)
    state.segments.append((len(stamps), stamps[0], following - stamps[0]))
    write_text(folder / "state.json", json.dumps(asdict(state)))


def _note(clip: Clip, state: _State, frame: Straight) -> None:
    """Note a cut, and whether the frame is among those whose motion is known worst."""
    seconds = float(frame.stamp * clip.time_base)
    if frame.cut:
        state.cuts.append(round(seconds, 3))
    if frame.found == 0:
        state.lone += 1
        return
    if len(state.worst) == WORST and frame.bend <= state.worst[-1]["bend"]:
        return
    few = f"only {frame.found:.0%} of the pixels are found again in its neighbours"
    state.worst.append(
        {
            "frame": frame.number,
            "seconds": round(seconds, 3),
            "bend": frame.bend,
            "moved": frame.moved,
            "reason": few if frame.found < LITTLE_FOUND else "the motion changes within a frame",
            "before": _picture(colours(clip, frame.before)),
            "after": _picture(colours(clip, frame.planes)),
        }
    )
    state.worst.sort(key=lambda one: -one["bend"])
    del state.worst[WORST:]


def _picture(image: np.ndarray) -> str:
    """Return an image [h, w, 3], blue first, made small, as a data URI."""
    return data_uri(reduced(image, SHOWN)[..., ::-1], ".jpg")


def _write_report(clip: Clip, state: _State, out: Path, seconds: float, resumed: int) -> list[Path]:
    """Write what was found beside the new clip, as JSON and as a page."""
    timing = state.timing
    frame_time = float(clip.frame_time)
    summary = {
        "burst": __version__,
        "clip": str(clip.path),
        "frames": state.frames,
        "size": [clip.width, clip.height],
        "bits": clip.bits,
        "frame_time": frame_time,
        "readout": timing.readout,
        "readout_ratio": timing.readout / frame_time,
        "readout_from": timing.source,
        "scan": timing.scan,
        "said": [asdict(one) for one in timing.said],
        "lamp": timing.lamp and asdict(timing.lamp),
        "bands": state.key["bands"],
        "edges": state.key["edges"],
        "cropped": state.crop,
        "cuts": state.cuts,
        "unchanged": state.lone,
        "seconds": round(seconds, 2),
        "frames_a_second": (state.frames - resumed) / max(seconds, 1e-9),
        "worst": [{k: v for k, v in one.items() if k not in ("before", "after")}
                  for one in state.worst],
    }  # fmt: skip
    paths = [out.with_suffix(".json"), out.with_suffix(".html")]
    write_text(paths[0], json.dumps(summary, indent=1) + "\n")
    write_text(paths[1], render_template("clip.html.j2", summary=summary, worst=state.worst))
    return paths


def share_or_seconds(text: str) -> Wish:
    """Return the wish for a readout such as 0.8 (of the frame time) or 16ms, else ValueError."""
    number = text.removesuffix("ms")
    value = float(number)
    wish = Wish(readout=value / 1000) if number != text else Wish(share=value)
    if not value > 0 or (wish.share or 0) > 1:
        raise ValueError("expected a share of the frame time above 0 and at most 1, or 16ms")
    return wish
