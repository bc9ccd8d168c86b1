"""A toy pipeline and tiny stacks, with which the commands are tested apart from the real stages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

TOY_STAGES = Path(__file__).parent / "toy_stages"
PIPELINE = 'title = "toy"\nstages = ["toy_linear", "toy_trouble", "toy_mean"]\n'
IMAGES = ("restored.npy", "restored.png", "restored.tif")
OUTPUTS = {*IMAGES, "pipeline.toml", "report.html", "report.json"}

CHALLENGE = """\
title    = "toy challenge"
count    = 4
folders  = {folders}
image    = "{{stem}}_out.npy"
size     = [{size}, {size}]
dtype    = "uint16"
maximum  = 4095
transfer = "linear"
stretch  = [0.0, 1.0]
"""

# Read by every Python that starts with its folder on the path, a worker process included.
STARTUP = f"import burst.stages\nburst.stages.__path__.append({str(TOY_STAGES)!r})\n"


def write_stack(path: Path, seed: int = 0, size: int = 24) -> Path:
    """Write a stack (8, size, size) of 12-bit frames and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.random.default_rng(seed).integers(100, 4000, (8, size, size), np.uint16)
    np.save(path, frames)
    return path


def write_pipeline(folder: Path) -> Path:
    """Write the toy pipeline and return its path."""
    path = folder / "toy.toml"
    path.write_text(PIPELINE)
    return path


def command(folder: Path, *words: object, module: str = "burst") -> list[str]:
    """Return a command line that runs `python -m burst ...`, and see that it finds the toys."""
    (folder / "sitecustomize.py").write_text(STARTUP)
    return [sys.executable, "-m", module, *map(str, words)]


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which `folder` is the first on the path of Python."""
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def run_command(
    folder: Path, *words: object, module: str = "burst"
) -> subprocess.CompletedProcess[str]:
    """Run `python -m burst ...` in `folder`, with the toy stages known."""
    return subprocess.run(
        command(folder, *words, module=module),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def read_files(folder: Path, names: tuple[str, ...] = IMAGES) -> dict[str, bytes]:
    """Return the bytes of some files of a folder by name."""
    return {name: (folder / name).read_bytes() for name in names}
