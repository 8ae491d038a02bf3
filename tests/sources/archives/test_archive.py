import re
import subprocess
from collections import namedtuple
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.engine.files import sha256_bytes, sha256_file
from stages.sources.archives import archive
from stages.sources.received import NamedSource
from stages.sources.writer import write_raw
from tests.dicoms import dicom_file
from tests.sample_images import encoded, paths, picture, zipped
from tests.sources.archives.broken import VALID, Make, folder_of, tar_of, zip_of

A = "train/NORMAL/IM-0001-0001.jpeg"
B = "train/PNEUMONIA/person1_virus_2.jpeg"
IMAGE = encoded(picture("image"))
JUNK = {
    ".DS_Store": b"x",
    "a/Thumbs.db": b"x",
    "train/NORMAL/thumbs.db": b"x",
    "train/NORMAL/Desktop.ini": b"x",
    f"{A}:Zone.Identifier": b"x",
    f"{A}\uf03aZone.Identifier": b"x",
    f"train/NORMAL/@eaDir/{Path(A).name}/SYNOPHOTO_THUMB_M.jpg": IMAGE,
    "$RECYCLE.BIN/x.jpeg": IMAGE,
    "#recycle/x.jpeg": IMAGE,
    "__MACOSX/x.jpeg": b"x",
    "train/NORMAL/._IM-0001-0001.jpeg": b"x",
    "train/NORMAL/.AppleDouble/IM-0001-0001.jpeg": b"x",
    "train/NORMAL/.~lock.labels.csv#": b"x",
    "train/NORMAL/~$IM-0001.jpeg": b"x",
    "train/NORMAL/Thumbs.db:encryptable": b"x",
    "train/NORMAL/ehthumbs_vista.db": b"x",
    "train/NORMAL/DICOMDIR": dicom_file(picture("x"), Rows=None, Columns=None),
    "train/NORMAL/Icon\r": b"x",
    f"{A}:AFP_AfpInfo": b"x",
    "lost+found/IM000001": IMAGE,
    "System Volume Information/x.jpeg": IMAGE,
}
"""What operating systems and other programs leave behind."""


def test_folders_at_any_depth_without_junk_files(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "images.zip",
        {
            f"deep/er/{B}": IMAGE,
            f"deep/er/{A}": IMAGE,
            "deep/er/train/NORMAL/.DS_Store": b"x",
            f"__MACOSX/deep/er/{A}": b"x",
            "deep/er/train/NORMAL/._IM-0001-0001.jpeg": b"x",
            "deep/readme.txt": b"x",
            "deep/er/val/NORMAL/NORMAL2-IM-0007-0001.jpeg": IMAGE,
        },
    )
    images, source = archive.receive(path, sha256_file(path))
    received = list(images)
    assert [image.path for image in received] == [
        A,
        "train/NORMAL/NORMAL2-IM-0007-0001.jpeg",  # Kaggle's val
        B,
    ]
    assert received[0].data == IMAGE
    assert {image.source_split for image in received} == {"train"}
    assert source.pinned
    assert not archive.receive(path, None)[1].pinned


def test_every_packing_gives_the_same_raw_folder(tmp_path: Path) -> None:
    deep = {f"top/{name}": data for name, data in sorted(VALID.items(), reverse=True)}
    seen = set()
    for make in (zip_of(deep), tar_of(deep), tar_of(deep, mode="w:gz"), folder_of(deep)):
        raw = tmp_path / f"raw{len(list(tmp_path.iterdir()))}"
        raw.mkdir()
        images, source = archive.receive(make(tmp_path).path, None, scratch=raw)
        assert write_raw(raw, images, [NamedSource("archive", "train", source)]) == 48
        seen.add(((raw / "images.zip").read_bytes(), (raw / "index.csv").read_bytes()))
    assert len(seen) == 1


def test_tar_members_in_any_order_can_be_read_twice(tmp_path: Path) -> None:
    path = tar_of(dict(reversed(VALID.items())), mode="w:gz")(tmp_path).path
    scanned = archive.scan(path)
    for _ in range(2):
        images = {image.path: image.data for image in scanned.received(tmp_path)}
        assert images == VALID
        assert [*images] == paths()


