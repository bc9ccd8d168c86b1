"""`burst submit` as it is typed: what must be named, and what is refused before any work."""

from __future__ import annotations

import pytest
from toys import write_stack

from burst.__main__ import main
from burst.submission.archive import write_zip


@pytest.fixture
def submit(tmp_path, monkeypatch, capsys):
    """Return a function that submits in an empty folder and returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    write_stack(tmp_path / "stacks/a.npy")

    def call(*words):
        code = main(["submit", *words])
        return code, *capsys.readouterr()

    return call


ALL = {"--stacks": "stacks", "--challenge": "ug2-dry-run", "--name": "try"}


@pytest.mark.parametrize("missing", ALL)
def test_missing_option_is_asked_for(submit, missing):
    words = [word for pair in ALL.items() if pair[0] != missing for word in pair]
    code, _, log = submit(*words)
    assert code == 2
    assert f"expected {missing}, found none. Pass " in log


@pytest.mark.parametrize(
    ("option", "value", "code", "message"),
    [
        ("--challenge", "ug2", 2, "expected one of ntire, ug2-coded-target, ug2-dry-run"),
        ("--name", "../try", 2, "--name ../try: expected letters, digits"),
        ("--set", "select.kep=1", 2, "Did you mean 'keep'?"),
        ("--stacks", "none", 3, "expected a folder of stacks"),
        ("--out", "stacks", 2, "expected a place outside of --stacks"),
        ("--stacks", "stacks", 3, "expected 32 stacks, found 1"),
    ],
)
def test_mistake_is_told_before_any_work(submit, tmp_path, option, value, code, message):
    words = [word for pair in {**ALL, option: value}.items() for word in pair]
    if option == "--set":
        (tmp_path / "one.toml").write_text(ONE)
        words += ["--challenge", "one.toml"]
    found, out, log = submit(*words, "--device", "cpu")
    assert (found, out) == (code, "")
    assert message in log
    assert not (tmp_path / "submissions").exists()


ONE = 'title="t"\nimage="{stem}.npy"\ndtype="uint8"\nmaximum=255\ntransfer="linear"\n'


def test_broken_zip_exits_3_with_its_faults(submit, tmp_path):
    write_zip(tmp_path / "a.zip", {"a_out.npy": b""})
    code, out, log = submit("--check", "a.zip", "--challenge", "ug2-dry-run")
    assert (code, out) == (3, "")
    assert log.startswith("burst: error: a.zip: expected 32 images, found 1.\na.zip: a_out.npy:")


def test_check_and_verify_exclude_each_other(submit):
    with pytest.raises(SystemExit) as stop:
        submit("--check", "a.zip", "--verify", "a.zip")
    assert stop.value.code == 2
