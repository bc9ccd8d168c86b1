"""A zip is looked at as the judges' program will, and every fault is told."""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from burst.submission.archive import write_zip
from burst.submission.challenge import README, SubmissionError
from burst.submission.check import check
from burst.submission.encode import to_bytes

RAMP = np.linspace(0, 4095, 24 * 24).reshape(24, 24).astype(np.uint16)
GOOD = {f"{stem}_out.npy": to_bytes(RAMP, ".npy") for stem in "abcd"}
LINES = "runtime : 1.0\nCPU : 1\n"


def with_image(numbers):
    """Return good contents in which one image is another."""
    return {**GOOD, "a_out.npy": to_bytes(numbers, ".npy")}


def without(name):
    """Return good contents that lack an image."""
    return {key: content for key, content in GOOD.items() if key != name}


def faults_of(path, challenge, contents, images=None):
    """Write a zip and return what is wrong with it, a line each."""
    write_zip(path, contents)
    with pytest.raises(SubmissionError) as caught:
        check(path, challenge, images)
    return str(caught.value).splitlines()


def test_good_zip_passes(tmp_path, challenge):
    write_zip(tmp_path / "a.zip", GOOD)
    assert check(tmp_path / "a.zip", challenge) == 4
    assert check(tmp_path / "a.zip", challenge, list(GOOD)) == 4


BROKEN = {
    "too few": (without("a_out.npy"), "expected 4 images, found 3."),
    "too many": ({**GOOD, "e_out.npy": GOOD["a_out.npy"]}, "expected 4 images, found 5."),
    "other name": (
        {**GOOD, "a.npy": b""},
        "a.npy: expected only names such as {stem}_out.npy. Remove it.",
    ),
    "folder": (
        {f"try/{name}": content for name, content in GOOD.items()},
        "try/a_out.npy: expected no folder. Zip what is in it, not the folder itself.",
    ),
    "hidden": ({**GOOD, ".DS_Store": b""}, ".DS_Store: expected no hidden file."),
    "leftover": ({**GOOD, "__MACOSX/._a_out.npy": b""}, "__MACOSX/._a_out.npy: expected no hidden"),
    "size": (
        with_image(RAMP[:, 1:]),
        "a_out.npy: expected the shape (24, 24), found (24, 23).",
    ),
    "stack": (with_image(RAMP[None]), "expected the shape (24, 24), found (1, 24, 24)."),
    "dtype": (with_image(RAMP.astype(np.float32)), "expected uint16, found float32."),
    "byte order": (with_image(RAMP.astype(">u2")), "expected uint16, found >u2."),
    "NaN": (
        with_image(np.where(RAMP < 9, np.nan, RAMP)),
        "a_out.npy: expected numbers, found 2 NaN or infinite values.",
    ),
    "too bright": (with_image(RAMP + 1), "expected values 0..4095, found 1..4096."),
    "negative": (with_image(RAMP.astype(np.int32) - 1), "expected values 0..4095, found -1..4094."),
    "blank": (with_image(RAMP * 0), "expected a picture, found 0 in all pixels."),
    "no array": ({**GOOD, "a_out.npy": b"PNG"}, "a_out.npy: expected an image in .npy, found"),
    "cut array": (
        {**GOOD, "a_out.npy": GOOD["a_out.npy"][:-1]},
        "an array (24, 24) of uint16 that is not complete",
    ),
    "way out": ({**GOOD, "../a_out.npy": b""}, "expected a name inside the archive's own folder"),
}


@pytest.mark.parametrize(("contents", "fault"), BROKEN.values(), ids=BROKEN)
def test_broken_zip_is_told_its_fault(tmp_path, challenge, contents, fault):
    lines = faults_of(tmp_path / "a.zip", challenge, contents)
    assert any(fault in line for line in lines), lines
    assert all(line.startswith(f"{tmp_path}/a.zip: ") for line in lines)


