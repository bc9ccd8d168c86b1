"""Simulate a stack, through turbulent air or by a rolling shutter, with the truth beside it."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from burst.command import Exit, main_of, positive
from burst.data import levels, recording, rolling, turbulence
from burst.data.recording import OF_FILE, OF_OPTICS, OF_PATH, Recording, record, recording_of
from burst.data.scenes import SCENES, read_scene
from burst.files import video
from burst.files.folder import TRUTH_SUFFIX
from burst.files.layouts.simulated import write_sequence
from burst.files.luminance import frame_luminance
from burst.files.sidecar import sidecar_text
from burst.files.write import atomic_write, write_npz, write_text
from burst.lazy import torch
from burst.log import LOG
from burst.machine import DEVICES, drawing_device, resolve_device
from burst.records import MINIMUM_FRAMES, Sensor, Shutter, Stack
from burst.settings import ConfigError, Setting, build, settings_of

SMALLEST = 16
FRAMES, SHUTTER_FRAMES = 100, 6
SIZE = 271
LEVEL = "medium"
BLACK, WHITE = 256, 4095  # DN
# What only a moving scene has, with its defaults; `None` where they depend on the rest.
MOVING = {
    "video": None, "video_rate": None, "readout_ratio": 1.0, "exposure": None,
    "frame_rate": 30.0, "speed": 8.0, "light": 1.0,
}  # fmt: skip
GLOBAL_RESET_EXPOSURE = 0.25  # of the frame time; the other shutters' is 0

OF_PLANET = settings_of(recording.Planet)
PLANET = tuple(setting.name for setting in OF_PLANET)
TRUTH = ("scene", "flow", "row_motion", "psf", "hot", "row_offset")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `burst simulate`."""
    parser.add_argument(
        "--image", default="camera", metavar="FILE|NAME",
        help=f"the scene: a file, or one of {', '.join(SCENES)} (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--level", default=LEVEL, help="how hard: low, medium, high, very-high (default: medium)"
    )
    parser.add_argument(
        "--frames", type=positive, help=f"default: {FRAMES}; with --shutter {SHUTTER_FRAMES}"
    )
    parser.add_argument(
        "--size", type=positive, help=f"rows and columns (default: {SIZE}, or all of a video)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: auto")
    parser.add_argument(
        "--out", required=True, metavar="FILE.npy|DIR",
        help="the stack; its sensor goes to FILE.toml and the truth to FILE.truth.npz;"
        " with --shutter a folder",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="only warnings and errors on stderr")
    _add_recording(parser)
    _add_shutter(parser.add_argument_group("a moving scene, in clear air"))
    group = parser.add_argument_group("a planet that turns and drifts, instead of --image")
    group.add_argument(
        "--planet", action="store_true",
        help="write a SER of it; --size has the rows, a frame is a third wider",
    )  # fmt: skip
    _add_settings(group, OF_PLANET)


