"""`burst score` says what was gained over the plain mean, in dB."""

from __future__ import annotations

import json

import numpy as np
import pytest

from burst.__main__ import main

BLACK, WHITE = 256, 4095


@pytest.fixture
def files(tmp_path):
    """Return paths of a noisy stack, its truth, and a result with a tenth of its noise."""
    random = np.random.default_rng(0)
    x = np.linspace(0, 3 * np.pi, 48)
    scene = (0.4 + 0.3 * np.sin(x) * np.cos(x[:, None])).astype(np.float32)
    noise = 0.1 * random.standard_normal(scene.shape).astype(np.float32)
    dn = ((scene + noise) * (WHITE - BLACK) + BLACK).clip(0, WHITE).round().astype(np.uint16)
    np.save(tmp_path / "a.npy", np.stack([dn] * 4))
    (tmp_path / "a.toml").write_text(f"black_level = {BLACK}\nwhite_level = {WHITE}\n")
    np.savez(tmp_path / "a.truth.npz", scene=scene)
    np.save(tmp_path / "restored.npy", scene + noise / 10)
    return tmp_path


def score(folder, *words, restored="restored.npy"):
    """Run `burst score` on the files of a folder and return its exit code."""
    paths = {"stack": "a.npy", "truth": "a.truth.npz", "restored": restored}
    options = [word for name, path in paths.items() for word in (f"--{name}", str(folder / path))]
    return main(["score", *options, *words])


def test_gain_is_the_difference_of_both(files, capsys):
    assert score(files, "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["gain"] == pytest.approx(scores["restored"] - scores["mean"])
    assert scores["gain"] == pytest.approx(20, abs=3)


def test_gain_is_said_in_a_sentence(files, capsys):
    score(files)
    assert "dB: gained " in capsys.readouterr().out


def test_result_of_another_size_is_refused(files, capsys):
    np.save(files / "small.npy", np.zeros((8, 8), np.float32))
    assert score(files, restored="small.npy") == 3
    assert "expected a scene of (8, 8), found (48, 48)" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"no array"])
def test_broken_result_is_refused(files, capsys, content):
    (files / "broken.npy").write_bytes(content)
    assert score(files, restored="broken.npy") == 3
    assert "expected an image (h, w)" in capsys.readouterr().err


def test_a_turned_result_is_scored_like_one_that_lies_as_the_frames(files, capsys):
    score(files, "--json")
    plain = json.loads(capsys.readouterr().out)
    with (files / "a.toml").open("a") as sidecar:
        sidecar.write("orientation = 6\n")
    np.save(files / "turned.npy", np.rot90(np.load(files / "restored.npy"), -1))
    score(files, "--json", restored="turned.npy")
    turned = json.loads(capsys.readouterr().out)
    assert turned == pytest.approx(plain, abs=1e-3)
