"""The memory that a run takes does not grow with the number of frames."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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
