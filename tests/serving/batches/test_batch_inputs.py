"""What a batch may be of: folders, archives and tables, with whatever is in them."""

import csv
import io
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from stages.engine.errors import InputError
from stages.engine.printable import is_printable
from stages.engine.tables import read_table
from stages.serving.batches import inputs as batch_inputs
from tests import hostile
from tests.sample_images import encoded, picture, zipped
from tests.serving.batches.test_batch import _own_locks, beside, rows_of, run
from tests.serving.fake_detector import FakeDetector, Killed

__all__ = ["_own_locks"]  # a fixture
IMAGES = {f"b/{number}.jpeg": encoded(picture(str(number))) for number in range(20)}
ROW = ("path", "status", "probability", "decision", "reason")


def tarred(path: Path, members: Mapping[str, bytes], mode: str) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def packed(folder: Path, kind: str, members: Mapping[str, bytes]) -> Path:
    if kind == "zip":
        return zipped(folder / "images.zip", members)
    if kind != "folder":
        return tarred(folder / f"images.{kind}", members, "w:gz" if kind == "tar.gz" else "w")
    for name, data in members.items():
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / "images"


def rows_from(source: Path, detector: FakeDetector | None = None) -> list[dict[str, Any]]:
    out = source.parent / "a.parquet"
    run(source, out, detector, force=True)
    return rows_of(out)


@pytest.mark.parametrize("kind", ["folder", "zip", "tar", "tar.gz"])
def test_each_packing_gives_the_same_rows_and_unpacks_nothing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file")

    other = {"b/notes.txt": b"x", "__MACOSX/b/._0.jpeg": b"x", "b/2nd.png": b"no image"}
    source = packed(tmp_path, kind, dict(sorted({**IMAGES, **other}.items())))
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(Killed):
        rows_from(source, FakeDetector(killed_at=1))
    rows = rows_from(source)
    assert [row["path"] for row in rows] == sorted([*IMAGES, "b/2nd.png"])
    expected = rows_from(packed(tmp_path / "plain", "folder", IMAGES | {"b/2nd.png": b"no image"}))
    assert [[row[name] for name in ROW] for row in rows] == [
        [row[name] for name in ROW] for row in expected
    ]
    assert run(source, tmp_path / "b.csv").left_out == 2


def test_rows_of_an_archive_are_in_its_order(tmp_path: Path) -> None:
    members = dict(reversed(IMAGES.items()))
    for kind in ("zip", "tar", "tar.gz"):
        rows = rows_from(packed(tmp_path, kind, members))
        assert [row["path"] for row in rows] == list(members)


def test_members_that_archives_refuse_get_their_reason(tmp_path: Path) -> None:
    source = tmp_path / "images.tar"
    with tarfile.open(source, "w") as archive:
        for name, kind in [("link.png", tarfile.SYMTYPE), ("device.png", tarfile.CHRTYPE)]:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        for name in ("../out.png", "/abs.png", "a\nb.png", "fine.jpeg"):
            entry = tarfile.TarInfo(name)
            entry.size = len(IMAGES["b/0.jpeg"])
            archive.addfile(entry, io.BytesIO(IMAGES["b/0.jpeg"]))
    reasons = {row["path"]: row["reason"] for row in rows_from(source)}
    assert "a link or a device" in reasons["link.png"]
    assert "a link or a device" in reasons["device.png"]
    assert "leads out of the archive" in reasons["../out.png"]
    assert "leads out of the archive" in reasons["/abs.png"]
    assert "control characters" in reasons["a\nb.png"]
    assert reasons["fine.jpeg"] is None


def test_a_bomb_and_a_damaged_member_stop_no_other(tmp_path: Path) -> None:
    members = {"bomb.png": bytes(2**24), "damaged.jpeg": IMAGES["b/1.jpeg"], **IMAGES}
    source = tmp_path / "images.zip"
    with zipfile.ZipFile(source, "w") as archive:
        for name, data in members.items():
            method = zipfile.ZIP_DEFLATED if name == "bomb.png" else zipfile.ZIP_STORED
            archive.writestr(name, data, method)
        offset = archive.getinfo("damaged.jpeg").header_offset
    spoiled = bytearray(source.read_bytes())
    spoiled[offset + 400] ^= 1
    source.write_bytes(spoiled)
    bomb, damaged, *others = rows_from(source)
    assert "a decompression bomb" in bomb["reason"]
    assert damaged["status"] == "unusable"
    assert damaged["reason"].startswith("'damaged.jpeg' can't be unpacked (Bad CRC-32")
    assert not [row for row in others if row["status"] == "unusable"]


def test_an_image_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_inputs, "MAX_IMAGE_BYTES", 1000)
    for kind in ("folder", "zip", "tar.gz"):
        source = packed(tmp_path, kind, {"large.jpeg": bytes(1001), "small.png": bytes(10)})
        large, small = rows_from(source)
        assert large["reason"] == "1,001 bytes; an image may have at most 1,000"
        assert "received something else" in small["reason"]


