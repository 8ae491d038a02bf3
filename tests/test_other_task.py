"""Another task than pneumonia, through the real commands: every text speaks of its data alone."""

import csv
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.engine.files import read_json
from tests.sample_images import encoded, picture
from tests.workspace import Workspace, copy_tree

FOREIGN = re.compile("pneumonia|child|chest|lung|thora|guangzhou|kermany|phantom|normal", re.I)
"""Words of the chest X-rays, none of which may stand in a text about wrists."""

ALLOWED = re.compile(
    "|".join(
        (
            # The program's own name: `pneumonia promote`, `pneumonia data audit`, ...
            r"`pneumonia( [a-z]+)*`",
            r"pneumonia\.experiment",  # the key of a tag
            r"pneumonia_[0-9a-f]{12}",  # the folder of a packaged model's code
            r"fetch\.phantom\.\w+",  # names of params
            # The kind of every negative image, in a column; a package of Python.
            r"(?<=,)normal(?=,)|charset-normalizer",
        )
    )
)

TASK = {
    "task.classes": ["intact", "fracture"],
    "task.title": "fractures in wrist X-rays",
    "task.population": "Adults of 18 to 90 years, two emergency departments.",
    "task.reference": "Read by two radiologists, and a third one where they differ.",
    "task.limits": "Casts were left out.",
    "task.known": "Nothing.",
}


def write_images(folder: Path) -> None:
    """Write 60 patients' images and the table labels.csv, whose labels are 0 and 1."""
    (folder / "wrists").mkdir(parents=True)
    rows = []
    for number in range(60):
        label = number % 2
        pixels = picture(f"wrist {number}").astype(np.int64)
        pixels[20:28] += 70 * label
        name = f"wrist {number:02d}.png"
        data = encoded(np.clip(pixels, 0, 255).astype(np.uint8), "PNG")
        (folder / "wrists" / name).write_bytes(data)
        rows.append([name, label, f"W{number}"])
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([["path", "label", "patient"], *rows])


@pytest.fixture(scope="module")
def wrists(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A finished run on images of wrists whose params state most of the section task."""
    folder = tmp_path_factory.mktemp("wrists")
    workspace = copy_tree(folder / "repository")
    write_images(folder)
    source = {
        "fetch.source": "archive",
        "fetch.path": "../wrists",
        "fetch.labels": "../labels.csv",
        "register.name": "fracture",
    }
    workspace.params({**source, **TASK})
    workspace.run("pneumonia", "data", "pin", "../wrists")
    workspace.run("dvc", "repro")
    workspace.commit()
    return workspace


def foreign(text: str) -> list[str]:
    """The words of the chest X-rays in a text, each with what stands around it."""
    rest = ALLOWED.sub("", text)
    return [rest[max(0, found.start() - 60) : found.end() + 40] for found in FOREIGN.finditer(rest)]


def stored_texts(workspace: Workspace) -> Iterator[tuple[str, str]]:
    """Yield every text in the tables of the embedded store, with the table's name."""
    with closing(sqlite3.connect(workspace.folder / "mlruns/mlflow.db")) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                yield table, "\n".join(value for value in row if isinstance(value, str))


@pytest.mark.slow
def test_no_file_speaks_of_other_images(wrists: Workspace) -> None:
    texts = (".json", ".csv", ".md", ".html", ".txt", ".yaml")
    files = [
        path
        for folder in ("data", "mlruns")
        for path in (wrists.folder / folder).rglob("*")
        if path.suffix in texts and path.is_file()
    ]
    assert len(files) > 40
    found = {
        str(path.relative_to(wrists.folder)): words
        for path in files
        if (words := foreign(path.read_text(encoding="utf-8")))
    }
    assert not found


@pytest.mark.slow
def test_nothing_in_the_store_speaks_of_other_images(wrists: Workspace) -> None:
    found = {table: words for table, text in stored_texts(wrists) if (words := foreign(text))}
    assert not found
    everything = "\n".join(text for _, text in stored_texts(wrists))
    assert everything.count("Detects fractures in wrist X-rays; trained on") == 3


@pytest.mark.slow
def test_the_card_has_the_words_of_params(wrists: Workspace) -> None:
    card = wrists.text("data/report/model_card.md")
    assert "# Model card: fractures in wrist X-rays\n" in card
    assert "| Split | intact | fracture | Patients |" in card
    for key, text in TASK.items():
        assert key == "task.classes" or str(text) in card
    for key in ("use", "not_covered", "citation"):
        assert f"Not stated (`task.{key}` in params.yaml)." in card


@pytest.mark.slow
def test_commands_answer_in_the_words_of_params(wrists: Workspace) -> None:
    images = ["../wrists/wrist 00.png", "../wrists/wrist 01.png"]
    by_file = ("--model", "data/model/model.keras")
    wrists.run("pneumonia", "promote")
    commands = [
        ("predict", *images),
        ("predict", *by_file, *images),
        ("results",),
        ("data", "audit"),
        ("model", "list"),
        ("history",),
        ("study", "stress"),
    ]
    for words in commands:
        finished = wrists.run("pneumonia", *words)
        assert not foreign(finished.stdout + finished.stderr), words
    for extra in ((), by_file):
        answers = json.loads(wrists.run("pneumonia", "predict", "--json", *extra, *images).stdout)
        assert {answer["decision"] for answer in answers} <= {"intact", "fracture"}


@pytest.mark.slow
def test_plots_have_neutral_titles(wrists: Workspace) -> None:
    out = wrists.folder / "dvc_plots"
    wrists.run("dvc", "plots", "show", "--out", str(out))
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "share of the positive class" in page
    assert "fracture" in page
    assert not re.search("pneumonia|chest", page)


@pytest.mark.slow
def test_a_renamed_class_changes_texts_and_neither_data_nor_model(wrists: Workspace) -> None:
    """Nor what a version answers that was registered under the earlier names."""

    def identity() -> dict[str, Any]:
        release = read_json(wrists.folder / "data/release.json")
        return {key: value for key, value in release.items() if key.endswith("_digest")}

    before = identity(), wrists.text("data/source.json"), wrists.text("data/validation.json")
    wrists.params({"task.classes": ["whole", "break"], "task.title": None})
    again = wrists.run("dvc", "repro").stdout
    ran = re.findall(r"^Running stage '(\w+)'", again, flags=re.MULTILINE)
    assert ran == ["inputs", "fetch", "preprocess", "evaluate", "register"]
    assert before == (
        identity(),
        wrists.text("data/source.json"),
        wrists.text("data/validation.json"),
    )
    assert "| Split | whole | break | Patients |" in wrists.text("data/report/model_card.md")
    assert "whole images (patients)" in wrists.text("data/audit/audit.md")
    everything = "\n".join(text for _, text in stored_texts(wrists))
    assert everything.count("Tells break images from whole ones; trained on") == 3
    assert "Detects fractures" not in everything
