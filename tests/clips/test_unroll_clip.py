"""A clip of a rolling shutter becomes one of a global shutter, with its times, sound and turns."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from filmed import filmed, needs_ffmpeg, psnr, scene, write_plain, write_with_sound
from videos import turn

from burst.__main__ import main
from burst.clips import stream, timing, unroll
from burst.files import clip as files_clip
from burst.files.clip import find_ffmpeg, frames_of, open_clip

MOVING = {"pan": (150.0, 20.0), "shake": 2.0}


@pytest.fixture
def without_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_clip, "find_ffmpeg", lambda: None)


def colours_of(path: Path) -> list[np.ndarray]:
    clip = open_clip(path)
    return [stream.colours(clip, frame.planes) for frame in frames_of(clip)]


def unrolled(path: Path, *words: str) -> Path:
    out = path.with_name("straight.mp4")
    assert main(["unroll", str(path), "--out", str(out), "--threads", "1", *words]) == 0
    return out


@pytest.mark.usefixtures("without_ffmpeg")
@pytest.mark.parametrize("scan", ["top", "right"])
def test_every_frame_comes_closer_to_the_truth(
    tmp_path: Path, scan: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded, truths = filmed(scene(**MOVING), 8, scan=scan)
    path = write_plain(tmp_path / "clip.mp4", recorded)
    straight = colours_of(unrolled(path, "--readout", "0.8", "--scan", scan))
    before = [psnr(one, true) for one, true in zip(colours_of(path), truths, strict=True)]
    after = [psnr(one, true) for one, true in zip(straight, truths, strict=True)]
    assert min(np.subtract(after, before)) > 0
    assert np.mean(after) > np.mean(before) + 3
    assert "the program ffmpeg is not found" in capsys.readouterr().err


@pytest.mark.usefixtures("without_ffmpeg")
def test_what_stands_still_stays(tmp_path: Path) -> None:
    recorded, _ = filmed(scene(), 4)
    noisy = [np.random.default_rng(k).normal(one, 1).clip(0, 255).astype(np.uint8)
             for k, one in enumerate(recorded)]  # fmt: skip
    clip = open_clip(write_plain(tmp_path / "clip.mp4", noisy))
    still = timing.Timing(0.8 * float(clip.frame_time), "top", "told")
    for made, frame in zip(
        stream.Straightener(clip, still, True).frames(), frames_of(clip), strict=True
    ):
        apart = np.abs(np.subtract(made.planes, frame.planes, dtype=int))
        assert apart.max() <= 1
        assert np.mean(apart > 0) < 0.001


@pytest.mark.usefixtures("without_ffmpeg")
def test_frames_across_a_cut_and_frames_alone_have_nothing_to_do_with_each_other(
    tmp_path: Path,
) -> None:
    recorded, _ = filmed(scene(**MOVING), 8)
    other, _ = filmed(scene(**MOVING, seed=3), 4)
    cut = [*recorded[:4], *(255 - one[::-1, ::-1] for one in other), np.zeros_like(other[0])]
    path = write_plain(tmp_path / "clip.mp4", cut)
    report = json.loads(unrolled(path, "--readout", "0.8").with_suffix(".json").read_text("utf-8"))
    assert report["cuts"] == pytest.approx([4 / 30, 8 / 30], abs=1e-3)
    assert (report["frames"], report["unchanged"]) == (9, 1)


@pytest.mark.usefixtures("without_ffmpeg")
def test_a_repeated_frame_is_repeated(tmp_path: Path) -> None:
    recorded, _ = filmed(scene(**MOVING), 7)
    path = write_plain(tmp_path / "clip.mp4", recorded)
    clip = open_clip(path)
    frames = list(frames_of(clip))
    said = timing.Timing(0.8 * float(clip.frame_time), "top", "told")
    again = [*frames[:4], files_clip.ClipFrame(frames[3].planes, 4), *frames[5:]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "frames_of", lambda clip: iter(again))
        made = list(stream.Straightener(clip, said, True).frames())
    assert [one.number for one in made] == list(range(7))
    np.testing.assert_array_equal(made[3].planes, made[4].planes)
    assert made[3].moved > 1


@pytest.mark.usefixtures("without_ffmpeg")
def test_edges_that_lack_are_cropped(tmp_path: Path) -> None:
    recorded, _ = filmed(scene(pan=(400.0, 0.0)), 8)
    path = write_plain(tmp_path / "clip.mp4", recorded)
    out = unrolled(path, "--readout", "0.9", "--scan", "top", "--edges", "crop")
    clip = open_clip(out)
    assert clip.width < 128
    assert clip.height == 96
    assert clip.width % 2 == 0


@pytest.mark.usefixtures("without_ffmpeg")
def test_a_turned_clip_stays_turned_and_its_rows_lie_as_recorded(tmp_path: Path) -> None:
    recorded, _ = filmed(scene(**MOVING), 5)
    path = turn(write_plain(tmp_path / "clip.mp4", recorded), 90)
    out = unrolled(path, "--readout", "0.8", "--scan", "top")
    assert (open_clip(out).width, open_clip(out).rotation) == (128, open_clip(path).rotation)
    assert open_clip(path).rotation % 360 == 270


@needs_ffmpeg
def test_rate_sound_bits_and_colours_stay(tmp_path: Path) -> None:
    recorded, _ = filmed(scene(**MOVING), 12)
    path = write_with_sound(
        tmp_path / "clip.mp4", recorded, "-pix_fmt", "yuv420p10le", "-vf",
        "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709",
    )  # fmt: skip
    before, after = open_clip(path), open_clip(unrolled(path, "--readout", "16ms"))
    for name in ("pixels", "frame_time", "time_base", "colour", "width", "height"):
        assert getattr(after, name) == getattr(before, name), name
    stamps = [[frame.stamp for frame in frames_of(clip)] for clip in (before, after)]
    assert stamps[0] == stamps[1]
    said = subprocess.run([str(find_ffmpeg()), "-i", str(after.path)], capture_output=True).stderr
    assert b"Audio: aac" in said
    assert b"Video: h264" in said


@needs_ffmpeg
def test_uneven_times_stay(tmp_path: Path) -> None:
    recorded, _ = filmed(scene(**MOVING), 12)
    late = "setpts='PTS+700*gte(N,4)+1001*gte(N,9)'"
    words = (
        "-vf",
        f"settb=1/30000,{late}",
        "-fps_mode",
        "passthrough",
        "-enc_time_base",
        "1:30000",
    )
    path = write_with_sound(
        tmp_path / "clip.mp4", recorded, *words, "-video_track_timescale", "30000"
    )
    before, after = open_clip(path), open_clip(unrolled(path, "--readout", "0.8"))
    times = [
        [frame.stamp * clip.time_base for frame in frames_of(clip)] for clip in (before, after)
    ]
    assert times[0] == times[1]
    assert np.ptp(np.diff([float(time) for time in times[0]])) > 0.03


@needs_ffmpeg
def test_an_interrupted_run_goes_on_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded, _ = filmed(scene(**MOVING), 24)
    path = write_with_sound(tmp_path / "clip.mp4", recorded)
    monkeypatch.setattr(unroll, "SEGMENT", 10)
    whole = colours_of(unrolled(path, "--readout", "0.8", "--scan", "top"))
    wish, out = unroll.Wish(share=0.8, scan="top"), tmp_path / "again.mp4"

    def stop(done: int, total: int, rate: float) -> None:
        if done == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unroll.unroll_clip(path, out, wish, stop)
    assert not out.exists()
    numbers: list[int] = []
    unroll.unroll_clip(path, out, wish, lambda done, total, rate: numbers.append(done))
    assert numbers == list(range(11, 25))
    np.testing.assert_array_equal(colours_of(out), whole)
    assert not list(tmp_path.glob(".*.parts"))


@pytest.mark.usefixtures("without_ffmpeg")
def test_a_clip_that_tells_no_readout_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded, _ = filmed(scene(pan=(90.0, 0.0)), 4)
    path = write_plain(tmp_path / "clip.mp4", recorded)
    assert main(["unroll", str(path)]) == 3
    assert "Pass --readout 0.8" in capsys.readouterr().err
    assert [left.name for left in tmp_path.iterdir()] == ["clip.mp4"]
    assert main(["unroll", str(tmp_path / "none.mp4")]) == 3


@pytest.mark.parametrize("words", [("--readout", "1.2"), ("--readout", "fast"), ("--out", "a.gif")])
def test_wrong_options_are_explained(
    tmp_path: Path, words: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["unroll", str(tmp_path / "clip.mp4"), *words]) == 2
    assert f"{words[0]} {words[1]}: expected" in capsys.readouterr().err


@pytest.mark.usefixtures("without_ffmpeg")
@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("clip.mp4", ("--readout", "40ms"), "at most the 33.33 ms of a frame, found 40.00 ms"),
        (".", ("--readout", "0.8"), ".: expected a video, found a folder. Check the path."),
        ("none.mp4", (), "none.mp4: expected a video, found nothing there. Check the path."),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    name: str, words: tuple[str, ...], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write_plain(tmp_path / "clip.mp4", filmed(scene(), 4)[0])
    assert main(["unroll", name, *words]) == 3
    assert message in capsys.readouterr().err


def test_bands_are_taken_out_and_tell_the_readout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_clip, "find_ffmpeg", lambda: None)
    recorded, truths = filmed(scene(lamp=(100.0, 0.1)), 20, 0.7, "bottom")
    path = write_plain(tmp_path / "clip.mp4", recorded)
    out = unrolled(path)
    report = json.loads(out.with_suffix(".json").read_text("utf-8"))
    assert (report["readout_from"], report["scan"]) == ("bands", "bottom")
    assert report["readout_ratio"] == pytest.approx(0.7, rel=0.01)
    straight, plain = colours_of(out), colours_of(path)
    assert psnr(straight[5], truths[5]) > psnr(plain[5], truths[5]) + 3
    kept = colours_of(unrolled(path, "--bands", "keep"))
    assert abs(psnr(kept[5], truths[5]) - psnr(plain[5], truths[5])) < 1