def test_a_table_gives_the_order_and_paths_as_they_stand_there(tmp_path: Path) -> None:
    folder = packed(tmp_path, "folder", IMAGES)
    outside = tmp_path / "outside.jpeg"
    outside.write_bytes(IMAGES["b/3.jpeg"])
    (folder / "link.jpeg").symlink_to(outside)
    os.mkfifo(folder / "pipe.jpeg")
    paths = ["b/5.jpeg", "b/4.jpeg", "../outside.jpeg", str(outside), "link.jpeg"]
    bad = ["missing.jpeg", "b", "pipe.jpeg", "=cmd.jpeg", "b/0.jpeg/x"]
    table = folder / "list.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [["Patient", "Path", "", ""], *([f"p{path}", path, "", ""] for path in paths + bad)]
        )
    rows = rows_from(table)
    assert [row["path"] for row in rows] == paths + bad
    assert [row["reason"] for row in rows[5:]] == [
        "No such file or directory",
        "it is a folder or a device, not a file",
        "it is a folder or a device, not a file",
        "No such file or directory",
        "Not a directory",
    ]
    assert len({row["probability"] for row in rows[2:5]}) == 1
    assert rows[0]["probability"] != rows[1]["probability"]
    assert "pb/5.jpeg" not in str(rows)  # other columns are not copied


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file\na.png\n", r"expected the columns path, received file$"),
        ("path;label\na.png;1\n", r"separated by semicolons"),
        ("path,label\na.png,1\n,0\n", r"line 3: expected a path, found none"),
        ("path,path\na,b\n", r"expected the columns path, received"),
        ("path\n", r"expected images, found none"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "list.CSV"
    table.write_text(text)
    with pytest.raises(InputError, match=message):
        run(table, tmp_path / "a.csv")
    assert beside(tmp_path / "a.csv") == []


def test_nothing_and_something_else_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/.DS_Store").write_text("x")
    (tmp_path / "page.zip").write_text("<html>")
    for name, message in [
        ("no", r"expected a folder, a zip, .* found nothing"),
        ("empty", r"expected images, found none; 1 other files were left out"),
        ("page.zip", "a web page"),
    ]:
        with pytest.raises(InputError, match=message):
            run(tmp_path / name, tmp_path / "a.csv")


def test_an_image_that_changes_while_the_batch_runs_stops_it(tmp_path: Path) -> None:
    folder = packed(tmp_path, "folder", {f"{i:03}.jpeg": IMAGES["b/0.jpeg"] for i in range(200)})

    class Changing(FakeDetector):
        def answer(self, pixels: Any) -> Any:
            os.utime(folder / "199.jpeg", ns=(1, 1))
            return super().answer(pixels)

    with pytest.raises(InputError, match=r"199\.jpeg: changed since it was listed; .* --restart"):
        run(folder, tmp_path / "a.csv", Changing())


def test_a_tar_that_changes_while_the_batch_runs_stops_it(tmp_path: Path) -> None:
    source = packed(tmp_path, "tar", {f"{i:03}.jpeg": IMAGES["b/0.jpeg"] for i in range(200)})
    whole = source.read_bytes()
    place = whole.rindex(IMAGES["b/0.jpeg"]) + 100

    class Changing(FakeDetector):
        def answer(self, pixels: Any) -> Any:
            source.write_bytes(whole[:place] + b"changed" + whole[place + 7 :])
            return super().answer(pixels)

    with pytest.raises(InputError, match=r"images\.tar: changed while it was read"):
        run(source, tmp_path / "a.csv", Changing())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_gets_its_reason(tmp_path: Path) -> None:
    folder = packed(tmp_path, "folder", IMAGES)
    (folder / "b/0.jpeg").chmod(0)
    assert rows_from(folder)[0]["reason"] == "Permission denied"


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    names = [text.replace("/", "|").encode(errors="surrogateescape") for text in hostile.TEXTS]
    folder = tmp_path / "images"
    folder.mkdir()
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(IMAGES["b/0.jpeg"])
    out = tmp_path / "a.csv"
    run(folder, out)
    text = out.read_text(encoding="utf-8")
    assert hostile.unprintable(text) == ""
    assert not hostile.formulas(out)
    run(folder, tmp_path / "a.parquet")
    exact = [row["path"] for row in pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pylist()]
    with out.open(newline="", encoding="utf-8") as file:
        assert [row["path"] for row in read_table(file)[1]] == exact
    found = sorted(os.fsencode(path.name) for path in folder.iterdir())
    assert len(exact) == len(found) == len(names)
    for path, name in zip(exact, found, strict=True):
        try:
            assert path == name.decode()
        except UnicodeDecodeError:
            assert is_printable(path)
