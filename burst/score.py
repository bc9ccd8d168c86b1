"""Compare a restored image with the truth of a simulated stack, and with the plain mean."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from burst.command import Exit, main_of
from burst.files.check import explained
from burst.files.read import read_stack
from burst.lazy import torch
from burst.measure import scores
from burst.measure.peers import baselines
from burst.ops.orientation import upright
from burst.records import Stack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `burst score`."""
    parser.add_argument("--stack", required=True, metavar="FILE", help="the simulated stack")
    parser.add_argument("--truth", required=True, metavar="FILE.truth.npz", help="its truth")
    parser.add_argument("--restored", required=True, metavar="FILE.npy", help="restored.npy")
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute(args: argparse.Namespace) -> int:
    """Print PSNR of the plain mean and of the restored image, and the gain, in dB."""
    stack = read_stack(Path(args.stack))
    # The truth lies as the frames do; results are turned upright.
    truth, plain = _upright(_read_image(args.truth, "scene"), stack), baselines.plain_mean(stack)
    image = _read_image(args.restored)
    # Where the camera moved the result is smaller: all are compared where it lies.
    shown = scores.part_shown(image, truth)
    mean = scores.score(_upright(plain, stack)[shown], truth[shown]).psnr
    restored = scores.score(image, truth[shown]).psnr
    if args.json:
        print(json.dumps({"mean": mean, "restored": restored, "gain": restored - mean}))
    else:
        print(
            f"plain mean {mean:.2f} dB, restored {restored:.2f} dB: gained {restored - mean:.2f} dB"
        )
    return Exit.DONE


def _upright(image: torch.Tensor, stack: Stack) -> torch.Tensor:
    return torch.from_numpy(upright(image.cpu().numpy(), stack.sensor.orientation))


def _read_image(path: str, name: str | None = None) -> torch.Tensor:
    """Return an image [h, w] from .npy, or from .npz by its name; StackError if there is none."""
    with explained(path, "an image (h, w)", "Pass the file that the run wrote."):
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            image = loaded if name is None else loaded[name]
        if image.ndim != 2:
            raise ValueError(f"shape {image.shape}")
        return torch.from_numpy(image)


if __name__ == "__main__":
    sys.exit(main_of("score", add_arguments, execute))
