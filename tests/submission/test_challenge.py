"""The file of a challenge becomes a record, and mistakes in it are explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from burst.settings import ConfigError
from burst.submission.challenge import find_challenge, read_challenge

SHIPPED = Path(__file__).parents[2] / "submissions/challenges"


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a small challenge with some lines of its own."""

    def call(**changes):
        values = {
            "title": '"t"',
            "image": '"{stem}.npy"',
            "dtype": '"uint8"',
            "maximum": "255",
            "transfer": '"linear"',
        }
        text = "".join(f"{key} = {value}\n" for key, value in {**values, **changes}.items())
        path = tmp_path / "c.toml"
        path.write_text(text)
        return read_challenge(path)

    return call


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.toml")))
def test_shipped_challenge_is_found_by_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_challenge(find_challenge(name)).title


def test_final_phase_wants_192_images_of_12_bits():
    challenge = read_challenge(SHIPPED / "ug2-coded-target.toml")
    assert (challenge.count, challenge.size, challenge.maximum) == (192, (271, 271), 4095)
    assert challenge.image_of("0001", "low") == "0001_out.npy"
    assert challenge.flat


def test_unknown_challenge_names_the_known():
    with pytest.raises(ConfigError, match="Did you mean 'ug2-dry-run'"):
        find_challenge("ug2-dry-ran")


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("low/a_out.npy", True),
        ("low/a.b_out.npy", True),
        ("mid/a_out.npy", False),
        ("low/_out.npy", False),
        ("low/x/a_out.npy", False),
        ("a_out.npy", False),
        ("low/a_out.npy.png", False),
    ],
)
def test_image_is_known_by_its_name(read, name, fits):
    challenge = read(image='"{folder}/{stem}_out.npy"', folders='["low", "high"]')
    assert challenge.names_image(name) is fits
    assert not challenge.flat


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"siez": "[3, 3]"}, "unknown key 'siez'. Did you mean 'size'?"),
        ({"dtype": '"float64"'}, "dtype: expected 'uint8' or 'uint16'"),
        ({"maximum": "256"}, "maximum: expected what uint8 holds, found 256"),
        ({"image": '"{stem}.jpg"'}, "expected a name that ends in .npy or .png"),
        ({"image": '"out.npy"'}, "expected {stem} in the name"),
        ({"image": '"../{stem}.npy"'}, "expected a name inside the archive"),
        ({"image": '"{steam}.npy"'}, "unknown placeholder {steam}. Did you mean 'stem'?"),
        ({"readme": '"time : {time}"'}, "unknown placeholder {time}"),
        ({"count": "7", "folders": '["a", "b"]'}, "expected equal shares for 2 folders, found 7"),
        ({"stretch": "[1.0, 0.0]"}, "expected a lower and a higher quantile"),
    ],
)
def test_mistake_in_a_challenge_is_explained(read, changes, message):
    with pytest.raises(ConfigError) as caught:
        read(**changes)
    assert message in str(caught.value)
