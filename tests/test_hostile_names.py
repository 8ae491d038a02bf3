"""Hostile names and texts from outside, through every writer and every command.

An archive, its table of labels, file names and arguments hold what a terminal, a page or a
spreadsheet would obey (`tests.hostile`). What is printed and written is text, and no name is lost.
"""

import csv
import json
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from stages.audit import report
from stages.audit.collector import Collector
from stages.commands import main, predict
from stages.engine.arrays import GrayImages
from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.engine.printable import printable
from stages.engine.tables import read_table
from stages.images.build import build_shards
from stages.images.shards import open_shards
from stages.metrics import curves
from stages.network.detector import Answer
from stages.network.preparing import Prepared
from stages.serving.predictor import Predictor
from stages.sources.archives.archive import receive, scan
from stages.sources.index import open_raw, read_index
from stages.sources.labels import normalised_path
from stages.sources.patient_ids import cleaned
from stages.sources.phantom.generate import images as phantoms
from stages.sources.phantom.options import PhantomOptions
from stages.sources.received import NamedSource
from stages.sources.writer import write_raw
from tests.hostile import FORMULA, TEXTS, formulas, live_markup, rendered, unprintable
from tests.metrics.pages.test_card import card
from tests.metrics.sample_images import answers
from tests.sample_images import encoded, options, picture, zipped
from tests.workspace import ROOT, copy_tree

