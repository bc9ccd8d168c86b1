"""Live stacking: the image is renewed while frames come, and says how many were used."""

import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from burst.__main__ import main
from burst.command import Exit
from burst.jobs import watch as watching
from burst.jobs.batch import Outcome
from burst.jobs.restore import Job, JobResult
from burst.jobs.watch import accepted, watch
from burst.records import StackError


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_EVERY", 0.02)


def job_of(folder: Path) -> Job:
    return Job(folder, folder / "out", "classical")


def test_a_folder_is_restored_again_when_a_tenth_has_come(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    seen: list[int] = []

    def attempt(job: Job) -> Outcome:
        seen.append(len(list(frames.iterdir())))
        # More come while it works.
        for _ in range(3 if len(seen) < 5 else 0):
            (frames / f"{time.monotonic_ns()}.png").write_bytes(bytes(100))
        return Outcome(job, Exit.DONE, 0.0, result=JobResult(()))

    (frames / "0.png").write_bytes(bytes(100))
    assert len(list(watch(job_of(frames), attempt, idle=0.1))) == len(seen) == 5
    assert seen == [1, 4, 7, 10, 13]


def test_a_frame_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "0.png").write_bytes(bytes(10))
    tried = []

    def attempt(job: Job) -> Outcome:
        tried.append(watching.size_of(frames))
        if tried[-1] < 100:
            (frames / "0.png").write_bytes(bytes(tried[-1] + 45))
            return Outcome(job, Exit.BAD_INPUT, 0.0, "cut")
        return Outcome(job, Exit.DONE, 0.0, result=JobResult(()))

    outcomes = list(watch(job_of(frames), attempt, idle=0.1))
    assert tried == [10, 55, 100]
    assert [outcome.exit for outcome in outcomes] == [Exit.DONE]


def test_what_stays_unreadable_is_told_once(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "0.png").write_bytes(b"no picture")

    def attempt(job: Job) -> Outcome:
        return Outcome(job, Exit.BAD_INPUT, 0.0, str(StackError("no picture")))

    assert [o.message for o in watch(job_of(frames), attempt, idle=0.1)] == ["no picture"]


def test_the_command_renews_the_image(tmp_path: Path) -> None:
    frames, rng = tmp_path / "frames", np.random.default_rng(0)
    frames.mkdir()
    scene = cv2.GaussianBlur(rng.integers(20, 230, (40, 48)).astype(np.float32), (0, 0), 1.5)

    def record(numbers: range) -> None:
        for k in numbers:
            frame = (scene + rng.normal(0, 3, scene.shape)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(frames / f"{k:03d}.png"), frame)

    record(range(6))
    later = threading.Timer(0.3, record, [range(6, 12)])
    later.start()
    options = ["run", "--stack", str(frames), "--out", str(tmp_path / "out"), "--watch"]
    options += ["--idle", "1.5", "--pipeline", "classical", "--no-report", "--device", "cpu"]
    code = main([*options, "--threads", "1"])
    later.join()
    assert code == 0
    assert accepted(tmp_path / "out/frames").startswith("12 frames, ")


@pytest.mark.parametrize("more", [["--jobs", "2"], ["--resume"]])
def test_what_does_not_go_with_watching_is_told(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--stack", str(tmp_path), "--watch", *more]) == 2
    assert "--watch: expected it without" in capsys.readouterr().err