def test_checksum_of_a_folder_is_that_of_the_documented_shell_command(tmp_path: Path) -> None:
    folder = folder_of({**VALID, **JUNK, "read me.txt": b"x", "a/My thumbs.db": b"x"})
    path = folder(tmp_path).path
    scanned = archive.scan(path)
    shell = (
        "find . -type f -not -path '*/.*' -not -ipath '*/__MACOSX/*' -not -ipath '*/@eaDir/*'"
        " -not -ipath '*/#recycle/*' -not -ipath '*/$RECYCLE.BIN/*' -not -ipath '*/lost+found/*'"
        " -not -ipath '*/System Volume Information/*' -not -iname 'thumbs.db*'"
        " -not -iname 'ehthumbs*' -not -iname '~$*' -not -iname desktop.ini -not -iname dicomdir"
        " -not -iname $'icon\\r' -not -iname '*zone.identifier' -not -iname '*afp_afpinfo'"
        " -not -iname '*afp_resource' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    )
    assert shell in (Path(__file__).parents[3] / "docs/data.md").read_text(encoding="utf-8")
    done = subprocess.run(
        ["bash", "-c", shell], cwd=path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == scanned.sha256
    archive.scan(path, sha256=scanned.sha256)
    (path / A).write_bytes(IMAGE[:-1])
    with pytest.raises(InputError, match=r"pinned by fetch\.sha256"):
        archive.scan(path, sha256=scanned.sha256)


@pytest.mark.parametrize("make", [folder_of, zip_of, tar_of])
def test_junk_of_operating_systems_stops_nothing(
    tmp_path: Path, make: Callable[[Mapping[str, bytes]], Make]
) -> None:
    scanned = archive.scan(make({**VALID, **JUNK})(tmp_path).path)
    assert list(scanned.images) == paths()


def test_a_suffix_may_have_capital_letters(tmp_path: Path) -> None:
    upper = {name.replace(".jpeg", ".JPEG"): data for name, data in VALID.items()}
    scanned = archive.scan(zip_of(upper)(tmp_path).path)
    assert list(scanned.images) == sorted(upper)


NO_IMAGES = {
    "b/REPORT": dicom_file(
        picture("x"), Rows=None, Columns=None, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11"
    ),
    "LICENSE": b"text",
    "notes.txt": IMAGE,
}


@pytest.mark.parametrize("make", [folder_of, zip_of, tar_of])
@pytest.mark.parametrize("name", ["b/IM000001", "b/1.2.840.113619.2", "b/scan.ima"])
@pytest.mark.parametrize(
    "data",
    [
        *(IMAGE, encoded(picture("x"), "PNG"), dicom_file(picture("x"))),
        dicom_file(picture("x"))[:180],  # cut off within the tag that says what it is
        dicom_file(picture("x"))[:300],
    ],
)
def test_an_image_is_one_by_its_content_whatever_its_name(
    tmp_path: Path, make: Callable[[Mapping[str, bytes]], Make], name: str, data: bytes
) -> None:
    members = {"a.png": IMAGE, "b.png": IMAGE, **NO_IMAGES, name: data}
    path = make(members)(tmp_path).path
    table = tmp_path / "labels.csv"
    table.write_text("path,label,patient\na.png,0,a\nb.png,1,b\n")
    with pytest.raises(InputError, match=f"'{re.escape(name)}': no row in .*labels.csv"):
        archive.scan(path, table=table)
    table.write_text(f"path,label,patient\na.png,0,a\nb.png,1,b\n{name},1,c\n")
    assert name in archive.scan(path, table=table).images


def test_an_image_by_its_content_must_be_in_a_folder_of_its_class(tmp_path: Path) -> None:
    path = zip_of({**VALID, **NO_IMAGES, "IM000001": dicom_file(picture("x"))})(tmp_path).path
    with pytest.raises(InputError, match="'IM000001': expected an image in"):
        archive.scan(path)


def test_folder_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = folder_of(VALID)(tmp_path).path
    images, _ = archive.receive(path, None)
    (path / paths()[-1]).write_bytes(IMAGE[:-1])
    with pytest.raises(InputError, match="changed while it was read"):
        list(images)


def test_table_gives_the_facts_and_counts_in_the_checksum(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "images.zip", {"scan 1.dcm": IMAGE, "b/scan 2.png": IMAGE, "x.txt": b""}
    )
    table = tmp_path / "labels.csv"
    table.write_text(
        "kind,path,label,patient,split\n"
        "viral,./b/scan 2.png, Pneumonia ,p 1,test\n"
        ",scan 1.dcm,0,p 2,val\n"
    )
    scanned = archive.scan(path, table=table)
    both = f"{sha256_file(path)} {sha256_file(table)}\n"
    assert scanned.sha256 == sha256_bytes(both.encode())
    images = list(scanned.received(tmp_path))
    assert [
        (image.path, image.label, image.kind, image.patient, image.split_group, image.source_split)
        for image in images
    ] == [
        ("b/scan 2.png", 1, "viral", "p 1", "p 1", "test"),
        ("scan 1.dcm", 0, "normal", "p 2", "p 2", "train"),
    ]
    assert "Kermany" not in scanned.source(pinned=True).citation
    with pytest.raises(InputError, match=r"fetch\.labels: expected a table, found no file"):
        archive.scan(path, table=tmp_path / "none.csv")


def test_unknown_name_explains_how_to_give_a_table(tmp_path: Path) -> None:
    path = zipped(tmp_path / "images.zip", {"scans/a (1).png": IMAGE, A: IMAGE})
    with pytest.raises(InputError) as caught:
        archive.scan(path)
    message = str(caught.value)
    assert "Set fetch.labels to" in message
    header, row = (line.strip() for line in message.splitlines()[-5:-3])
    (tmp_path / "labels.csv").write_text(
        f"{header}\n{row}\n{A},pneumonia,patient-2,train,\n", encoding="utf-8"
    )
    assert len(archive.scan(path, table=tmp_path / "labels.csv").images) == 2


def test_message_lists_twenty_problems(tmp_path: Path) -> None:
    names = [f"train/NORMAL/scan {n}.jpeg" for n in range(30)]
    path = zipped(tmp_path / "images.zip", dict.fromkeys(names, IMAGE))
    with pytest.raises(InputError, match=r"\.\.\. and 10 more") as caught:
        archive.scan(path)
    assert len(str(caught.value).splitlines()) < 32


def test_too_large_image_and_too_small_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(
        tmp_path / "images.zip", {A: IMAGE, B: IMAGE + bytes(9), "notes.txt": bytes(9999)}
    )
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(2 * len(IMAGE)))
    with pytest.raises(InputError, match=r"its images need .* of disk space"):
        archive.receive(path, None)
    monkeypatch.setattr(archive, "MAX_IMAGE_BYTES", len(IMAGE))
    with pytest.raises(
        InputError, match=r"person1_virus_2\.jpeg.*an image may have at most"
    ) as caught:
        archive.scan(path)
    assert len(str(caught.value).splitlines()) == 2