REFUSED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""In a name in an archive. All others are taken."""
SOUND = [text for text in TEXTS if not REFUSED.search(text) and "\\" not in text]
BROKEN = (FORMULA, "[x](javascript:alert(1))", "gpj\u202egnp.exe", "`code` ``two`` `", "a | b |")
"""Names of images that nobody can read, so that they are listed with a reason."""


def members(names: Sequence[str]) -> dict[str, bytes]:
    """Return an archive's images: two for each name, of which some can't be read."""
    found = {}
    for number, name in enumerate(names):
        for label in (0, 1):
            path = f"{name}{label}.png"
            broken = label == 1 and name in BROKEN
            found[path] = b"broken" if broken else encoded(picture(f"{number} {label}"), "PNG")
    return found


def table(folder: Path, paths: Sequence[str], patients: Sequence[str]) -> Path:
    path = folder / f"{FORMULA.replace('/', '')}.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        rows = csv.writer(handle)
        rows.writerow(["path", "label", "patient"])
        for number, each in enumerate(paths):
            rows.writerow([each, number % 2, patients[number // 2 % len(patients)]])
    return path


def archive(folder: Path) -> tuple[Path, Path]:
    """Write an archive of a hostile name, and its table; return both."""
    # Enough patients for three roles, of each name two.
    names = [*SOUND, *(f"{name} again" for name in SOUND)]
    images = members(names)
    packed = zipped(folder / "[x](javascript:1) `|<script>\u202e_em_.zip", images)
    return packed, table(folder, list(images), names)


def check_files(folder: Path, *, expect: set[str]) -> None:
    """Check each page and table below a folder; `expect` names some that must be there."""
    checked = set()
    for path in folder.rglob("*"):
        if path.suffix not in (".md", ".csv", ".html", ".json") or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        assert not unprintable(text), path
        if path.suffix == ".csv":
            assert not formulas(path), path
        if path.suffix == ".md":
            tags = [tag for tag in live_markup(text) if "src=contact.png" not in tag]
            assert not [tag for tag in tags if "src=means.png" not in tag], path
        if path.suffix == ".html":
            assert "<script>alert" not in text, path
        checked.add(path.name)
    assert expect <= checked


def test_no_name_is_lost_and_none_is_live_in_what_fetch_and_preprocess_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    packed, labels = archive(tmp_path)
    raw, shards, audit = (tmp_path / "data" / name for name in ("raw", "shards", "audit"))
    raw.mkdir(parents=True)
    received, source = receive(packed, None, table=labels, scratch=raw)
    write_raw(raw, received, [NamedSource("archive", "train", source)])
    expected = {path: patient for path, patient, _ in _labelled(labels)}
    assert {row.path: row.patient for row in read_index(raw)} == expected

    images, facts = open_raw(raw)
    collected = Collector()
    params = options(max_unreadable_images=2 * len(BROKEN))
    build_shards(
        images,
        params,
        shards,
        on_image=collected.add,
        approve=lambda built: report.write_report(
            built, collected, facts, params, audit, classes=(FORMULA, "<script>")
        ),
    )
    records = open_shards(shards).records
    broken = {path for path in expected if _is_broken(path)}
    assert dict(zip(records["id"], records["patient"], strict=True)) == {
        path: patient for path, patient in expected.items() if path not in broken
    }
    listed = curves.predictions(records, answers([0.0] * len(records)), 0.5)
    (tmp_path / "data/predictions.csv").write_text(listed)
    check_files(
        tmp_path / "data",
        expect={"index.csv", "records.csv", "predictions.csv", "unreadable.csv", "audit.md"},
    )
    page = rendered((audit / "audit.md").read_text())[1]
    for path in broken:
        assert f"{printable(path)}: expected a JPEG, PNG or DICOM image" in page
    assert {image["path"] for image in read_json(audit / "findings.json")["unreadable"]} == broken
    assert not unprintable(capsys.readouterr().out)


def _labelled(labels: Path) -> Iterator[tuple[str, str, str]]:
    """Yield path, patient as it is stored, and label of each row of a table."""
    with labels.open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            yield normalised_path(row["path"]), cleaned(row["patient"]), row["label"]


def _is_broken(path: str) -> bool:
    return path.endswith("1.png") and path.removesuffix("1.png") in BROKEN


@pytest.mark.parametrize("text", [text for text in TEXTS if REFUSED.search(text)])
def test_a_name_with_controls_is_refused_and_shown(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "images"
    for number in range(2):
        path = folder / os.fsdecode(os.fsencode(f"{text}{number}.png"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture("any"), "PNG"))
    labels = table(tmp_path, ["a.png"], ["a"])
    with pytest.raises(InputError, match=r"its name (contains control|is not valid)") as caught:
        scan(folder, table=labels)
    assert not unprintable(printable(str(caught.value)))
    assert text not in str(caught.value)


@pytest.mark.parametrize("text", TEXTS)
def test_the_card_shows_the_name_of_an_archive(text: str) -> None:
    page = card(name="archive", version="", file=text, licence=text, citation=text)
    tags = rendered(card(name="archive", version="", file="x", licence="x", citation="x"))[0]
    assert rendered(page)[0] == tags
    assert rendered(page)[1].count(printable(text).strip()) >= 3
    assert not unprintable(page)


@pytest.fixture
def hostile_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files of hostile names, in a folder that is the current one and has params."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    names = [text.replace("/", "∕") for text in TEXTS]
    for name in names:
        Path(name).write_bytes(encoded(picture("any"), "PNG"))
    return [name for name in names if not name.startswith("-")]


class _Detector:
    """Gives every image one answer, and an empty file a hostile reason."""

    def prepare(self, image: bytes) -> Prepared:
        if not image:
            return Prepared(None, "expected an image, received \x1b[2J")
        return Prepared(picture("any"))

    def answer(self, pixels: GrayImages) -> list[Answer]:
        return [Answer(0.25, "normal", 0.5, None) for _ in pixels]


def test_predict_prints_names_as_text(
    hostile_files: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    detector = cast(Any, _Detector())
    predictor = Predictor(detector, "the model in \x1b[2J\nx", model="m" * 64, synthetic=True)
    monkeypatch.setattr(predict, "_predictor", lambda *_: predictor)
    Path(hostile_files[0]).write_bytes(b"")
    forged = "0.001\tnormal\t\x1b[2J\r\n0.999\tpneumonia\tforged.png"
    words = ["predict", "--", *hostile_files, forged]
    assert main.main(words) == 1
    out, err = capsys.readouterr()
    assert not unprintable(out + err)
    lines = out.splitlines()
    assert len(lines) == 1 + len(words) - 2
    assert not [line for line in lines if line.startswith("0.999")]
    assert r"received \x1b[2J" in lines[1]
    for name, line in zip(hostile_files[1:], lines[2:-1], strict=True):
        assert line == f"0.250\tnormal\t{printable(' '.join(name.split()))}\t"
    assert main.main(["predict", "--json", "--", *hostile_files]) == 1
    out = capsys.readouterr().out
    assert not unprintable(out)
    assert [each["name"] for each in json.loads(out)] == hostile_files


COMMANDS = [
    ["{}"],
    ["predict", "--model", "{}", "x.png"],
    ["predict", "--{}", "x.png"],
    ["results", "--write", "{}"],
    ["verify", "{}"],
    ["verify", "--version", "{}"],
    ["promote", "--to", "{}", "1"],
    ["promote", "{}"],
    ["model", "export", "{}"],
    ["model", "{}"],
    ["data", "pin", "{}"],
    ["data", "pin", "{}.h5"],
    ["data", "figures", "{}"],
    ["study", "seeds", "{}"],
    ["study", "ablation", "--rev", "{}"],
    ["study", "ablation", "--write", "{}"],
    ["ui", "--port", "{}"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_arguments_in_errors_are_one_line_of_text(
    words: list[str],
    hostile_files: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:s3cret@127.0.0.1:9")
    hostile = "\x1b[2J\x9b\u202e[red]x\nerror: forged"
    status = main.main([word.format(hostile) for word in words])
    out, err = capsys.readouterr()
    assert status != 0
    assert not unprintable(out + err)
    assert [line for line in err.splitlines() if line.startswith("error: ")] == err.splitlines()[:1]
    assert "s3cret" not in out + err


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("register.name", "\x1b[2J"),
        ("fetch.path", "a\nerror: forged"),
        ("train.network", "[red]\u202ex"),
        ("fetch.\x1b[2J", 1),
    ],
)
def test_params_in_errors_are_text(
    key: str, value: object, hostile_files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    section, _, name = key.partition(".")
    tree: dict[str, Any] = yaml.safe_load(Path("params.yaml").read_text())
    tree[section][name] = value
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    assert main.main(["results"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: params.yaml")
    assert not unprintable(err)
    assert len(err.splitlines()) == 1


FEW = PhantomOptions(seed=0, patients_train=48, patients_test=14, confound=1.0)


@pytest.mark.slow
def test_the_whole_pipeline_and_its_commands_show_names_as_text(tmp_path: Path) -> None:
    workspace = copy_tree(tmp_path / "pneumonia")
    packed, labels = _phantoms_of_hostile_names(workspace.folder)
    ignored = workspace.folder / ".gitignore"
    ignored.write_text(f"{ignored.read_text()}/received/\n")
    workspace.params({"fetch.source": "archive", "fetch.labels": f"received/{labels.name}"})
    printed = [workspace.run("pneumonia", "data", "pin", f"received/{packed.name}")]
    workspace.commit()
    printed.append(workspace.run("dvc", "repro"))
    workspace.commit()
    check_files(
        workspace.folder / "data",
        expect={
            *("index.csv", "records.csv", "predictions.csv", "unreadable.csv", "history.csv"),
            *("audit.md", "model_card.md", "source.json"),
        },
    )
    with (workspace.folder / "data/report/predictions.csv").open(newline="") as handle:
        ids = {row["id"].removeprefix("archive/") for row in read_table(handle)[1]}
    assert ids < {row[0] for row in _labelled(labels)}
    assert f"archive {printable(packed.name)} " in rendered(
        workspace.text("data/report/model_card.md")
    )[1].replace("\n", " ")

    reason = "because \x1b[2J\u202e[x](javascript:1) <script>alert(1)</script>"
    images = [workspace.folder / text.replace("/", "∕") for text in TEXTS]
    for path in images:
        path.write_bytes(encoded(picture(str(len(images))), "PNG"))
    asked = [
        *(
            ["promote", "--override", "--reason", reason],
            ["history"],
            ["model", "list"],
            ["model", "runs"],
        ),
        *(["results"], ["data", "audit"], ["data", "audit", "--json"], ["sync"]),
        *(["model", "list", "--json"], ["model", "runs", "--json"]),
        *(["predict", *map(str, images)], ["predict", "--json", *map(str, images)]),
    ]
    printed += [workspace.run("pneumonia", *words) for words in asked]
    for finished in printed:
        own = [line for line in finished.stderr.splitlines() if not line.startswith("\x1b[")]
        assert not unprintable("\n".join([finished.stdout, *own])), finished.args
    check_files(
        workspace.folder / "mlruns", expect={"model_card.md", "figures.html", "predictions.csv"}
    )
    with sqlite3.connect(workspace.folder / "mlruns/mlflow.db") as database:
        kept = "\n".join(database.iterdump())
    database.close()
    assert "because" in kept
    assert not unprintable(kept)
    for journal in (workspace.folder / ".cache/journal").iterdir():
        assert not unprintable(journal.read_text())


def _phantoms_of_hostile_names(folder: Path) -> tuple[Path, Path]:
    received = folder / "received"
    received.mkdir()
    members, rows = {}, [("path", "label", "patient", "kind")]
    for number, image in enumerate(phantoms(FEW)):
        text = SOUND[number % len(SOUND)]
        path = f"{text} {number}.jpeg"
        members[path] = b"broken" if number == 3 else image.data
        kind = image.kind if image.label else ""
        rows.append((path, str(image.label), f"{text[:9]} {image.patient}", kind))
    labels = received / "[labels](x) `|.csv"
    with labels.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows(rows)
    return zipped(received / "=[x](javascript:1) `|<b>\u202e_em_.zip", members), labels
