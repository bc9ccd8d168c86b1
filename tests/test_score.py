"""`burst score` says what was gained over the plain mean, in dB."""

from __future__ import annotations

import json

import numpy as np
import pytest

from burst.__main__ import main

BLACK, WHITE = 256, 4095


@pytest.fixture
def files(tmp_path):
    """Return paths of a stack that is off by 0.1 of white, its truth, and a result off by 0.01."""
    scene = np.random.default_rng(0).uniform(0.2, 0.7, (32, 32)).astype(np.float32)
    dn = ((scene + 0.1) * (WHITE - BLACK) + BLACK).round().astype(np.uint16)
    np.save(tmp_path / "a.npy", np.stack([dn] * 4))
    (tmp_path / "a.toml").write_text(f"black_level = {BLACK}\nwhite_level = {WHITE}\n")
    np.savez(tmp_path / "a.truth.npz", scene=scene)
    np.save(tmp_path / "restored.npy", scene + np.float32(0.01))
    return tmp_path


def score(folder, *words, restored="restored.npy"):
    """Run `burst score` on the files of a folder and return its exit code."""
    paths = {"stack": "a.npy", "truth": "a.truth.npz", "restored": restored}
    options = [word for name, path in paths.items() for word in (f"--{name}", str(folder / path))]
    return main(["score", *options, *words])


def test_gain_is_the_difference_of_both(files, capsys):
    assert score(files, "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["mean"] == pytest.approx(20, abs=0.05)
    assert scores["restored"] == pytest.approx(40, abs=0.05)
    assert scores["gain"] == pytest.approx(20, abs=0.1)


def test_gain_is_said_in_a_sentence(files, capsys):
    score(files)
    assert "plain mean 20.0" in capsys.readouterr().out


def test_result_of_another_size_is_refused(files, capsys):
    np.save(files / "small.npy", np.zeros((8, 8), np.float32))
    assert score(files, restored="small.npy") == 3
    assert "expected a scene of (8, 8), found (32, 32)" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"no array"])
def test_broken_result_is_refused(files, capsys, content):
    (files / "broken.npy").write_bytes(content)
    assert score(files, restored="broken.npy") == 3
    assert "expected an image (h, w)" in capsys.readouterr().err
