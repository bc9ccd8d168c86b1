"""Make the documentation's site of the pages there are: `make docs`.

A hook of MkDocs: README, CONTRIBUTING and others become pages, with their links; notebooks become
pages. An extension of griffe: docstrings are written for a terminal and become Markdown.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "checkpoints/README.md": "checkpoints.md",
}
NAMED = re.compile(r"(\w+(?:, \w+)*)  +(\S.*)")  # "keep  fraction of the frames" in a docstring
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie outside of docs/, and those of the notebooks."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text("utf-8")
        files.append(File.generated(config, page, content=_relinked(text, Path(source).parent)))
    citation = str(ROOT / "CITATION.cff")
    files.append(File.generated(config, "CITATION.cff", abs_src_path=citation))
    for path in sorted((ROOT / "docs/notebooks").glob("*.py")):
        page = f"notebooks/{path.stem}.md"
        files.append(File.generated(config, page, content=_as_page(path.read_text("utf-8"))))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Have links of the pages in docs/ lead to the pages of the site."""
    if page.file.src_uri in PAGES.values() or page.file.src_uri.startswith("notebooks/"):
        return markdown
    return _relinked(markdown, Path("docs") / Path(page.file.src_uri).parent)


class TerminalDocstrings(griffe.Extension):
    """Lines "name  what it is" become lists, and examples become code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = _as_markdown(obj.docstring.value)


def _relinked(text: str, folder: Path) -> str:
    """Return Markdown that lies in a folder of the repository with links to pages of the site."""
    depth = len(folder.parts) - 1 if folder.parts[:1] == ("docs",) else 0

    def page(link: re.Match[str]) -> str:
        target = (ROOT / folder / link[1]).resolve().relative_to(ROOT).as_posix()
        place = PAGES.get(target, target.removeprefix("docs/"))
        if place.startswith("notebooks/"):
            place = str(Path(place).with_suffix(".md"))
        return f"]({'../' * depth}{place}{link[2] or ''})"

    return LINK.sub(page, text)


def _as_page(notebook: str) -> str:
    """Return a notebook of cells "# %%" as Markdown."""
    parts = []
    for cell in re.split(r"^# %%", notebook, flags=re.MULTILINE)[1:]:
        kind, _, body = cell.partition("\n")
        if "markdown" in kind:
            parts.append(re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE))
        else:
            parts.append(f"```python\n{body.strip()}\n```")
    return "\n\n".join(parts) + "\n"


def _as_markdown(docstring: str) -> str:
    lines: list[str] = []
    inside = ""  # what the lines belong to: a list, an example
    for line in docstring.splitlines():
        named = NAMED.fullmatch(line)
        if line.startswith(">>>") and inside != "example":
            lines += ["```pycon", line]
            inside = "example"
        elif inside == "example" and not line.strip():
            lines += ["```", ""]
            inside = ""
        elif inside == "example":
            lines.append(line)
        elif named:
            lines += [""] * (inside != "list") + [f"- `{named[1]}`: {named[2]}"]
            inside = "list"
        elif inside == "list" and line.startswith("  "):
            lines.append(f"  {line.strip()}")
        else:
            inside = ""
            lines.append(line)
    return "\n".join([*lines, "```"] if inside == "example" else lines)
