"""Other stacking programs, each run in a process of its own: stack in, image out.

`pss`    PlanetarySystemStacker, in its own environment: $BURST_PSS or ~/.cache/burst/pss
`siril`  Siril's command line, `siril-cli`
docs/peers.md says how to install them. Neither sharpens by default.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from burst.measure.results import PeerError
from burst.ops.noise import to_linear
from burst.records import Stack

PSS_HOME = "~/.cache/burst/pss"
# Wide boxes, a wide search and a reference of many frames: with less, strong turbulence misleads
# the alignment points.
PSS_OPTIONS = (
    *("-b", "auto", "--debayering", "Grayscale", "--out_format", "tiff"),
    *("-a", "30", "-w", "14", "--rf_percent", "30"),
)
PSS_SEARCH = 0.34  # of the height: its patch is three tenths, and it takes 150 px at most
PSS_RIM = 24  # px at the edges of its result that are ignored to find its place

# From a script Siril registers only by stars, which scenes do not have: it stacks without.
SIRIL_SCRIPT = """requires 1.0.0
cd frames
convert frame -out=../sequence
cd ../sequence
stack frame rej 3 3 -nonorm -out=../result
cd ..
load result
savetif result
"""

TIMEOUT = 600  # seconds
WHITE = 65535


def find_pss() -> Path:
    """Return the program PlanetarySystemStacker; PeerError if it is not installed."""
    home = Path(os.environ.get("BURST_PSS", PSS_HOME)).expanduser()
    program = home / "bin" / "PlanetarySystemStacker"
    if not program.is_file():
        raise PeerError(
            f"pss: expected {program}, found nothing there."
            " Install it as docs/peers.md says, or point $BURST_PSS to its environment."
        )
    return program


def find_siril() -> Path:
    """Return the program siril-cli; PeerError if it is not installed."""
    program = shutil.which("siril-cli")
    if program is None:
        raise PeerError(
            "siril: expected siril-cli on the path, found none. Install it as docs/peers.md says."
        )
    return Path(program)


def pss(stack: Stack) -> torch.Tensor:
    """Return PlanetarySystemStacker's image [h, w], linear, on the frames' grid."""
    result = _pss("Surface", stack)
    return _to_linear(place(result, _to_16_bits(stack).mean(0, dtype=np.float32)), stack)


def pss_drifting(stack: Stack, surface: bool) -> np.ndarray:
    """Return PlanetarySystemStacker's image [h, w] of a planet or a surface that drifts through the
    field, 16 bit, cut as the program does."""
    if not surface:
        return _pss("Planet", stack)
    search = str(min(int(PSS_SEARCH * stack.height), 150))
    return _pss("Surface", stack, "--stab_size", "30", "--stab_sw", search)


def _pss(kind: str, stack: Stack, *options: str) -> np.ndarray:
    program = find_pss()
    with tempfile.TemporaryDirectory(prefix="burst-pss-") as name:
        frames, output = Path(name) / "frames", Path(name) / "frames_pss.tiff"
        _write_frames(stack, frames)
        command = [str(program), "-m", kind, *PSS_OPTIONS, *options, str(frames)]
        # It shows no windows, but Qt needs a platform.
        return _image_of("pss", command, output, {"QT_QPA_PLATFORM": "offscreen"})


def siril(stack: Stack) -> torch.Tensor:
    """Return Siril's image [h, w], linear: a mean with outliers rejected."""
    program = find_siril()
    with tempfile.TemporaryDirectory(prefix="burst-siril-") as name:
        folder = Path(name)
        _write_frames(stack, folder / "frames")
        (folder / "sequence").mkdir()
        (folder / "script.ssf").write_text(SIRIL_SCRIPT, "ascii")
        command = [str(program), "-d", name, "-s", str(folder / "script.ssf")]
        result = _image_of("siril", command, folder / "result.tif", {"HOME": name})
    return _to_linear(result, stack)


def place(result: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return a cropped result [h', w'] at its place on the grid of the frames' mean [h, w].
    PlanetarySystemStacker keeps what all frames share and leaves some of its border black; there
    the plain mean is used."""
    rim = min(PSS_RIM, min(result.shape) // 4)
    inner = result[rim:-rim, rim:-rim].astype(np.float32)
    match = cv2.matchTemplate(mean.astype(np.float32), inner, cv2.TM_CCOEFF_NORMED)
    spare = (mean.shape[0] - result.shape[0], mean.shape[1] - result.shape[1])
    possible = match[rim : rim + spare[0] + 1, rim : rim + spare[1] + 1]
    top, left = np.unravel_index(possible.argmax(), possible.shape)
    placed = mean.astype(np.float32)
    inside = placed[top : top + result.shape[0], left : left + result.shape[1]]
    inside[result > 0] = result[result > 0]
    return placed


def _image_of(
    peer: str, command: Sequence[str], output: Path, settings: Mapping[str, str]
) -> np.ndarray:
    """Run a program and read the image [h, w] that it writes; PeerError without one in time."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PeerError(
            f"{peer}: expected an image within {TIMEOUT} s, found none. Take fewer frames."
        ) from error
    image = cv2.imread(str(output), cv2.IMREAD_UNCHANGED) if output.is_file() else None
    if image is None:
        last = " ".join(done.stdout.decode("utf-8", "replace").split()[-30:])
        raise PeerError(f"{peer}: expected an image, found none. It ended with: {last}")
    return np.asarray(image if image.ndim == 2 else image[..., 0])


def _write_frames(stack: Stack, folder: Path) -> None:
    """Write the frames as PNG of 16 bits, numbered."""
    folder.mkdir()
    for index, frame in enumerate(_to_16_bits(stack)):
        cv2.imwrite(str(folder / f"frame{index:05}.png"), frame)


def _to_16_bits(stack: Stack) -> np.ndarray:
    """Return frames [n, h, w] with white at the top of 16 bits; black stays above 0."""
    scale = WHITE / stack.sensor.white_level
    return np.rint(stack.frames * scale).clip(0, WHITE).astype(np.uint16)


def _to_linear(image: np.ndarray, stack: Stack) -> torch.Tensor:
    """Return the linear image [h, w] of one on the scale of `_to_16_bits`."""
    return to_linear(image.astype(np.float32) * (stack.sensor.white_level / WHITE), stack.sensor)
