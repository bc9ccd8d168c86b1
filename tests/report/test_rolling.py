"""What the page says of images of instants, and of their truths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import Page, needs_browser
from marks import marks_of
from rolled import recording, reset_recording, truth

from burst.pipeline import load
from burst.records import Burst, Provenance, Shutter, given
from burst.report.page import LONGEST_SIDE, MOST_IMAGES, film_of, render
from burst.report.pictures import error_pictures, scene_pictures
from burst.report.plot import Line
from burst.report.rolling import Instants, frame_image, scores
from burst.report.rows import draw_rows
from burst.report.summary import summarise
from burst.report.write import write_report

SHARES = (0.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def instants() -> Instants:
    """Three instants of the first of two frames, with their truths."""
    return restored(Shutter.ROLLING)


def restored(shutter: Shutter) -> Instants:
    stack = recording(shutter).luminance()
    words = [f"unroll.instants={list(SHARES)}", "unroll.frame=0"]
    pipeline = f"{shutter}_geometry"
    burst = load(pipeline, words).run(Burst(stack))
    assert burst.image is not None
    truths = {k: truth(recording(shutter), 0, share).numpy() for k, share in enumerate(SHARES)}
    return Instants(burst, burst.image.numpy(), truths)


def test_a_truth_is_that_of_the_image_of_its_moment(instants: Instants) -> None:
    assert [instants.image_of(0, share) for share in SHARES] == [0, 1, 2]
    assert instants.image_of(0, 0.25) is None
    assert instants.image_of(1, 0.5) is None
    assert instants.image_of(7, 0.5) is None


@pytest.mark.parametrize("paired", [True, False])
def test_truths_of_other_shutters_are_those_of_their_moments(paired: bool) -> None:
    sequence = recording(Shutter.DUAL_REVERSED) if paired else reset_recording(2)
    words = [f"unroll.instants={list(SHARES)}", "unroll.frame=0"]
    pipeline = load(f"{sequence.sensor.shutter}_geometry", words)
    burst = pipeline.run(Burst(sequence.luminance()))
    found = Instants(burst, given(burst.image).numpy())
    assert [found.image_of(0, share) for share in SHARES] == [0, 1, 2]


def test_an_image_is_compared_with_the_frame_closest_in_time(instants: Instants) -> None:
    assert [instants.frame_of(k) for k in range(3)] == [0, 0, 0]


def test_the_result_is_closer_to_the_truth_than_the_frame(instants: Instants) -> None:
    for score in scores(instants):
        assert score["psnr"] > score["frame_psnr"] + 4


def test_the_truth_itself_has_no_error(instants: Instants) -> None:
    perfect = replace(instants, images=np.stack([instants.truths[k] for k in range(3)]))
    assert {score["psnr"] for score in scores(perfect)} == {float("inf")}
    summary = summarise(perfect.burst, provenance(), [], perfect)
    assert [score["psnr"] for score in summary["truth"]] == [None] * 3
    assert "\N{INFINITY} dB" in render(summary, perfect.burst, None, perfect)


def provenance() -> Provenance:
    return Provenance("0.1.0", "pan", 'stages = ["unroll"]\n', seed=0, threads=1, device="cpu")


def test_the_page_compares_frame_truth_and_result(instants: Instants) -> None:
    names = [p.name for p in scene_pictures(instants.burst, None, instants)]
    assert names == ["frame-0", "truth", "restored"]
    unknown = replace(instants, truths={})
    names = [p.name for p in scene_pictures(unknown.burst, None, unknown)]
    assert names == ["frame-0", "restored"]
    assert error_pictures(unknown) == []


def test_both_frames_of_a_pair_are_shown() -> None:
    pair = restored(Shutter.DUAL_REVERSED)
    names = [p.name for p in scene_pictures(pair.burst, None, pair)]
    assert names == ["frame-0", "frame-1", "truth", "restored"]
    down, up = (np.asarray(line.x) for line in marks_of(draw_rows(pair)[0], Line)[:2])
    np.testing.assert_allclose(down, up[::-1], atol=1e-6)


def test_the_paths_of_rows_and_the_instants_are_drawn_at_their_times(instants: Instants) -> None:
    first, second, *marked = [np.asarray(line.x) for line in marks_of(draw_rows(instants)[0], Line)]
    readout = 0.8 * 127 / 128
    np.testing.assert_allclose([first, second], [[0, readout], [1, 1 + readout]], atol=1e-6)
    np.testing.assert_allclose([x for x, _ in marked], [0, readout / 2, readout], atol=1e-6)


def test_the_motion_is_that_of_the_scene(instants: Instants) -> None:
    motion = draw_rows(instants)[1]
    # 200 px/s, 40 px/s down, and frames 0.04 s apart, a row lower 0.4 % later.
    assert "frame 0 to frame 1: 8.2 px rms" in motion.caption


def test_rows_of_the_result_stand_where_they_should(instants: Instants) -> None:
    drawing = next(d for d in draw_rows(instants) if d.name == "row-errors")
    frame, result = (np.asarray(line.x) for line in marks_of(drawing, Line))
    # The first and last row of the frame are 0.4 frame times away from the middle one.
    assert frame[[5, -5]] == pytest.approx([3.0, 3.0], abs=0.5)
    assert frame[62:66].max() < 0.4
    assert np.nanmean(result) < 0.2


def test_the_film_is_a_strip_of_all_images(instants: Instants) -> None:
    film = film_of(instants)
    assert film is not None
    assert (film.count, film.width, film.height) == (3, 160, 128)


def test_a_long_and_large_film_stays_small(instants: Instants) -> None:
    images = np.random.default_rng(0).random((60, 300, 500), np.float32)
    long = replace(instants, images=images)
    report = instants.burst.report.note(instants=np.linspace(0, 9, 60).tolist())
    film = film_of(replace(long, burst=replace(instants.burst, report=report)))
    assert film is not None
    assert (film.count, film.width) == (MOST_IMAGES, LONGEST_SIDE)
    assert len(film.uri) < 2_500_000  # of noise, which compresses worst


def test_one_image_is_no_film(instants: Instants) -> None:
    assert film_of(replace(instants, images=instants.images[:1])) is None


def test_a_frame_in_colour_is_shown_in_colour(instants: Instants) -> None:
    stack = instants.burst.stack
    colour = np.stack([stack.frames // 4, stack.frames // 2, stack.frames], axis=-1)
    coloured = replace(instants.burst, stack=replace(stack, colour=colour))
    assert frame_image(coloured, 0).shape == (128, 160, 3)
    assert frame_image(coloured, 0)[..., 2].mean() > frame_image(coloured, 0)[..., 0].mean()


@needs_browser
def test_the_film_runs_and_can_be_held(instants: Instants, tmp_path: Path) -> None:
    shown = write_report(tmp_path / "out", instants.burst, provenance(), None, instants)[1]
    page = Page(tmp_path / "profile")
    style = "getComputedStyle(document.querySelector('.film img'))."
    try:
        page.open(shown.as_uri())
        assert page.complaints == []
        assert page.script(style + "animationName + ' ' + " + style + "animationPlayState") == (
            "film running"
        )
        page.script("document.querySelector('.still').click()")
        assert page.script(style + "animationPlayState") == "paused"
        calm = {"name": "prefers-reduced-motion", "value": "reduce"}
        page.tell("Emulation.setEmulatedMedia", features=[calm])
        assert page.script(style + "animationName") == "none"
    finally:
        page.close()


def test_all_pictures_are_upright(instants: Instants) -> None:
    stack = instants.burst.stack
    turned = replace(stack, sensor=replace(stack.sensor, orientation=6))
    lying = replace(instants, burst=replace(instants.burst, stack=turned))
    pictures = [*scene_pictures(lying.burst, None, lying), *error_pictures(lying)]
    assert {(picture.width, picture.height) for picture in pictures} == {(128, 160)}
    film = film_of(lying)
    assert film is not None
    assert (film.width, film.height) == (128, 160)
