"""The import table of docs/architecture.md holds: no part imports one that comes after it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "burst"
# What any part may import.
FOR_ALL = {"about", "lazy", "log"}
# What an extra installs; the function that imports it says how.
OPTIONAL = {
    "albumentations", "argcomplete", "argcomplete.completers", "astropy.io", "cloudpickle",
    "distributed", "lmdb", "onnxruntime", "telemetry_parser", "torch.utils.tensorboard",
}  # fmt: skip
ROW = re.compile(r"^\| (`.+?`) \| (.*) \|$", re.MULTILINE)


def read_table() -> dict[str, set[str]]:
    """Return which parts each part may import, from the table in the docs."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    rows = ROW.findall(text.partition("## Who may import whom")[2].partition("\n## ")[0])
    names = re.compile(r"`([\w.]+)`")
    return {part: set(names.findall(may)) for parts, may in rows for part in names.findall(parts)}


def part_of(module: str) -> str:
    """Return the longest name with a row in the table that a module of `burst` belongs to."""
    names = module.split(".")[1:]
    longer = ".".join(names[:2])
    return longer if longer in TABLE else names[0]


def imported_parts(path: Path) -> set[str]:
    """Return the parts of `burst` that a file imports, lazily or not."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    parts = {part_of(name) for name in names if name.startswith("burst.")}
    return parts - FOR_ALL


TABLE = read_table()
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_imports_only_what_its_part_may(path):
    part = part_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert part in TABLE, f"{part} has no row in docs/architecture.md"
    assert imported_parts(path) - {part} <= TABLE[part]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_functions_import_optional_packages_alone(path):
    tree = ast.parse(path.read_text("utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inside = [node for function in functions for node in ast.walk(function)]
    names = {node.module for node in inside if isinstance(node, ast.ImportFrom)}
    for node in inside:
        names |= {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
    assert names <= OPTIONAL, "import at the top, heavy modules as burst/lazy.py says"


def test_no_row_imports_a_later_one():
    order = {part: i for i, part in enumerate(TABLE)}
    for part, may in TABLE.items():
        assert all(order[other] < order[part] for other in may), part


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "stages").glob("[!_]*.py")), ids=lambda p: p.stem
)
def test_stages_do_not_import_each_other(path):
    assert "stages" not in imported_parts(path)


def test_only_the_package_report_reads_the_report():
    reading = [
        str(path.relative_to(PACKAGE))
        for path in FILES
        if "report.numbers(" in path.read_text("utf-8")
    ]
    assert reading
    assert {name.partition("/")[0] for name in reading} == {"report"}
