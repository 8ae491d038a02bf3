"""Batches: a row per image, whatever is in it, and the same bytes after any interruption."""

import contextlib
import itertools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet
import pytest

from stages.engine.errors import InputError
from stages.engine.tables import read_table
from stages.serving.batches import journal as batch_journal
from stages.serving.batches import table as batch_table
from stages.serving.batches.batch import Summary, predict_batch
from stages.serving.predictor import Predictor
from tests.dicoms import dicom_file
from tests.sample_images import encoded, picture
from tests.serving.fake_detector import FakeDetector, Killed, fake_model

COUNT = 43


@pytest.fixture(autouse=True)
def _own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """COUNT images, one of them broken, and two files that are none."""
    place = tmp_path / "images"
    for number in range(COUNT - 2):
        path = place / f"{number % 3}/{number:03}.jpeg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(str(number))))
    (place / "broken.png").write_bytes(b"no image")
    (place / "lateral").write_bytes(dicom_file(picture("l"), ViewPosition="LL"))
    (place / "labels.csv").write_text("path,label\n")
    (place / ".DS_Store").write_text("x")
    return place


def run(source: Path, out: Path, detector: FakeDetector | None = None, **how: Any) -> Summary:
    return run_by(lambda: fake_model(detector), source, out, **how)


def run_by(load: Callable[[], Predictor], source: Path, out: Path, **how: Any) -> Summary:
    how = {"workers": 2, "circumstances": {"processor": "test"}, **how}
    return predict_batch(source, out, load, **how)


def rows_of(out: Path) -> list[dict[str, Any]]:
    if out.suffix == ".csv":
        with out.open(newline="", encoding="utf-8") as file:
            return list(read_table(file)[1])
    return list(pyarrow.parquet.read_table(out).to_pylist())


def beside(out: Path) -> list[str]:
    return sorted(path.name for path in out.parent.iterdir() if path.name.startswith("."))


