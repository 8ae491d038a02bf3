import subprocess
from collections import namedtuple
from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.engine.files import sha256_bytes, sha256_file
from stages.sources.archives import archive
from stages.sources.index import write_raw
from tests.films import encoded, paths, picture, zipped
from tests.sources.archives.broken import SOUND, folder_of, tar_of, zip_of

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


def test_every_packing_gives_the_same_films(tmp_path: Path) -> None:
    deep = {f"top/{name}": data for name, data in sorted(SOUND.items(), reverse=True)}
    seen = set()
    for make in (zip_of(deep), tar_of(deep), tar_of(deep, mode="w:gz"), folder_of(deep)):
        raw = tmp_path / f"raw{len(list(tmp_path.iterdir()))}"
        raw.mkdir()
        films, _ = archive.receive(make(tmp_path).path, None, scratch=raw)
        assert write_raw(raw, films, archive.receive(make(tmp_path / raw).path, None)[1]) == 48
        seen.add(((raw / "films.zip").read_bytes(), (raw / "index.csv").read_bytes()))
    assert len(seen) == 1


def test_what_is_in_a_tar_may_stand_in_any_order_and_be_read_again(tmp_path: Path) -> None:
    path = tar_of(dict(reversed(SOUND.items())), mode="w:gz")(tmp_path).path
    looked = archive.look(path)
    for _ in range(2):
        films = {film.path: film.data for film in looked.received(tmp_path)}
        assert films == SOUND
        assert [*films] == paths()


def test_the_checksum_of_a_folder_is_what_the_page_says(tmp_path: Path) -> None:
    folder = folder_of({**SOUND, "read me.txt": b"x", ".DS_Store": b"x", "a/Thumbs.db": b"x"})
    path = folder(tmp_path).path
    looked = archive.look(path)
    shell = (
        "find . -type f -not -path '*/.*' -not -path '*/__MACOSX/*' -not -name Thumbs.db"
        " -not -name desktop.ini -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    )
    assert shell in (Path(__file__).parents[3] / "docs/data.md").read_text(encoding="utf-8")
    said = subprocess.run(shell, shell=True, cwd=path, capture_output=True, text=True, check=True)
    assert said.stdout.split()[0] == looked.sha256
    archive.look(path, sha256=looked.sha256)
    (path / A).write_bytes(FILM[:-1])
    with pytest.raises(InputError, match=r"pinned by fetch\.sha256"):
        archive.look(path, sha256=looked.sha256)


def test_a_folder_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    path = folder_of(SOUND)(tmp_path).path
    films, _ = archive.receive(path, None)
    (path / paths()[-1]).write_bytes(FILM[:-1])
    with pytest.raises(InputError, match="changed while it was read"):
        list(films)


def test_a_table_says_what_names_do_not_and_is_part_of_the_pin(tmp_path: Path) -> None:
    path = zipped(tmp_path / "films.zip", {"scan 1.dcm": FILM, "b/scan 2.png": FILM, "x.txt": b""})
    table = tmp_path / "labels.csv"
    table.write_text(
        "kind,path,label,patient,split\n"
        "viral,./b/scan 2.png, Pneumonia ,p 1,test\n"
        ",scan 1.dcm,0,p 2,val\n"
    )
    looked = archive.look(path, table=table)
    both = f"{sha256_file(path)} {sha256_file(table)}\n"
    assert looked.sha256 == sha256_bytes(both.encode())
    films = list(looked.received(tmp_path))
    assert [(film.path, film.label, film.kind, film.patient, film.split_group, film.source_split)
            for film in films] == [
        ("b/scan 2.png", 1, "viral", "p 1", "p 1", "test"),
        ("scan 1.dcm", 0, "normal", "p 2", "p 2", "train"),
    ]  # fmt: skip
    assert "Kermany" not in looked.source(pinned=True).citation
    with pytest.raises(InputError, match=r"fetch\.labels: expected a table, found no file"):
        archive.look(path, table=tmp_path / "none.csv")


def test_an_unknown_name_is_shown_how_to_give_a_table(tmp_path: Path) -> None:
    path = zipped(tmp_path / "films.zip", {"scans/a (1).png": FILM, A: FILM})
    with pytest.raises(InputError) as caught:
        archive.look(path)
    said = str(caught.value)
    assert "set fetch.labels to" in said
    header, row = (line.strip() for line in said.splitlines()[-4:-2])
    (tmp_path / "labels.csv").write_text(
        f"{header}\n{row}\n{A},pneumonia,patient-2,train,\n", encoding="utf-8"
    )
    assert len(archive.look(path, table=tmp_path / "labels.csv").films) == 2


def test_many_problems_are_cut_to_twenty(tmp_path: Path) -> None:
    names = [f"train/NORMAL/scan {n}.jpeg" for n in range(30)]
    path = zipped(tmp_path / "films.zip", dict.fromkeys(names, FILM))
    with pytest.raises(InputError, match=r"\.\.\. and 10 more") as caught:
        archive.look(path)
    assert len(str(caught.value).splitlines()) < 32


def test_a_film_too_large_and_a_disk_too_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(tmp_path / "films.zip", {A: FILM, B: FILM + bytes(9), "notes.txt": bytes(9999)})
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(2 * len(FILM)))
    with pytest.raises(InputError, match="of free disk for its films"):
        archive.receive(path, None)
    monkeypatch.setattr(archive, "MAX_FILM_BYTES", len(FILM))
    with pytest.raises(InputError, match=r"person1_virus_2\.jpeg.*a film has at most") as caught:
        archive.look(path)
    assert len(str(caught.value).splitlines()) == 2