def test_all_faults_are_listed_at_once(tmp_path, challenge):
    contents = {
        "a_out.npy": to_bytes(RAMP[1:], ".npy"),
        "b_out.npy": to_bytes(RAMP.astype(np.uint8), ".npy"),
        ".hidden": b"",
        "notes.txt": b"",
    }
    lines = faults_of(tmp_path / "a.zip", challenge, contents)
    assert len(lines) == 5
    for name in ("a_out.npy", "b_out.npy", ".hidden", "notes.txt", "found 2"):
        assert sum(name in line for line in lines) == 1


def test_very_names_are_compared_where_they_are_known(tmp_path, challenge):
    images = [*without("a_out.npy"), "e_out.npy"]
    lines = faults_of(tmp_path / "a.zip", challenge, GOOD, images)
    assert [line.partition(": ")[2] for line in lines] == [
        "e_out.npy: expected it, found no such image.",
        "a_out.npy: expected no image of this name.",
    ]


def test_name_that_comes_twice_is_a_fault(tmp_path, challenge):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in (*GOOD, "a_out.npy"):
            with warnings.catch_warnings(action="ignore"):
                archive.writestr(name, GOOD[name])
    with pytest.raises(SubmissionError, match=r"a_out.npy: expected it once, found it 2 times"):
        check(tmp_path / "a.zip", challenge)


def test_zip_that_is_too_large_is_a_fault(tmp_path, challenge):
    noise = np.random.default_rng(0).integers(0, 4095, (900, 900), np.uint16)
    large = replace(challenge, megabytes=1)
    lines = faults_of(tmp_path / "a.zip", large, with_image(noise))
    assert any("expected at most 1 MB, found 1." in line for line in lines)


@pytest.mark.parametrize("content", [b"", b"no zip at all", None, "truncated"])
def test_what_is_no_zip_is_told_in_one_line(tmp_path, challenge, content):
    path = tmp_path / "a.zip"
    if content == "truncated":
        write_zip(path, GOOD)
        content = path.read_bytes()[:-30]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SubmissionError) as caught:
        check(path, challenge)
    assert str(caught.value).startswith(f"{path}: expected a ")
    assert "\n" not in str(caught.value)


def test_damaged_image_costs_itself_alone(tmp_path, challenge):
    write_zip(tmp_path / "a.zip", GOOD)
    damaged = bytearray((tmp_path / "a.zip").read_bytes())
    damaged[60] ^= 255
    (tmp_path / "a.zip").write_bytes(damaged)
    with pytest.raises(SubmissionError) as caught:
        check(tmp_path / "a.zip", challenge)
    assert str(caught.value).count("expected a whole file") == 1
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "readme.txt: expected it, found no such file."),
        ("runtime : 1.0\n", "readme.txt: expected 2 lines, found 1."),
        (
            "runtime : \nCPU : 1\n",
            "readme.txt: expected a line 'runtime : ...', found 'runtime : '.",
        ),
        ("CPU : 1\nruntime : 1\n", "expected a line 'runtime : ...', found 'CPU : 1'."),
    ],
)
def test_readme_has_to_have_its_lines(tmp_path, challenge, text, fault):
    wanted = replace(challenge, readme="runtime : {runtime}\nCPU : {cpu}\n")
    write_zip(tmp_path / "good.zip", {**GOOD, README: LINES.encode()})
    assert check(tmp_path / "good.zip", wanted) == 4
    contents = GOOD if text is None else {**GOOD, README: text.encode()}
    assert any(fault in line for line in faults_of(tmp_path / "a.zip", wanted, contents))


def test_colour_png_is_checked_alike(tmp_path, challenge):
    wanted = replace(challenge, image="{stem}.png", channels=3, count=None, size=None)
    colour = np.stack([RAMP] * 3, -1)
    write_zip(tmp_path / "good.zip", {"a.png": to_bytes(colour, ".png")})
    assert check(tmp_path / "good.zip", wanted) == 1
    lines = faults_of(tmp_path / "a.zip", wanted, {"a.png": to_bytes(RAMP, ".png")})
    assert lines == [f"{tmp_path}/a.zip: a.png: expected the shape (h, w, 3), found (24, 24)."]
