"""What a run in a process of its own imports: a library takes up to a tenth of its time."""

import subprocess
import sys

import numpy as np
from simulated import stack_of

RUN = """
import sys
from burst.__main__ import main

stack, out, white = sys.argv[1:]
words = ["run", "--stack", stack, "--out", out, "--white-level", white, "--device", "cpu"]
assert main(words) == 0
print({"scipy", "matplotlib", "kornia", "skimage"} & set(sys.modules))
"""


def test_a_run_imports_no_large_library_but_torch(tmp_path):
    stack = stack_of("medium", 96, 8).stack
    np.save(tmp_path / "a.npy", stack.frames)
    words = [str(tmp_path / "a.npy"), str(tmp_path), f"{stack.sensor.white_level:g}"]
    done = subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["set()"], done.stderr
