"""The pages: their code names what there is, and the documentation's site holds all of them."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
from pathlib import Path

import pytest

import burst
from burst import api

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "docs/python.md"]
BLOCKS = [
    (path.name, block)
    for path in PAGES
    for block in re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
]
REFERENCE = re.findall(r"^::: (\S+)$", (ROOT / "docs/reference.md").read_text("utf-8"), re.M)
OUTSIDE = {"index.md", "contributing.md", "changelog.md", "checkpoints.md"}  # made by docs/site.py


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_code_of_a_page_uses_what_there_is(page, block):
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "burst" and "def run(self, burst" not in block:
                assert hasattr(burst, node.attr), node.attr
            if node.value.id == "result":
                assert hasattr(burst.Result, node.attr) or node.attr in burst.Result.__annotations__


def test_code_of_a_page_names_nothing_that_it_has_not_made():
    text = (ROOT / "docs/python.md").read_text("utf-8")
    made = {*dir(builtins), "array", "frames"}  # what a reader has
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        tree = ast.parse(block)
        for node in ast.walk(tree):
            if isinstance(node, ast.alias):
                made.add(node.asname or node.name)
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                made.add(node.name)
            if isinstance(node, ast.arg):
                made.add(node.arg)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                made.add(node.id)
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert used <= made, block


def test_pages_show_code():
    assert len(BLOCKS) >= 10


@pytest.mark.parametrize("name", REFERENCE)
def test_reference_names_what_there_is(name):
    module, _, attribute = name.rpartition(".")
    found = importlib.import_module(module)
    assert hasattr(found, attribute) or importlib.import_module(name)


def test_reference_holds_every_public_name():
    known = {name.rpartition(".")[2] for name in REFERENCE} | {"stages", "Stage", "Step"}
    assert set(api.__all__) <= known


def test_every_stage_stands_in_the_reference():
    stages = set(dir(burst.stages))
    assert stages == {n.rpartition(".")[2] for n in REFERENCE if n.startswith("burst.stages.")}


def test_every_page_stands_in_the_site():
    nav = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE))
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    notebooks = {f"notebooks/{p.stem}.md" for p in (ROOT / "docs/notebooks").glob("*.py")}
    assert nav == pages | notebooks | OUTSIDE
