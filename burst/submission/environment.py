"""The packages that were installed when the images were made, for pip and for conda."""

from __future__ import annotations

import platform
from importlib.metadata import distributions

from burst.about import DISTRIBUTION

OWN = (DISTRIBUTION, "burst")  # the second is an earlier name

_CONDA = """\
# conda env create -f environment.yml
# Without conda: python -m pip install -r constraints.txt
name: burst-verification
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python={python}
  - pip
  - pip:
      - -r constraints.txt
"""


def constraints() -> str:
    """Return every installed distribution with its version, one a line, without burst itself."""
    pins = {
        # No index has local versions such as 2.13.0+cpu.
        dist.name.lower().replace("_", "-"): dist.version.partition("+")[0]
        for dist in distributions()
        if dist.name
    }
    for name in OWN:
        pins.pop(name, None)
    return "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def environment() -> str:
    """Return an environment file that installs these constraints on the same Python."""
    return _CONDA.format(python=platform.python_version())
