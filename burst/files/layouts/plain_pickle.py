"""Read a pickle of plain numbers and text; any other is refused without running it."""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

from burst.files.check import explained
from burst.records import StackError

LARGEST = 16 * 2**20  # bytes

# Opcodes that build dicts, lists, tuples, ints, floats and strings. None of them imports, calls,
# builds an object or reads an attribute.
_HARMLESS = (
    "PROTO", "FRAME", "MARK", "STOP", "POP", "POP_MARK", "DUP",
    "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "LIST", "APPEND", "APPENDS",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET",
)  # fmt: skip
_STORES = ("PUT", "LONG_BINPUT")
_ADVICE = "Write it again with pickle.dump, a dict of numbers and names alone."


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def read_plain_pickle(path: Path) -> Any:
    """Return the content of a pickle; StackError for anything but plain values."""
    with explained(path, "a pickle of plain values", _ADVICE):
        size = path.stat().st_size
        if size > LARGEST:
            raise ValueError(f"{size} bytes, more than {LARGEST}")
        data = path.read_bytes()
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name not in _HARMLESS:
                raise StackError(
                    f"{path}: expected a pickle of dicts, lists, numbers and text, found one that"
                    f" uses {opcode.name}, which can run code. It was not opened. {_ADVICE}"
                )
            # The unpickler allocates its memo up to the largest index.
            if opcode.name in _STORES and not 0 <= int(argument or 0) <= len(data):
                raise ValueError(f"a store at place {argument}")
        return _Plain(io.BytesIO(data)).load()
