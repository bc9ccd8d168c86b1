"""Archives are the same bytes twice, and nothing of a strange one leaves its folder."""

from __future__ import annotations

import stat
import zipfile

import pytest

from burst.submission.archive import unpack, write_zip
from burst.submission.challenge import SubmissionError

CONTENTS = {"b.txt": b"two", "a/c.txt": b"three", "run.sh": b"#!/bin/sh\n"}


def test_same_contents_give_the_same_bytes(tmp_path):
    file = tmp_path / "two"
    file.write_bytes(b"two")
    write_zip(tmp_path / "one.zip", CONTENTS)
    write_zip(tmp_path / "two.zip", dict(reversed([*CONTENTS.items(), ("b.txt", file)])))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_contents_come_out_as_they_went_in(tmp_path):
    write_zip(tmp_path / "a.zip", CONTENTS)
    unpack(tmp_path / "a.zip", tmp_path / "out")
    found = {p.relative_to(tmp_path / "out"): p for p in (tmp_path / "out").rglob("*.*")}
    assert {path.as_posix(): p.read_bytes() for path, p in found.items()} == CONTENTS


@pytest.mark.parametrize(
    "name", ["../x.txt", "a/../../x.txt", "/tmp/x.txt", "..\\x.txt", "C:x.txt", ".."]
)
def test_name_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("harmless.txt", b"")
        archive.writestr(name, b"")
    with pytest.raises(SubmissionError, match="expected a name inside the archive's own folder"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["a.zip"]


def test_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(SubmissionError, match="link: expected a file, found a link"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_names_that_a_disk_takes_for_one_are_refused(tmp_path):
    write_zip(tmp_path / "a.zip", {"a.txt": b"1", "A.txt": b"2"})
    with pytest.raises(SubmissionError, match="expected each name once"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_archive_that_would_fill_the_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("burst.submission.archive.LARGEST", 10)
    write_zip(tmp_path / "a.zip", {"a.txt": b"0" * 11})
    with pytest.raises(SubmissionError, match="expected at most 10 bytes unpacked, found 11"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("kept", [0, 30, -30])
def test_truncated_archive_is_refused(tmp_path, kept):
    write_zip(tmp_path / "a.zip", CONTENTS)
    (tmp_path / "a.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:kept])
    with pytest.raises(SubmissionError, match="expected a whole zip archive"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("name", ["none.zip", "."])
def test_what_is_no_file_is_refused(tmp_path, name):
    with pytest.raises(SubmissionError, match="expected a zip archive, found no file"):
        unpack(tmp_path / name, tmp_path / "out")
