"""The report of one run: `report.json` for programs and `report.html` for people."""
