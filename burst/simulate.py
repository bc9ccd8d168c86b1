"""Simulate a stack through turbulent air, with the truth beside it."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burst.command import Exit, main_of, positive
from burst.config import ConfigError
from burst.data.scenes import SCENES, read_scene
from burst.files.folder import TRUTH_SUFFIX
from burst.machine import DEVICES, resolve_device
from burst.records import MINIMUM_FRAMES, Stack

if TYPE_CHECKING:
    from burst.data.simulate import Truth

LOG = logging.getLogger("burst")

SMALLEST = 16
TRUTH = ("scene", "flow", "row_motion", "psf", "hot", "row_offset")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `burst simulate`."""
    parser.add_argument(
        "--image", default="camera", metavar="FILE|NAME",
        help=f"the scene: a file, or one of {', '.join(SCENES)} (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--level", default="medium", help="how hard: low, medium, high, very-high (default: medium)"
    )
    parser.add_argument("--frames", type=positive, default=100, help="default: %(default)s")
    parser.add_argument(
        "--size", type=positive, default=271, help="rows and columns (default: 271)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: auto")
    parser.add_argument(
        "--out", required=True, metavar="FILE.npy",
        help="the stack; its sensor goes to FILE.toml and the truth to FILE.truth.npz",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="only warnings and errors on stderr")


def execute(args: argparse.Namespace) -> int:
    """Simulate and write one stack; print its paths."""
    out = _check(args)
    import torch

    from burst.data.levels import find_level
    from burst.data.simulate import simulate

    conditions = find_level(args.level).point()
    generator = torch.Generator(resolve_device(args.device)).manual_seed(args.seed)
    scene = read_scene(args.image)
    simulated = simulate(scene, conditions, generator, args.frames, (args.size, args.size))
    for path in _write(out, simulated.stack, simulated.truth):
        print(path)
    LOG.info("%s: %d frames, level %s", out, args.frames, args.level)
    return Exit.DONE


def _check(args: argparse.Namespace) -> Path:
    """Return the output's path; ConfigError where name, size or count make no stack."""
    out = Path(args.out)
    if out.suffix != ".npy":
        raise ConfigError(f"--out {out}: expected a name that ends in .npy.")
    if args.size < SMALLEST or args.frames < MINIMUM_FRAMES:
        raise ConfigError(
            f"--size {args.size} --frames {args.frames}: expected at least {SMALLEST} pixels"
            f" and {MINIMUM_FRAMES} frames."
        )
    return out


def _write(out: Path, stack: Stack, truth: Truth) -> list[Path]:
    """Write stack, sidecar and truth; the noise-free frames are left out, being as large as all."""
    import numpy as np

    from burst.files.write import atomic_write, write_npz, write_text

    sidecar, beside = out.with_suffix(".toml"), out.with_suffix(TRUTH_SUFFIX)
    with atomic_write(out) as part:
        np.save(part, stack.frames)
    write_text(sidecar, _as_sidecar(stack))
    arrays = {name: getattr(truth, name).cpu().numpy() for name in TRUTH}
    write_npz(beside, arrays)
    return [out, sidecar, beside]


def _as_sidecar(stack: Stack) -> str:
    import tomli_w

    table: dict[str, Any] = {k: v for k, v in asdict(stack.sensor).items() if v is not None}
    table["shutter"] = str(stack.sensor.shutter)
    if stack.scan is not None and (stack.scan < 0).any():
        table["scan"] = stack.scan.tolist()
    return tomli_w.dumps(table)


if __name__ == "__main__":
    sys.exit(main_of("simulate", add_arguments, execute))