def partial_files(out: Path) -> list[Path]:
    return list(out.with_name(f".{out.name}.partial").glob("*"))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_image_of_a_folder_gets_a_row_in_order(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / f"answers.{kind}"
    summary = run(folder, out)
    rows = rows_of(out)
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert [row["path"] for row in rows] == sorted({*names} - {"labels.csv", ".DS_Store"})
    assert summary.images == len(rows) == COUNT
    assert summary.left_out == 2
    assert sum(summary.statuses.values()) == COUNT
    assert summary.statuses["unusable"] == 1
    assert summary.statuses["refused"] > 0
    by_path = {row["path"]: row for row in rows}
    broken = by_path["broken.png"]
    assert broken["status"] == "unusable"
    assert "expected a JPEG, PNG or DICOM image" in broken["reason"]
    assert not broken["probability"]
    assert by_path["lateral"]["cautions"] == "view position LL instead of AP or PA"
    assert {row["model_digest"] for row in rows} == {"m" * 64}
    assert {(str(row["width"]), str(row["height"])) for row in rows} >= {("64", "48")}
    for row in rows:
        answered = row["status"] == "answered"
        assert bool(row["decision"]) == answered
        assert bool(row["reason"]) != answered
    assert beside(out) == []


def test_both_kinds_of_table_hold_the_same(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "a.csv")
    run(folder, tmp_path / "a.parquet")
    as_text = [
        {name: "" if cell is None else str(cell) for name, cell in row.items()}
        for row in rows_of(tmp_path / "a.parquet")
    ]
    assert as_text == rows_of(tmp_path / "a.csv")


def test_a_parquet_file_says_who_answered(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "a.parquet")
    facts = pyarrow.parquet.read_schema(tmp_path / "a.parquet").metadata[b"pneumonia"].decode()
    assert '"note": "not a diagnosis"' in facts
    assert f'"model_digest": "{"m" * 64}"' in facts
    assert '"synthetic": true' in facts


def test_rows_of_a_parquet_file_come_in_several_groups(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder, tmp_path / "whole.parquet")
    monkeypatch.setattr(batch_table, "_ROWS_PER_GROUP", 10)
    run(folder, tmp_path / "a.parquet")
    assert pyarrow.parquet.ParquetFile(tmp_path / "a.parquet").num_row_groups == 5
    assert rows_of(tmp_path / "a.parquet") == rows_of(tmp_path / "whole.parquet")


def test_the_number_of_workers_changes_no_byte(folder: Path, tmp_path: Path) -> None:
    tables = []
    for workers in (1, 2, 5):
        out = tmp_path / f"{workers}.parquet"
        run(folder, out, workers=workers)
        tables.append(out.read_bytes())
    assert len({*tables}) == 1


def test_few_images_are_in_memory(tmp_path: Path, folder: Path) -> None:
    class Counting(FakeDetector):
        ahead = most = 0

        def prepare(self, image: bytes) -> Any:
            self.ahead += 1
            self.most = max(self.most, self.ahead)
            return super().prepare(image)

        def answer(self, pixels: Any) -> Any:
            time.sleep(0.2 if self.ahead == self.most else 0)  # they may run ahead
            self.ahead -= len(pixels)
            return super().answer(pixels)

    for number in range(400):
        (folder / f"more-{number}.jpeg").write_bytes(encoded(picture("0")))
    detector = Counting()
    run(folder, tmp_path / "a.csv", detector)
    assert detector.most <= 8 * 16 + 1  # one image is broken, and never answered


# Interruptions


def test_killed_at_any_answer_it_continues_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for kind in ("csv", "parquet"):
        whole = tmp_path / f"whole.{kind}"
        run(folder, whole)
        for call in range(-(-COUNT // 8)):
            out = tmp_path / f"{call}.{kind}"
            first, second = FakeDetector(killed_at=call), FakeDetector()
            with pytest.raises(Killed):
                run(folder, out, first)
            assert not out.exists()
            run(folder, out, second)
            assert out.read_bytes() == whole.read_bytes()
            assert first.seen + second.seen == COUNT - 1  # no image was answered twice
            assert beside(out) == []


def test_killed_again_and_again_it_ends(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "whole.csv")
    for _ in range(5):
        with pytest.raises(Killed):
            run(folder, tmp_path / "a.csv", FakeDetector(killed_at=1))
    run(folder, tmp_path / "a.csv", FakeDetector(killed_at=1))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize("tail", [b"", b"x", b"\0" * 4096, b"\n", b'00000000 ["a"]\n'])
def test_rows_that_were_cut_or_corrupted_are_computed_again(
    folder: Path, tmp_path: Path, tail: bytes
) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "a.csv"
    run(folder, whole)
    rows = tmp_path / ".a.csv.partial/rows.jsonl"
    for place in range(0, 3500, 499):
        with pytest.raises(Killed):
            run(folder, out, FakeDetector(killed_at=4))
        data = rows.read_bytes()
        assert len(data) > 3500
        rows.write_bytes(data[:place] + tail + (data[place:] if tail == b"x" else b""))
        run(folder, out)
        assert out.read_bytes() == whole.read_bytes()
        out.unlink()


class _Changes:
    """Raises Killed at the nth change of a file below a folder, and at every later one."""

    def __init__(self) -> None:
        self.folder, self.left, self.seen = "", 0, 0
        sys.addaudithook(self._on_event)

    def watch(self, folder: Path, left: int) -> None:
        self.folder, self.left, self.seen = f"{folder}{os.sep}", left, 0

    def stop(self) -> None:
        self.folder = ""

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.folder:
            return
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            path = arguments[0]
        else:
            return
        if not isinstance(path, str | os.PathLike) or not os.fspath(path).startswith(self.folder):
            return
        self.seen += 1
        if self.seen > self.left:
            raise Killed


CHANGES = _Changes()


@pytest.mark.parametrize("how", ["new", "forced"])
def test_killed_before_any_change_of_a_file_it_continues_to_the_same_bytes(
    folder: Path, tmp_path: Path, how: str
) -> None:
    whole = tmp_path / "whole.parquet"
    run(folder, whole)
    kills = 0
    for number in itertools.count():
        out = tmp_path / f"{how}/{number}/a.parquet"
        out.parent.mkdir(parents=True)
        if how == "forced":
            out.write_bytes(b"old")
        CHANGES.watch(out.parent, number)
        try:
            run(folder, out, force=how == "forced")
        except Killed:
            kills += 1
        else:
            break
        finally:
            CHANGES.stop()
        if how == "forced":
            assert out.read_bytes() in (b"old", whole.read_bytes())
        else:
            assert not out.exists() or out.read_bytes() == whole.read_bytes()
        # All that is left may be an empty folder to remove.
        ended = pytest.raises(InputError, match="there is a table already")
        with (
            ended
            if how == "new" and out.exists() and not partial_files(out)
            else contextlib.nullcontext()
        ):
            run(folder, out, force=how == "forced")
        assert out.read_bytes() == whole.read_bytes()
        assert beside(out) == []
    assert kills >= 9


def test_a_batch_of_other_images_or_another_model_is_not_continued(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.csv"

    def other() -> Predictor:
        return fake_model(digest="n" * 64)

    with pytest.raises(Killed):
        run(folder, out, FakeDetector(killed_at=2))
    with pytest.raises(InputError, match=r"model_digest: m+ then, n+ now\); .* --restart"):
        run_by(other, folder, out)
    os.utime(folder / "0/000.jpeg", ns=(1, 1))
    with pytest.raises(InputError, match=rf"images: {COUNT}, \w+ then, {COUNT}, \w+ now"):
        run(folder, out)
    summary = run_by(other, folder, out, restart=True)
    assert summary.images == COUNT
    assert {row["model_digest"] for row in rows_of(out)} == {"n" * 64}


def test_a_table_that_is_there_is_replaced_only_by_force(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    out.write_text("mine")
    loaded: list[int] = []

    def load() -> Predictor:
        loaded.append(1)
        return fake_model()

    for how in ({}, {"restart": True}):
        with pytest.raises(InputError, match=r"a\.csv: there is a table already; .* --force"):
            run_by(load, folder, out, **how)
    assert not loaded  # it fails before the model is loaded, which takes long
    assert out.read_text() == "mine"
    with pytest.raises(Killed):
        run(folder, out, FakeDetector(killed_at=2), force=True)
    assert out.read_text() == "mine"
    with pytest.raises(InputError, match="there is a table already"):
        run(folder, out)
    run(folder, out, force=True)
    assert len(rows_of(out)) == COUNT


def test_a_table_that_appears_meanwhile_is_kept(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"

    class Writing(FakeDetector):
        def answer(self, pixels: Any) -> Any:
            out.write_text("mine")
            return super().answer(pixels)

    with pytest.raises(InputError, match="there is a table already"):
        run(folder, out, Writing())
    assert out.read_text() == "mine"


def test_two_batches_at_once_on_one_table(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    messages: list[str] = []

    class Second(FakeDetector):
        def answer(self, pixels: Any) -> Any:
            with pytest.raises(InputError) as error:
                run(folder, Path(os.path.relpath(out)))
            messages.append(str(error.value))
            return super().answer(pixels)

    run(folder, out, Second())
    assert len(rows_of(out)) == COUNT
    assert len(messages) == 6
    assert "another process is writing it" in messages[0]


def test_a_folder_that_another_user_may_have_prepared_is_not_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a.csv"
    planted, mine = tmp_path / ".a.csv.partial", tmp_path / "mine"
    mine.mkdir()
    planted.symlink_to(mine)
    with pytest.raises(InputError, match=r"\.a\.csv\.partial: expected a folder of your own"):
        run(folder, out)
    planted.unlink()
    with pytest.raises(Killed):
        run(folder, out, FakeDetector(killed_at=2))
    assert planted.stat().st_mode & 0o077 == 0
    with monkeypatch.context() as patched:
        other = SimpleNamespace(geteuid=lambda: planted.stat().st_uid + 1)
        patched.setattr("stages.serving.batches.journal.os", other)
        with pytest.raises(InputError, match=r"\.partial: expected a folder of your own"):
            run(folder, out)
    run(folder, out)
    assert len(rows_of(out)) == COUNT


@pytest.mark.parametrize("place", ["rows", "table"])
def test_a_full_disk_is_named_and_nothing_is_lost(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    run(folder, tmp_path / "whole.csv")
    out = tmp_path / "a.csv"
    full = Path("/dev/full")
    with pytest.raises(Killed):
        run(folder, out, FakeDetector(killed_at=2))
    with monkeypatch.context() as patched:
        if place == "rows":
            patched.setattr(batch_journal.BatchJournal, "appender", lambda _: full.open("ab"))
        else:
            (tmp_path / ".a.csv.partial/table").symlink_to(full)
        with pytest.raises(OSError, match="No space left on device") as error:
            run(folder, out)
    assert error.value.filename == str(out)
    assert not out.exists()
    (tmp_path / ".a.csv.partial/table").unlink(missing_ok=True)
    run(folder, out)
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize("name", ["answers", "answers.xlsx", "answers.csv.gz"])
def test_a_table_of_another_kind_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"expected a name that ends in \.parquet or \.csv"):
        run(folder, tmp_path / name)
    assert beside(tmp_path / name) == []


def test_a_folder_is_not_replaced_by_a_table(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(InputError, match=r"a\.csv: expected a table, found a folder"):
        run(folder, tmp_path / "a.csv", force=True)
