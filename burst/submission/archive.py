"""Write zip archives reproducibly, and unpack those of others safely."""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from burst.files.digest import file_digest
from burst.submission.challenge import SubmissionError, raise_faults

Content = bytes | Path

LARGEST = 8 * 2**30  # bytes unpacked

# What zipfile raises for damaged, encrypted or unknown contents.
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)

_EPOCH = (1980, 1, 1, 0, 0, 0)
_FILE, _SCRIPT = 0o100644, 0o100755


def write_zip(path: Path, contents: Mapping[str, Content]) -> None:
    """Write files sorted by name: the same contents give the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # unix, wherever this runs
            entry.external_attr = (_SCRIPT if name.endswith(".sh") else _FILE) << 16
            packed = content if isinstance(content, bytes) else content.read_bytes()
            archive.writestr(entry, packed)


def unpack(path: Path, folder: Path) -> None:
    """Unpack an archive into an empty folder; SubmissionError if a name lies outside of it. Nothing
    is written unless all names are safe; links are refused."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            faults = [fault for entry in entries for fault in name_faults(entry)]
            faults += _same_names(entries)
            size = sum(entry.file_size for entry in entries)
            if size > LARGEST:
                faults.append(f"expected at most {LARGEST} bytes unpacked, found {size}.")
            raise_faults(path, faults)
            for entry in entries:
                target = folder / entry.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as packed, target.open("wb") as file:
                    shutil.copyfileobj(packed, file)
    except BROKEN as error:
        raise SubmissionError(f"{path}: expected a whole zip archive, found '{error}'.") from error
    except (FileNotFoundError, IsADirectoryError) as error:
        raise SubmissionError(f"{path}: expected a zip archive, found no file there.") from error


def name_faults(entry: zipfile.ZipInfo) -> list[str]:
    """Return what is unsafe in the name of an entry: a path out of the folder, or a link."""
    name = entry.filename
    parts = PurePosixPath(name).parts
    faults = []
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in name:
        faults.append(f"{name}: expected a name inside the archive's own folder.")
    if stat.S_ISLNK(entry.external_attr >> 16):
        faults.append(f"{name}: expected a file, found a link.")
    return faults


def sha256_of(content: Content) -> str:
    """Return the SHA-256 of bytes, or of a file."""
    if isinstance(content, Path):
        return file_digest(content)
    return hashlib.sha256(content).hexdigest()


def _same_names(entries: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Return the names that occur more than once, ignoring case as many disks do."""
    counts = Counter(entry.filename.casefold() for entry in entries)
    return [f"{name}: expected each name once." for name, count in counts.items() if count > 1]
