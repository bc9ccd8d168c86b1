"""Modules load on use: rooms, libraries, from many threads, and no sooner."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from burst import lazy
from burst.lazy import Lazy


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """A module that takes a moment to load."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "slow.py").write_text("import time\nfirst = 1\ntime.sleep(0.2)\nlast = 2\n")
    yield Lazy("slow")
    sys.modules.pop("slow", None)


def test_module_loads_on_use_alone(slow):
    assert repr(slow) == "<module 'slow', which loads on use>"
    assert "slow" not in sys.modules
    assert slow.last == 2
    assert "last" in dir(slow)


def test_threads_see_a_whole_module(slow):
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda _: slow.last, range(16))) == [2] * 16


def test_what_is_set_and_deleted_is_that_of_the_module(slow):
    slow.last = 3
    assert sys.modules["slow"].last == 3
    assert vars(slow) is vars(sys.modules["slow"])
    del slow.first
    assert not hasattr(slow, "first")


def test_what_a_test_replaces_comes_back(slow, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(slow, "last", 3)
        assert sys.modules["slow"].last == 3
    assert sys.modules["slow"].last == 2


def test_every_library_is_there():
    for name in (*lazy.LIBRARIES, *lazy.PLACES):
        assert dir(getattr(lazy, name))
    with pytest.raises(ImportError, match="cannot import name 'misspelt'"):
        from burst.lazy import misspelt
    with pytest.raises(ImportError, match=r"'misspelt' from 'burst\.ops'"):
        from burst.ops import misspelt  # noqa: F401


def test_rooms_load_on_use_and_nothing_else_does():
    program = (
        "import sys\nbefore = set(sys.modules)\n"
        "from burst.lazy import scipy, torch\nfrom burst.ops import warp\n"
        "from burst.ops.alignment import motion\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "assert not new & {'torch', 'scipy', 'numpy', 'cv2'}, new\n"
        "assert 'burst.ops.warp' not in sys.modules\n"
        "assert callable(warp.compose) and 'burst.ops.warp' in sys.modules\n"
        "import torch as usual\nassert torch.Tensor is usual.Tensor\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=100)
