"""Bad frames cost nothing: the result is that of the same stack without them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from simulated import before, stack_of

from burst.data.faults import apply_fault
from burst.measure.scores import score
from burst.pipeline import load
from burst.records import Burst, Provenance, Sensor, Stack
from burst.report.curves import draw_scores
from burst.report.frames import left_out
from burst.report.motion import draw_displacement, draw_row_motion, draw_shift
from burst.report.page import draw_plots
from burst.report.summary import summarise
from burst.stages.screen import Config, run

DN = Sensor(black_level=256, white_level=4095)
LOST = 0.3  # dB
COUNT = 16


def stack_with(frames: np.ndarray, bad: np.ndarray | None = None) -> Stack:
    stack = stack_of("medium", 96, COUNT).stack
    scan = stack.scan if bad is None else np.delete(stack.scan, bad)
    return replace(stack, frames=frames, scan=scan[: len(frames)])


def restored(frames: np.ndarray, *settings: str) -> Burst:
    return load("classical", settings).run(Burst(stack_with(frames)))


@lru_cache(maxsize=1)
def clean() -> Burst:
    return restored(frames())


def psnr(burst: Burst) -> float:
    assert bool(burst.image.isfinite().all())
    return score(burst.image, stack_of("medium", 96, COUNT).truth.scene).psnr


def frames() -> np.ndarray:
    return stack_of("medium", 96, COUNT).stack.frames


@pytest.mark.parametrize("name", ["dark", "another_scene", "partly_doubled", "torn"])
def test_a_fifth_of_bad_frames_costs_nothing(name):
    spoilt = apply_fault(name, frames(), DN, seed=4, share=0.2)
    without = restored(np.delete(frames(), spoilt.bad, 0))
    assert psnr(restored(spoilt.frames)) > psnr(without) - LOST


@pytest.mark.parametrize("name", ["brighter", "flicker", "bracket"])
def test_light_that_changes_costs_nothing(name):
    assert psnr(restored(apply_fault(name, frames(), DN, seed=4).frames)) > psnr(clean()) - LOST


def test_all_of_it_at_once_costs_nothing():
    spoilt, bad = apply_fault("flicker", frames(), DN, seed=1).frames, []
    for k, name in enumerate(("dark", "another_scene", "mirrored")):
        made = apply_fault(name, spoilt, DN, seed=k, share=0.05)
        spoilt, bad = made.frames, [*bad, *made.bad]
    without = restored(np.delete(frames(), np.unique(bad), 0))
    assert psnr(restored(spoilt)) > psnr(without) - LOST


@pytest.mark.parametrize("distinct", [1, 2])
def test_identical_frames_give_what_one_of_them_gives(distinct):
    same = np.resize(frames()[:distinct], (COUNT, 96, 96))
    burst = restored(same)
    sensor = burst.stack.sensor
    mean = (same.mean(0) - 256) / (sensor.white_level - 256)
    truth = stack_of("medium", 96, COUNT).truth.scene
    assert psnr(burst) > score(torch.from_numpy(mean).float(), truth).psnr - 0.5
    assert all(bool(torch.isfinite(getattr(burst, name)).all()) for name in ("flow", "psf"))


def test_a_bright_frame_is_not_the_sharpest():
    spoilt = apply_fault("brighter", frames(), DN, seed=4)
    sharpness = restored(spoilt.frames).report.numbers("select")["sharpness"]
    usual = clean().report.numbers("select")["sharpness"]
    i = int(spoilt.bad[0])
    assert sharpness[i] == pytest.approx(usual[i], rel=0.25)


def test_a_bright_frame_is_not_the_sharpest_where_nobody_measured_gains():
    from burst.stages.select import Config as Selection
    from burst.stages.select import run as select

    burst = replace(before("select"), gain=None, kept=None)
    bright = burst.linear.clone()
    bright[5] *= 2
    usual = select(burst, Selection()).report.entries[-1].numbers["sharpness"]
    found = (
        select(replace(burst, linear=bright), Selection()).report.entries[-1].numbers["sharpness"]
    )
    assert found[5] == pytest.approx(usual[5], rel=0.15)


def test_every_field_holds_the_kept_frames_alone():
    spoilt = apply_fault("dark", frames(), DN, seed=4, share=0.2)
    burst = restored(spoilt.frames)
    left = COUNT - len(spoilt.bad)
    for name in (
        "kept",
        "gain",
        "linear",
        "weights",
        "tile_sharpness",
        "flow",
        "row_motion",
        "psf",
    ):
        assert len(getattr(burst, name)) == left, name
    assert set(burst.kept.tolist()) == set(range(COUNT)) - set(spoilt.bad.tolist())


def test_motion_during_exposure_goes_by_the_scan_of_the_frames_that_are_left():
    spoilt = apply_fault("dark", frames(), DN, seed=4, share=0.2)
    scan = np.where(np.arange(COUNT) % 3, 1, -1).astype(np.int8)
    whole = replace(stack_with(spoilt.frames), scan=scan)
    alone = replace(
        whole, frames=np.delete(spoilt.frames, spoilt.bad, 0), scan=np.delete(scan, spoilt.bad)
    )
    first, second = (load("classical").run(Burst(stack)) for stack in (whole, alone))
    torch.testing.assert_close(first.psf, second.psf)
    torch.testing.assert_close(first.image, second.image)


def test_the_report_speaks_of_all_frames_of_the_stack():
    spoilt = apply_fault("mirrored", frames(), DN, seed=4, share=0.13)
    burst = restored(spoilt.frames)
    bad = spoilt.bad.tolist()
    noted = burst.report.numbers("select")
    assert len(noted["sharpness"]) == len(noted["weights"]) == COUNT
    assert [noted["sharpness"][i] for i in bad] == [None] * len(bad)
    assert all(noted["reasons"][str(i)] == "mirrored" for i in bad)
    assert left_out(burst) == f" Frames {bad[0]}, {bad[1]}: mirrored."
    for draw in (draw_scores, draw_shift, draw_row_motion, draw_displacement):
        assert draw(burst) is not None
    weights = summarise(burst, Provenance("", "", "", 0, 1, "cpu"), [])["measured"]["weights"]
    assert len(weights) == COUNT
    assert [weights[i] for i in bad] == [0.0] * len(bad)


def test_brightness_is_drawn_where_it_differs():
    burst = restored(apply_fault("flicker", frames(), DN, seed=4).frames)
    assert "gain" in [plot["name"] for plot in draw_plots(burst)]
    assert "gain" not in [plot["name"] for plot in draw_plots(clean())]


def test_all_frames_are_used_when_told_so():
    spoilt = apply_fault("dark", frames(), DN, seed=4)
    burst = run(Burst(stack_with(spoilt.frames), report=load_report()), Config(frames=False))
    assert burst.kept.tolist() == list(range(COUNT))
    spoilt = apply_fault("flicker", frames(), DN, seed=4)
    burst = run(Burst(stack_with(spoilt.frames), report=load_report()), Config(gains=False))
    assert bool((burst.gain == 1).all())


def load_report():
    return Burst(stack_with(frames())).report.begin("screen", {})


def test_few_frames_are_told():
    same = np.resize(frames()[:2], (COUNT, 96, 96))
    burst = run(Burst(stack_with(same), report=load_report()), Config())
    assert burst.report.warnings == (
        "screen: Only 2 of 16 frames take part; the report says why. Set screen.strictness lower,"
        " or screen.frames=false to use all.",
    )


def test_saturated_values_of_longer_exposures_do_not_count():
    long = np.where(np.arange(COUNT) % 2, 4.0, 1.0)[:, None, None]
    bracket = np.rint(256 + (frames() - 256.0) * long).clip(0, 4095).astype(np.uint16)
    burst = load("classical").until("noise").run(Burst(stack_with(bracket)))
    saturated = torch.from_numpy((bracket == 4095) & (long > 1))
    assert bool(saturated.any())
    assert not bool(burst.valid[saturated].any())
    assert bool(burst.valid[::2].all())


def test_a_network_need_not_have_learnt_behind_the_stage():
    from types import SimpleNamespace

    from burst.network.apply import other_stages

    card = SimpleNamespace(name="n", pipeline='stages = ["noise", "select"]')
    report = Burst(stack_with(frames())).report
    for name in ("screen", "noise", "select", "fuse"):
        report = report.begin(name, {})
    assert other_stages(report, SimpleNamespace(card=card)) is None
