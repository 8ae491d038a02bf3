import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.engine.files import replacing_folder, sha256_bytes
from stages.sources.index import open_raw, read_index
from stages.sources.received import NamedSource
from stages.sources.writer import write_raw
from tests.sample_images import ORIGIN, SOURCES, encoded, images, paths, picture, raw


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
    write_raw(tmp_path, images(names[::-1]), SOURCES)
    assert [image.row.path for image in open_raw(tmp_path)[0]] == names
    with pytest.raises(ValueError, match="two images have the path"):
        write_raw(tmp_path, images([names[0], names[0]]), SOURCES)


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
    last = open_raw(folder)[0][-1]
    with pytest.raises(InputError, match=r"is not the image that index\.csv lists"):
        last.read()
    archive.write_bytes(archive.read_bytes()[:-50])
    with pytest.raises(InputError, match="found a damaged file"):
        open_raw(folder)


def divided(folder: Path, names: list[str], max_part_bytes: int) -> Path:
    """A raw folder whose parts hold at most `max_part_bytes`."""
    folder.mkdir()
    write_raw(folder, images(names), SOURCES, max_part_bytes=max_part_bytes)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("images*.zip")}


def test_parts_are_bounded_and_one_image_more_changes_one(tmp_path: Path) -> None:
    names = sorted(paths(40))
    most = 4 * max(len(encoded(picture(name))) for name in names)
    without = divided(tmp_path / "without", [*names[:7], *names[8:]], most)
    whole = divided(tmp_path / "whole", names, most)
    stored, _ = open_raw(whole)
    assert [image.row.path for image in stored] == names
    assert all(image.read() == encoded(picture(image.row.path)) for image in stored)
    assert len(contents(whole)) > len(names) / 4
    for part in contents(whole):
        assert sum(image.row.bytes for image in stored if image.row.part == part) <= most

    before, after = contents(without), contents(whole)
    equal = {name for name, data in after.items() if before.get(name) == data}
    affected = stored[7].row.part
    assert after.keys() - equal <= {affected, f"{affected[:-5]}{1 - int(affected[-5])}.zip"}
    assert affected not in equal


def test_parts_depend_on_the_images_and_not_on_their_order(tmp_path: Path) -> None:
    names = sorted(paths(40))
    one = divided(tmp_path / "one", names, 4000)
    other = divided(tmp_path / "other", names[::-1], 4000)
    assert {image.row.path: image.row.part for image in open_raw(one)[0]} == {
        image.row.path: image.row.part for image in open_raw(other)[0]
    }


def test_a_further_source_changes_no_part_of_another(tmp_path: Path) -> None:
    names = sorted(paths(40))
    lyon, paris = (
        [
            replace(image, source=source, path=f"{source}/{image.path}")
            for image in images([name for name in names if source == "lyon" or "NORMAL" in name])
        ]
        for source in ("lyon", "paris")
    )
    sources = [NamedSource(name, "train", ORIGIN) for name in ("lyon", "paris")]
    for most in (10**6, 9000):
        alone, both = tmp_path / f"alone {most}", tmp_path / f"both {most}"
        alone.mkdir()
        both.mkdir()
        write_raw(alone, lyon, sources[:1], max_part_bytes=most)
        write_raw(both, [*lyon, *paris], sources, max_part_bytes=most)
        # A remote knows files by their content.
        before, after = contents(alone), contents(both)
        assert set(before.values()) <= set(after.values())
        new = {name for name, data in after.items() if data not in before.values()}
        stored, _ = open_raw(both)
        assert new == {image.row.part for image in stored if image.row.source == "paris"}
        assert all(image.read() == encoded(picture(image.row.path[5:])) for image in stored[:2])
        assert all(image.row.part.startswith(f"images-{image.row.source}") for image in stored)
    assert len(before) > 4


def test_an_image_larger_than_a_part_has_one_to_itself(tmp_path: Path) -> None:
    stored, _ = open_raw(divided(tmp_path / "raw", paths(3), 1))
    assert len({image.row.part for image in stored}) == len(stored)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    folder = divided(tmp_path / "raw", paths(40), 4000)
    part = open_raw(folder)[0][0].row.part
    (folder / part).unlink()
    with pytest.raises(InputError, match=rf"{part}: expected an archive .* found no file.*dvc ch"):
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


def test_an_index_of_an_earlier_version_says_how_to_upgrade(tmp_path: Path) -> None:
    index = raw(tmp_path, paths(2)) / "index.csv"
    lines = index.read_text(encoding="utf-8").splitlines()
    without = [",".join(cells[:1] + cells[2:]) for cells in (line.split(",") for line in lines)]
    index.write_text("\n".join(without) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"index\.csv: expected an index with the column source"):
        read_index(tmp_path)
