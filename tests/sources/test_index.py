import zipfile
from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.engine.files import replacing_folder, sha256_bytes
from stages.sources.index import open_raw, read_index
from stages.sources.writer import write_raw
from tests.sample_images import SOURCE, encoded, images, paths, picture, raw


def test_reads_what_was_written(tmp_path: Path) -> None:
    names = paths(3)
    broken = {names[0]: b"no image"}
    stored, source = open_raw(raw(tmp_path, names, broken))
    assert [image.row.path for image in stored] == names
    assert source["images"] == len(names)
    assert source["synthetic"] is True
    assert stored[0].read() == b"no image"
    assert (stored[0].row.width, stored[0].row.mode, stored[0].row.icc) == (None, "", None)
    whole = stored[1]
    data = encoded(picture(names[1]))
    assert whole.read() == data
    assert whole.row.sha256 == sha256_bytes(data)
    assert (whole.row.width, whole.row.height, whole.row.mode) == (64, 48, "L")
    assert whole.row.jpeg_table_mean == 29.031  # the JPEG standard's example table at quality 75
    assert [image.row for image in stored] == read_index(tmp_path)


def test_same_images_give_same_bytes(tmp_path: Path) -> None:
    one, two = raw(tmp_path / "1", paths(3)), raw(tmp_path / "2", paths(3))
    for name in ("images.zip", "index.csv", "source.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    with zipfile.ZipFile(one / "images.zip") as archive:
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}


def test_index_is_sorted_and_paths_are_unique(tmp_path: Path) -> None:
    names = paths(2)
    write_raw(tmp_path, images(names[::-1]), SOURCE)
    assert [image.row.path for image in open_raw(tmp_path)[0]] == names
    with pytest.raises(ValueError, match="two images have the path"):
        write_raw(tmp_path, images([names[0], names[0]]), SOURCE)


def test_unfinished_or_changed_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is unfinished"):
        open_raw(tmp_path)
    folder = raw(tmp_path / "raw", paths(3))
    archive = folder / "images.zip"
    data = bytearray(archive.read_bytes())
    data[200] ^= 255
    archive.write_bytes(bytes(data))
    stored, _ = open_raw(folder)
    with pytest.raises(InputError, match=r"is not the image that index\.csv lists"):
        stored[0].read()
    raw(tmp_path / "other", paths(2))
    (tmp_path / "other" / "images.zip").replace(archive)
    with pytest.raises(InputError, match="expected the 12 images"):
        open_raw(folder)


def failing_write(folder: Path) -> None:
    with replacing_folder(folder) as partial:
        assert list(partial.iterdir()) == []
        (partial / "image").write_text("second")
        raise RuntimeError("stop")


def test_failed_write_leaves_the_previous_folder(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "raw") as partial:
        (partial / "image").write_text("first")
    with pytest.raises(RuntimeError, match="stop"):
        failing_write(tmp_path / "raw")
    assert (tmp_path / "raw" / "image").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_leftovers_of_a_killed_write_are_removed_and_the_last_complete_folder_kept(
    tmp_path: Path,
) -> None:
    (tmp_path / ".raw.partial").mkdir()
    (tmp_path / ".raw.partial" / "half").touch()
    (tmp_path / ".raw.previous").mkdir()
    (tmp_path / ".raw.previous" / "image").write_text("whole")
    with pytest.raises(RuntimeError, match="stop"):
        failing_write(tmp_path / "raw")
    assert (tmp_path / "raw" / "image").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
