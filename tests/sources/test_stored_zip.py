"""StoredZip writes what zipfile writes, in less memory, and reads it back."""

import tracemalloc
import zipfile
from pathlib import Path

import pytest

from stages.sources.stored_zip import StoredZip

MEMBERS = {"b/1.jpeg": b"first", "a/é.jpeg": b"", "c.png": bytes(range(256)) * 40}


def written(path: Path) -> StoredZip:
    with StoredZip(path) as archive:
        for name, data in MEMBERS.items():
            archive.add(name, data)
    return archive


def test_the_bytes_are_those_of_zipfile(tmp_path: Path) -> None:
    archive = written(tmp_path / "ours.zip")
    with zipfile.ZipFile(tmp_path / "theirs.zip", "w") as theirs:
        for name, data in MEMBERS.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            theirs.writestr(entry, data)
        offsets = {entry.filename: entry.header_offset for entry in theirs.infolist()}
    assert (tmp_path / "ours.zip").read_bytes() == (tmp_path / "theirs.zip").read_bytes()
    assert {name: archive.offset_of(name) for name in MEMBERS} == offsets
    assert dict(archive.read_all()) == MEMBERS
    assert len(archive) == len(MEMBERS)


def test_a_name_that_occurs_twice_is_an_error(tmp_path: Path) -> None:
    with StoredZip(tmp_path / "images.zip") as archive:
        for name in ("a.png", "b.png", "a.png"):
            archive.add(name, b"x")
    with pytest.raises(ValueError, match=r"two images have the path a\.png"):
        archive.offset_of("b.png")


def test_a_member_takes_its_name_and_some_forty_bytes(tmp_path: Path) -> None:
    count, names = 4000, "a name of thirty-six characters {:05d}"
    with StoredZip(tmp_path / "images.zip") as archive:
        archive.add("first", b"x")
        tracemalloc.start()
        try:
            for number in range(count):
                archive.add(names.format(number), b"x")
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert taken / count < 100
