"""Digests (SHA-256, as text) of words, files and source code: whether something has changed."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path


def digest_of(*parts: str) -> str:
    """Return the digest of words, told apart."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the digest of what a file holds."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source(path: Path) -> str:
    """Return the text of a source file."""
    return path.read_text("utf-8")


def essence(path: Path) -> str:
    """Return what a source file does: its text without comments and docstrings."""
    tree = ast.parse(source(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            told = ast.get_docstring(node) is not None
            node.body = (node.body[1:] or [ast.Pass()]) if told else node.body
    return ast.unparse(tree)


def source_files(package: Path, parts: Iterable[str] = (".",)) -> list[Path]:
    """Return the source files of a package, or of files and folders in it, each part sorted."""
    places = [package / part for part in parts]
    return [
        path
        for place in places
        for path in (sorted(place.rglob("*.py")) if place.is_dir() else [place])
    ]


def code_digest(package: Path, files: Iterable[Path], read: Callable[[Path], str] = source) -> str:
    """Return the digest of source files of a package, of which `read` says what counts."""
    return digest_of(*(f"{path.relative_to(package).as_posix()}\n{read(path)}" for path in files))
