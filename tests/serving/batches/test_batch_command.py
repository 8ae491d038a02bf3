"""`pneumonia predict --batch` by a trained network: kills, and the answers of a single image."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.bench.many import images
from tests.sample_images import zipped
from tests.serving.batches.test_batch import beside
from tests.workspace import Workspace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="sends SIGKILL"),
]
KILLS = 10
COUNT = 1600


def command(source: Path, out: Path) -> list[str]:
    model = ("--model", "data/model/model.keras")
    return ["pneumonia", "predict", "--batch", str(source), "--out", str(out), *model]


def killed_after(workspace: Workspace, words: list[str], size: int, wait_s: float) -> None:
    """Run a command; kill it some time after its rows have reached a size in bytes."""
    out = Path(words[words.index("--out") + 1])
    rows = out.with_name(f".{out.name}.partial") / "rows.jsonl"
    with subprocess.Popen(
        words,
        cwd=workspace.folder,
        env=workspace.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None and (not rows.exists() or rows.stat().st_size < size):
            time.sleep(0.002)
        time.sleep(wait_s)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def phantoms(workspace: Workspace, count: int) -> dict[str, bytes]:
    """Return images of the kind that the network was trained on; few of them are refused."""
    with zipfile.ZipFile(workspace.folder / "data/raw/images.zip") as raw:
        return {name: raw.read(name) for name in raw.namelist()[:count]}


@pytest.fixture
def archive(finished: Workspace, tmp_path: Path) -> Path:
    members = [*images(range(COUNT - 102)), *phantoms(finished, 50).items()]
    members += [(f"again/{name}", data) for name, data in members[-50:]]
    members += [("bad.png", b"bad"), ("notes.txt", b"x"), ("b", b"")]
    random.Random(0).shuffle(members)
    return zipped(tmp_path / "images.zip", dict(members))


def test_ten_kills_change_no_byte(finished: Workspace, archive: Path, tmp_path: Path) -> None:
    whole = command(archive, tmp_path / "whole.parquet")
    printed = finished.run(*whole).stderr
    assert f"whole.parquet: {COUNT:,} images: " in printed
    assert "2 unusable; 1 left out that are no images" in printed
    assert "normal" in printed
    assert printed.endswith("not a diagnosis\n")
    out, draws = tmp_path / "killed.parquet", random.Random(0)
    words = command(archive, out)
    done = 0
    for kill in range(KILLS):
        # Rows of 100 bytes and more: some kills are before the first row that this run adds.
        killed_after(finished, words, kill * COUNT * 10, draws.uniform(0, 0.2))
        rows = (tmp_path / ".killed.parquet.partial/rows.jsonl").read_bytes().count(b"\n")
        assert rows >= done
        done = rows
    assert 0 < done < COUNT
    assert not out.exists()
    printed = finished.run(*words).stderr
    assert f"continues after {done:,} of {COUNT:,} images" in printed
    assert out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert beside(out) == []
    table = pyarrow.parquet.read_table(out)
    assert len(set(table["path"].to_pylist())) == COUNT


def test_a_batch_gives_the_bits_of_single_predictions(finished: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    for name, data in [*phantoms(finished, 21).items(), *images(range(2)), ("bad.png", b"bad")]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    out = tmp_path / "a.parquet"
    finished.run(*command(folder, out))
    rows = pyarrow.parquet.read_table(out).to_pylist()
    alone = []
    for part in (rows[:1], rows[1:4], rows[4:]):
        words = ["pneumonia", "predict", "--model", "data/model/model.keras", "--json"]
        words += [str(folder / row["path"]) for row in part]
        status = int(any(row["status"] != "answered" for row in part))
        alone += json.loads(finished.run(*words, expect=status).stdout)
    for field in ("status", "probability", "decision", "domain_score", "reason"):
        assert [row[field] for row in rows] == [answer[field] for answer in alone]
    assert {row["status"] for row in rows} == {"answered", "refused", "unusable"}


def test_wrong_arguments_are_usage_errors(finished: Workspace, tmp_path: Path) -> None:
    for words in (
        [],
        ["--batch", "images"],
        ["--out", "a.csv"],
        ["image.png", "--batch", "images", "--out", "a.csv"],
        ["--batch", "images", "--out", "a.csv", "--overlay", "maps"],
    ):
        done = finished.run("pneumonia", "predict", *words, expect=2)
        assert "--batch IMAGES --out TABLE" in done.stderr
    assert not os.path.lexists(finished.folder / "a.csv")