def _add_recording(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a still scene's air, optics and files: the fields of `Recording`."""
    groups = {
        "air in layers along a path": ("path", *OF_PATH),
        "optics": OF_OPTICS[:-1],  # the exposure is every shutter's
        "what was done to the frames, in this order": OF_FILE,
    }
    known = {setting.name: setting for setting in settings_of(Recording)}
    for title, names in groups.items():
        _add_settings(parser.add_argument_group(title), [known[name] for name in names])


def _add_settings(group: argparse._ArgumentGroup, found: Sequence[Setting]) -> None:
    """Declare an option for each setting."""
    for setting in found:
        option, text = f"--{setting.name.replace('_', '-')}", setting.help
        if isinstance(setting.default, bool):
            group.add_argument(option, action="store_true", default=None, help=text)
            continue
        kind = float if setting.default is None else type(setting.default)
        unit = f", in {setting.unit}" if setting.unit else ""
        metavar = "NAME" if kind is str else "N"
        group.add_argument(option, type=kind, metavar=metavar, help=text + unit)


def _add_shutter(group: argparse._ArgumentGroup) -> None:
    kinds = [str(kind) for kind in Shutter if kind is not Shutter.GLOBAL]
    group.add_argument("--shutter", choices=kinds, help="simulate this shutter, and nine truths")
    group.add_argument(
        "--readout-ratio", type=float, metavar="R", help="readout over frame time (default: 1)"
    )
    group.add_argument(
        "--exposure", type=float, metavar="E",
        help="of a row, over frame time (default: 0; global_reset"
        f" {GLOBAL_RESET_EXPOSURE}; of a still scene 0.12)",
    )  # fmt: skip
    group.add_argument("--frame-rate", type=float, metavar="HZ", help="default: 30")
    group.add_argument(
        "--speed", type=float, metavar="PX", help="motion of a still per frame (default: 8)"
    )
    group.add_argument(
        "--light", type=float, metavar="L",
        help="how bright the scene's white is; 1 just saturates the sensor (default: 1)",
    )  # fmt: skip
    group.add_argument(
        "--video", metavar="FILE", help="a high-speed video as the scene, in place of --image"
    )
    group.add_argument(
        "--video-rate", type=float, metavar="HZ",
        help="frames a second at which it was taken, where the file states another",
    )  # fmt: skip


def execute(args: argparse.Namespace) -> int:
    """Simulate and write one stack; print its paths."""
    if args.shutter:
        return _execute_shutter(args)
    if args.planet:
        return _execute_planet(args)
    out = _check(args)
    recording = recording_of(vars(args))
    conditions = levels.find_level(args.level).point()
    generator = torch.Generator(drawing_device(resolve_device(args.device))).manual_seed(args.seed)
    scene = read_scene(args.image)
    frames, size = args.frames or FRAMES, args.size or SIZE
    simulated = record(recording, scene, conditions, frames, size, generator)
    for path in _write(out, simulated.stack, simulated.truth):
        print(path)
    strength = simulated.truth.conditions.d_over_r0
    LOG.info("%s: %d frames, level %s, D/r0 %.2f", out, frames, args.level, strength)
    return Exit.DONE


def _execute_planet(args: argparse.Namespace) -> int:
    """Simulate and write the SER of a planet; print its paths."""
    out = Path(args.out)
    if out.suffix != ".ser":
        raise ConfigError(f"--out {out}: expected a name that ends in .ser, with --planet.")
    _check_amount(args)
    said = {name: getattr(args, name) for name in PLANET if getattr(args, name) is not None}
    planet = build(recording.Planet, said, "--planet")
    conditions = levels.find_level(args.level).point()
    generator = torch.Generator().manual_seed(args.seed)
    taken, size = recording_of(vars(args)), args.size or SIZE
    made = recording.record_planet(
        planet, taken, conditions, args.frames or FRAMES, (size, size * 4 // 3), generator
    )
    for path in recording.write_planet(out, made):
        print(path)
    LOG.info("%s: %d frames, level %s", out, made.stack.count, args.level)
    return Exit.DONE


def _check(args: argparse.Namespace) -> Path:
    """Return the output's path; ConfigError where name, size or count make no stack."""
    out = Path(args.out)
    if out.suffix != ".npy":
        raise ConfigError(f"--out {out}: expected a name that ends in .npy.")
    _refuse(args, PLANET, "--planet with it, found none. Pass both.")
    moving = [name for name in MOVING if name != "exposure"]
    _refuse(args, moving, "--shutter with it, found none. Pass both.")
    _check_amount(args)
    return out


def _refuse(args: argparse.Namespace, names: Sequence[str], expected: str) -> None:
    for name in names:
        if getattr(args, name) is not None:
            raise ConfigError(f"--{name.replace('_', '-')}: expected {expected}")


def _check_amount(args: argparse.Namespace) -> None:
    frames, size = args.frames or FRAMES, args.size or SIZE
    if size < SMALLEST or frames < MINIMUM_FRAMES:
        raise ConfigError(
            f"--size {size} --frames {frames}: expected at least {SMALLEST} pixels"
            f" and {MINIMUM_FRAMES} frames."
        )


def _execute_shutter(args: argparse.Namespace) -> int:
    """Simulate and write one sequence of a moving scene; print its paths."""
    _settle_shutter(args)
    conditions = levels.find_level(args.level).point()
    scene = _footage(args) if args.video else _layers(args, conditions.vibration)
    frame_time = 1 / args.frame_rate
    sensor = Sensor(
        black_level=BLACK,
        white_level=WHITE,
        noise=conditions.noise,
        shutter=Shutter(args.shutter),
        exposure_time=args.exposure * frame_time,
        row_time=args.readout_ratio * frame_time / scene.size[0],
        frame_time=frame_time,
    )
    generator = torch.Generator().manual_seed(args.seed)
    sequence = rolling.simulate_shutter(
        scene, sensor, args.frames or SHUTTER_FRAMES, generator, args.light
    )
    for path in write_sequence(Path(args.out), sequence):
        print(path)
    LOG.info("%s: %d frames, %d truths", args.out, sequence.count, len(sequence.truths))
    return Exit.DONE


def _settle_shutter(args: argparse.Namespace) -> None:
    """Fill in what was not said; ConfigError for numbers that no camera has."""
    _check_amount(args)
    still = ("path", *OF_PATH, *OF_OPTICS[:-1], *OF_FILE)
    _refuse(args, still, "no --shutter with it. Leave one of them out.")
    if args.device == "cuda":
        raise ConfigError("--device cuda: expected cpu or auto with --shutter. Leave it out.")
    if args.video_rate is not None and not args.video:
        raise ConfigError("--video-rate: expected --video with it, found none. Pass both.")
    if args.speed is not None and args.video:
        raise ConfigError("--speed: expected a still that moves, found --video. Pass one of them.")
    reset = args.shutter == Shutter.GLOBAL_RESET
    defaults = {**MOVING, "exposure": GLOBAL_RESET_EXPOSURE if reset else 0.0}
    for name, default in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, default)
    for name in ("readout_ratio", "exposure", "speed", "light", "frame_rate", "video_rate"):
        value = getattr(args, name)
        least = "above 0" if name.endswith("rate") or (reset and name == "exposure") else "from 0"
        if value is None or (0 <= value < float("inf") and (value or least == "from 0")):
            continue
        option = name.replace("_", "-")
        raise ConfigError(f"--{option} {value:g}: expected a number {least} on. Correct it.")
    if args.readout_ratio > 1:
        raise ConfigError(
            f"--readout-ratio {args.readout_ratio:g}: expected at most 1, as a sensor reads all"
            " rows of a frame before those of the next. Correct it."
        )


def _layers(args: argparse.Namespace, shake: float) -> rolling.Scene:
    """Return a still that moves, with an object before it."""
    size = args.size or SIZE
    speed = args.speed * args.frame_rate
    return rolling.draw_layers(read_scene(args.image), (size, size), speed, shake, args.seed)


def _footage(args: argparse.Namespace) -> rolling.Scene:
    """Return a video as a scene, as far as the frames need it, or the middle of it."""
    path = Path(args.video)
    _, sensor = video.decode_video(path, frame_luminance, 1)
    rate = args.video_rate or 1 / sensor.frame_time
    last = (args.frames or SHUTTER_FRAMES) + args.readout_ratio + args.exposure
    frames, sensor = video.decode_video(
        path, frame_luminance, math.ceil(last / args.frame_rate * rate)
    )
    if args.size:
        top, left = ((side - args.size) // 2 for side in frames.shape[1:])
        if min(top, left) < 0:
            raise ConfigError(
                f"--size {args.size}: expected at most {min(frames.shape[1:])} pixels of {path}."
            )
        frames = frames[:, top : top + args.size, left : left + args.size]
    return rolling.Footage(frames, sensor, rate)


def _write(out: Path, stack: Stack, truth: turbulence.Truth) -> list[Path]:
    """Write stack, sidecar and truth; the noise-free frames are left out, being as large as all."""
    sidecar, beside = out.with_suffix(".toml"), out.with_suffix(TRUTH_SUFFIX)
    with atomic_write(out) as part:
        np.save(part, stack.frames)
    write_text(sidecar, sidecar_text(stack.sensor, stack.scan))
    arrays = {name: getattr(truth, name).cpu().numpy() for name in TRUTH}
    write_npz(beside, arrays)
    return [out, sidecar, beside]


if __name__ == "__main__":
    sys.exit(main_of("simulate", add_arguments, execute))
