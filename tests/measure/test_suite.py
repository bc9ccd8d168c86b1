"""A suite is a file; its name and its first line are all that `--help` needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from burst.measure import suite
from burst.measure.suite import Suite, find_suite, suites
from burst.settings import ConfigError


@pytest.mark.parametrize("name", suites())
def test_every_file_holds_a_suite_and_says_what_it_measures(name):
    assert isinstance(find_suite(name), Suite)
    assert len(suites()[name]) > 20
    first = (Path(suite.__file__).parent / f"suites/{name}.py").read_text("utf-8").splitlines()[0]
    assert first.rstrip('"').endswith("."), "the sentence does not end on the first line"


def test_wrong_name_is_explained():
    with pytest.raises(ConfigError, match="--suite quik: expected one of ablation, boards"):
        find_suite("quik")


def test_help_lists_suites_without_importing_them():
    program = (
        "import sys; from burst.__main__ import main\n"
        "try: main(['bench', '--help'])\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, text in suites().items():
        assert f"  {name}" in done.stdout
        assert text in done.stdout
