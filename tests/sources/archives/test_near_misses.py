"""What a message says about a table that nearly fits: its paths, encoding and columns."""

import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from stages.commands.main import main
from stages.engine.errors import InputError
from stages.sources.archives import archive
from stages.sources.archives.near_misses import NearMisses
from tests.sample_images import encoded, picture, zipped
from tests.workspace import ROOT

IMAGE = encoded(picture("image"), "PNG")


def message(folder: Path, images: Mapping[str, bytes], *rows: str) -> str:
    """The message of a scan of `images` and of a table with `rows` for the paths."""
    path = zipped(folder / "images.zip", {**images, "x.png": IMAGE, "y.png": IMAGE})
    table = folder / "labels.csv"
    lines = [
        f'"{row}",{number % 2},p{number}' for number, row in enumerate(("x.png", "y.png", *rows))
    ]
    table.write_text("\n".join(["path,label,patient", *lines]), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        archive.scan(path, table=table)
    return str(caught.value)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("scans/A (1).PNG", "it differs in case"),
        ("scans\\a (1).png", "it has backslashes instead of slashes"),
        ("/mnt/disk/scans/a (1).png", "it is absolute instead of relative to the archive"),
        (
            "C:\\data\\scans\\a (1).png",
            "it has backslashes instead of slashes; it is absolute instead of relative",
        ),
        ("file:/data/scans/a%20(1).png", "it has URL escapes; it is absolute instead of"),
        ("scans/a%20%281%29.png", "it has URL escapes)"),
        ("a (1).png", "it lacks the folder 'scans/' in front)"),
        ("set/scans/a (1).png", "it has the folder 'set/' in front)"),
        ("scans/a (1)", "it has no suffix instead of .png)"),
        ("scans/a (1).jpg", "it has .jpg instead of .png)"),
        ("SCANS/a (1).jpg", "it has .jpg instead of .png; it differs in case)"),
        ("scans/a\u00a0(1).png", "it differs in spaces or invisible characters)"),
        ("scans/a  (1).png ", "it differs in spaces or invisible characters)"),
        ("scans/a (1).png\u200b", "it differs in spaces or invisible characters)"),
        ("scans/\uff41 (1).png", "it differs in case, width or style of characters)"),
    ],
)
def test_both_lines_name_the_other_and_what_differs(tmp_path: Path, row: str, reason: str) -> None:
    text = message(tmp_path, {"scans/a (1).png": IMAGE}, row)
    _, image_line, row_line = text.splitlines()
    assert image_line.startswith("  'scans/a (1).png': no row in")
    assert f"(nearest row: {row!r}; the table's path differs: {reason}" in image_line
    assert "missing in the archive; add the image or remove the row" in row_line
    assert f"(nearest image: 'scans/a (1).png'; the table's path differs: {reason}" in row_line


def test_garbled_accents_are_named_on_either_side(tmp_path: Path) -> None:
    name = "clich\u00e9.png"
    text = message(tmp_path, {name.encode().decode("cp437"): IMAGE}, name)
    assert "the archive's names are UTF-8 that was packed as another encoding)" in text
    text = message(tmp_path, {name: IMAGE}, name.encode().decode("cp1252"))
    assert "differs: it is UTF-8 that was read in another encoding)" in text


def test_an_accent_in_another_form_fits(tmp_path: Path) -> None:
    text = message(tmp_path, {"cliche\u0301.png": IMAGE}, "clich\u00e9.png", "none.png")
    _, line = text.splitlines()  # the other row alone
    assert "'none.png': listed in" in line


def test_folders_of_equal_names_are_not_confused(tmp_path: Path) -> None:
    images = {f"p{number}/1.dcm": IMAGE for number in range(3)}
    text = message(tmp_path, images, *(f"q{number}/1.dcm" for number in range(3)))
    assert "nearest" not in text
    text = message(tmp_path, images, "1.dcm")
    assert (
        "'p0/1.dcm'; the table's path differs: it lacks the folder 'p0/' in front; 2 others" in text
    )
    text = message(tmp_path, {"left/a.png": IMAGE}, "right/a.png")
    assert "(nearest row: 'right/a.png', in another folder)" in text


def test_nothing_alike_is_said_to_be_near(tmp_path: Path) -> None:
    assert "nearest" not in message(tmp_path, {"a.png": IMAGE}, "b.png")


def test_many_mismatches_take_no_time() -> None:
    start = time.process_time()
    near = NearMisses([f"A/{n}.png" for n in range(50_000)], [f"a/{n}.png" for n in range(50_000)])
    assert all("case" in near.of_image(f"a/{n}.png") for n in range(1000))
    assert time.process_time() - start < 10


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_another_encoding_is_named_and_the_command_converts_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    encoding: str,
) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    zipped(Path("images.zip"), {"\u00e9.png": IMAGE, "b.png": IMAGE})
    table = "path,label,patient\n\u00e9.png,0,a\nb.png,1,b\n"
    Path("my labels.csv").write_bytes(table.encode(encoding))
    params = Path("params.yaml").read_text(encoding="utf-8")
    params = params.replace("labels: null  ", "labels: my labels.csv  ")
    Path("params.yaml").write_text(params, encoding="utf-8")
    assert main(["data", "pin", "images.zip"]) == 1
    error = capsys.readouterr().err
    assert "in another encoding" in error
    subprocess.run(error.split("`")[1], shell=True, check=True)
    converted = Path("my labels-utf8.csv").read_text(encoding="utf-8-sig")
    assert converted == table
    Path("params.yaml").write_text(params.replace("my labels.csv", "my labels-utf8.csv"))
    assert main(["data", "pin", "images.zip"]) == 0


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b"path;label;patient\n", "it is separated by semicolons: save it with commas"),
        (b"path\tlabel\tpatient\n", "it is separated by tabs: save it with commas"),
        (b"sep=;\npath;label;patient\n", "remove this line and separate the columns by commas"),
        (b"PK\x03\x04rest", "received a workbook of a spreadsheet program; save it there as CSV"),
        (b"path,label,patient,Path\n", "expected the columns path,label,patient"),
        (
            b"path,label,patient\na.png,0,a\0b\n",
            "line 2: expected .* with the byte 0x00; remove it",
        ),
        (b"", "received an empty file"),
    ],
)
def test_what_is_no_such_table_is_named(tmp_path: Path, data: bytes, hint: str) -> None:
    path = zipped(tmp_path / "images.zip", {"a.png": IMAGE})
    (tmp_path / "labels.csv").write_bytes(data)
    with pytest.raises(InputError, match=hint.replace("[", r"\[")):
        archive.scan(path, table=tmp_path / "labels.csv")


def test_a_header_with_a_mark_spaces_and_capital_letters_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "images.zip", {"a.png": IMAGE, "b.png": IMAGE})
    table = tmp_path / "labels.csv"
    table.write_text(
        "\ufeff\ufeffPath , LABEL,\u00a0Patient\r\na.png,0,a\r\nb.png,1,b\r\n", "utf-8"
    )
    assert list(archive.scan(path, table=table).images) == ["a.png", "b.png"]
