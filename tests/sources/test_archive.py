import stat
import zipfile
from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.engine.files import sha256_file
from stages.sources import archive
from tests.films import encoded, picture, zipped

A = "train/NORMAL/IM-0001-0001.jpeg"
B = "train/PNEUMONIA/person1_virus_2.jpeg"
FILM = encoded(picture("film"))


def test_layout_at_any_depth_without_litter(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "films.zip",
        {
            f"deep/er/{B}": FILM,
            f"deep/er/{A}": FILM,
            "deep/er/train/NORMAL/.DS_Store": b"x",
            f"__MACOSX/deep/er/{A}": b"x",
            "deep/er/train/NORMAL/._IM-0001-0001.jpeg": b"x",
            "deep/readme.txt": b"x",
            "deep/er/val/NORMAL/NORMAL2-IM-0007-0001.jpeg": FILM,
        },
    )
    films, source = archive.receive(path, sha256_file(path))
    received = list(films)
    assert [film.path for film in received] == [
        A,
        "train/NORMAL/NORMAL2-IM-0007-0001.jpeg",  # Kaggle's val
        B,
    ]
    assert received[0].data == FILM
    assert {film.source_split for film in received} == {"train"}
    assert source.pinned
    assert not archive.receive(path, None)[1].pinned


def test_the_same_film_twice_is_one_but_two_films_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = zipped(tmp_path / "twice.zip", {A: FILM, f"again/{A}": FILM})
    assert len(list(archive.receive(twice, None)[0])) == 1
    other = zipped(tmp_path / "other.zip", {A: FILM, f"again/{A}": FILM[:-9]})
    with pytest.raises(InputError, match="two different films of one name"):
        archive.receive(other, None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"../{A}", "climbs out"),
        (f"/{A}", "climbs out"),
        (f"C:/{A}", "climbs out"),
        ("train/NORMAL/scan.jpeg", "the patient can't be told"),
        ("train/NORMAL/notes.txt", "the patient can't be told"),
        ("validation/NORMAL/IM-0001-0001.jpeg", "received one elsewhere"),
        ("IM-0001-0001.jpeg", "received one elsewhere"),
    ],
)
def test_members_are_refused_by_name(tmp_path: Path, name: str, message: str) -> None:
    path = zipped(tmp_path / "films.zip", {A: FILM, name: FILM})
    with pytest.raises(InputError, match=message) as caught:
        archive.receive(path, None)
    assert name.split("/")[-1] in str(caught.value)


def test_links_encrypted_members_and_bombs_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = zipfile.ZipInfo(A)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as target:
        target.writestr(link, "/etc/hostname")
    with pytest.raises(InputError, match="a link or a device"):
        archive.receive(tmp_path / "link.zip", None)

    plain = zipped(tmp_path / "plain.zip", {A: FILM}).read_bytes()
    # Bit 0 of the flags, in the central directory, is "encrypted".
    flags = plain.index(b"PK\x01\x02") + 8
    (tmp_path / "locked.zip").write_bytes(plain[:flags] + b"\x01" + plain[flags + 1 :])
    with pytest.raises(InputError, match="encrypted"):
        archive.receive(tmp_path / "locked.zip", None)

    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", len(FILM) - 1)
    with pytest.raises(InputError, match="unpacks to"):
        archive.receive(tmp_path / "plain.zip", None)


def test_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no file"):
        archive.receive(tmp_path / "none.zip", None)
    (tmp_path / "page.zip").write_text("<html>")
    with pytest.raises(InputError, match="expected a zip archive, received another file"):
        archive.receive(tmp_path / "page.zip", None)
    with pytest.raises(InputError, match=r"pinned by fetch\.sha256"):
        archive.receive(tmp_path / "page.zip", "0" * 64)
    with pytest.raises(InputError, match="found none"):
        archive.receive(zipped(tmp_path / "empty.zip", {}), None)


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "films.zip", {A: FILM})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20] = bytes(20)
    path.write_bytes(bytes(data))
    films, _ = archive.receive(path, None)
    with pytest.raises(InputError, match=r"IM-0001-0001.*can't be unpacked"):
        list(films)
