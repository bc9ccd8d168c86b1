"""The report of one run: `report.json` for programs and `report.html` for people."""

from burst.lazy import load_on_use

load_on_use(__name__)
