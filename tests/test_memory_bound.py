"""The memory that a run takes does not grow with the number of frames."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from burst.files.read import read_stack
from burst.mapped import FrameList, each_frame, forget, room_for_frames

SIDE, FEW, MANY = 96, 60, 480
# Bytes. The peaks of equal runs differ by 35 million; all frames in memory take 230 million more.
MOST_MORE = 60_000_000
RUN = """
import sys
from pathlib import Path
from burst.jobs.restore import Job, restore

path, out = map(Path, sys.argv[1:])
job = Job(path, out, "classical", until="align", memory=20_000_000)
restore(job, lambda *done: None)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def write_ser(path: Path, frames: np.ndarray) -> None:
    """Write frames of 8 bits as SER."""
    count, height, width = frames.shape
    numbers = np.array([0, 0, 0, width, height, 8, count], "<i4").tobytes()
    path.write_bytes((b"LUCAM-RECORDER" + numbers).ljust(178, b"\0") + frames.tobytes())


def scene(count: int) -> np.ndarray:
    """Return noisy frames of a scene at rest, 8 bits."""
    draw = np.random.default_rng(0)
    one = np.kron(draw.integers(60, 180, (SIDE // 8, SIDE // 8)), np.ones((8, 8)))
    noise = draw.normal(0, 6, (8, SIDE, SIDE))
    return np.stack(
        [(one + np.roll(noise[i % 8], i, axis=1)).clip(0, 255).astype(np.uint8)
         for i in range(count)]
    )  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
def test_eight_times_the_frames_take_hardly_more_memory(tmp_path):
    peaks = []
    for count in (FEW, MANY):
        write_ser(tmp_path / f"{count}.ser", scene(count))
        command = [
            sys.executable,
            "-c",
            RUN,
            str(tmp_path / f"{count}.ser"),
            str(tmp_path / f"out-{count}"),
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        peaks.append(1024 * int(done.stdout))
    assert peaks[1] - peaks[0] < MOST_MORE


def test_mapped_frames_of_8_bits_stay_in_their_file(tmp_path, monkeypatch):
    monkeypatch.setattr("burst.files.values.MOST_COPIED", 0)
    frames = scene(6)
    write_ser(tmp_path / "a.ser", frames)
    stack = read_stack(tmp_path / "a.ser")
    assert stack.frames.dtype == np.uint8
    assert isinstance(stack.frames, np.memmap)
    np.testing.assert_array_equal(stack.frames, frames)


def test_frames_that_are_forgotten_are_read_again(tmp_path):
    frames = scene(6)
    np.save(tmp_path / "a.npy", frames)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    np.testing.assert_array_equal(np.stack(list(each_frame(mapped[1:]))), frames[1:])
    forget(mapped)
    np.testing.assert_array_equal(mapped, frames)


def test_changes_of_a_private_copy_are_not_forgotten(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 16), np.uint16))
    copy = np.load(tmp_path / "a.npy", mmap_mode="c")
    copy[2] = 7
    forget(copy)
    assert (copy[2] == 7).all()


@pytest.mark.parametrize("most", [0, 10**9])
def test_frames_are_gathered_in_memory_or_in_a_file(monkeypatch, most):
    monkeypatch.setattr("burst.mapped.MOST_IN_MEMORY", most)
    gathered = FrameList()
    for frame in scene(6):
        gathered.append(frame)
    assert len(gathered) == 6
    assert isinstance(gathered.array(), np.memmap) == (most == 0)
    np.testing.assert_array_equal(gathered.array(), scene(6))
    room = room_for_frames((6, SIDE, SIDE), np.uint8)
    room[:] = scene(6)
    forget(room)
    np.testing.assert_array_equal(room, scene(6))


def write_many_ways(folder: Path, frames: np.ndarray, way: str) -> Path:
    """Write frames as a file or a folder of one kind; return its path."""
    if way.startswith("tif"):
        path = folder / "a.tif"
        tifffile.imwrite(path, frames, compression=None if way == "tif" else "zlib")
        return path
    fits = pytest.importorskip("astropy.io.fits")
    if way == "folder":
        for number, frame in enumerate(frames):
            fits.writeto(folder / f"f{number:03d}.fits", frame)
        return folder
    path = folder / f"a.{way}"
    packed = fits.CompImageHDU if way == "fits.fz" else fits.ImageHDU
    fits.HDUList([fits.PrimaryHDU(), packed(frames)]).writeto(path)
    return path


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
@pytest.mark.parametrize("way", ["fits", "fits.gz", "fits.bz2", "fits.fz", "folder", "tif-zlib"])
def test_many_frames_are_decoded_one_by_one_into_a_file(tmp_path, monkeypatch, way, kind):
    frames = (scene(6) * 16).astype(kind)
    path = write_many_ways(tmp_path, frames, way)
    usual = read_stack(path)
    assert not isinstance(usual.frames, np.memmap)
    monkeypatch.setattr("burst.mapped.MOST_IN_MEMORY", 0)
    monkeypatch.setattr("burst.files.fits.MOST_IN_MEMORY", 1)
    stack = read_stack(path)
    assert isinstance(stack.frames, np.memmap)
    assert stack.sensor == usual.sensor
    np.testing.assert_array_equal(stack.frames, usual.frames)


def test_gaps_of_many_frames_are_filled_in_a_file(tmp_path, monkeypatch):
    frames = (scene(6) / 255).astype(np.float32)
    frames[2, 5:9, 7] = np.nan
    np.save(tmp_path / "a.npy", frames)
    usual = read_stack(tmp_path / "a.npy")
    monkeypatch.setattr("burst.mapped.MOST_IN_MEMORY", 0)
    stack = read_stack(tmp_path / "a.npy")
    assert isinstance(stack.measured, np.memmap)
    np.testing.assert_array_equal(stack.frames, usual.frames)
    np.testing.assert_array_equal(stack.measured, usual.measured)
