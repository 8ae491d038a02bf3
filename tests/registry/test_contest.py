"""Both versions are asked for the same images, and for none that either learned from."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.images.prepared import record_of
from stages.images.shards import Shards, ShardWriter, open_shards
from stages.registry import contest
from stages.registry.contest import Entrant, hold
from stages.sources.index import open_raw
from stages.sources.received import ReceivedImage, Source
from stages.sources.writer import write_raw
from tests.registry import fake, tiny

SOURCE = Source("phantom", "", "1", "none", "none", "", pinned=True, synthetic=True)
# Four patients: two normal, two sick; n1 and s1 were known to another data set's model.
LIGHT, DARK = 200, 60


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """data/raw and data/shards of four natural images, val_matched with copies of the normals."""
    images = [
        ReceivedImage(
            f"train/{who}.png", tiny.image(LIGHT if label else DARK), label, "", who, who, "train"
        )
        for who, label in (("n1", 0), ("n2", 0), ("s1", 1), ("s2", 1))
    ]
    raw, shards = tmp_path / "raw", tmp_path / "shards"
    raw.mkdir()
    shards.mkdir()
    write_raw(raw, images, SOURCE)
    stored, _ = open_raw(raw)
    with ShardWriter(shards, 32) as writer:
        for image in stored:
            record, grey = record_of(image.row), LIGHT if image.row.label else DARK
            pixels = np.full((32, 32), grey, np.uint8)
            for role in ("train", "val", "val_tail"):
                writer.add(role, record, pixels)
            for copy in range(1 if image.row.label else 3):
                copied = dataclasses.replace(record, id=f"{record.id}#{copy}")
                writer.add("val_matched", record if image.row.label else copied, pixels)
        writer.finish({"options": {}, "source": {}, "test": "cut by patient", "unreadable": 0})
    return tmp_path


def digest(data: Path) -> str:
    return str(open_shards(data / "shards").manifest["digest"])


def entrant(version: str, of: str, known: frozenset[str] = frozenset()) -> Entrant:
    return Entrant(version, "", of, Path(version), lambda: known)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """Who was asked on which road for how many images; all are called pneumonia."""
    heard: list[tuple[str, str, int]] = []

    def road(name: str) -> Any:
        def answer(_: Shards, images: Mapping[str, Any], who: Entrant, *__: Any) -> Any:
            count = sum(map(len, images.values()))
            heard.append((who.version, name, count))
            return np.ones(count, bool)

        return answer

    monkeypatch.setattr(contest, "check", lambda *_: None)
    monkeypatch.setattr(contest, "_by_shards", road("shards"))
    monkeypatch.setattr(contest, "_by_bytes", road("bytes"))
    return heard


def both(data: Path, challenger: Entrant, champion: Entrant) -> contest.Contest:
    return hold(challenger, champion, shards=data / "shards", raw=data / "raw")


def test_on_one_data_set_they_meet_on_the_shift_validations(data: Path, asked: list[Any]) -> None:
    same = digest(data)
    told = both(data, entrant("2", same), entrant("1", same))
    assert asked == [("2", "shards", 12), ("1", "shards", 12)]
    assert sorted(set(told.paired.role)) == ["val_matched", "val_tail"]
    assert told.paired.patient[:3].tolist() == ["n1"] * 3
    assert told.images == "12 images of val_matched and val_tail, as they lie in the shards"


def test_a_champion_of_other_data_is_asked_for_bytes_less_its_patients(
    data: Path, asked: list[Any]
) -> None:
    champion = entrant("1", "elsewhere", frozenset({"n1", "s1"}))
    told = both(data, entrant("2", digest(data)), champion)
    assert asked == [("2", "shards", 4), ("1", "bytes", 4)]
    assert set(told.paired.patient) == {"n2", "s2"}
    assert sorted(set(told.paired.role)) == ["val", "val_tail"]
    assert "less the patients that either was trained on" in told.images


def test_where_no_image_is_left_it_says_so(data: Path, asked: list[Any]) -> None:
    champion = entrant("1", "elsewhere", frozenset({"n1", "n2", "s1", "s2"}))
    with pytest.raises(InputError, match="images that versions 2 and 1 were not trained on"):
        both(data, entrant("2", digest(data)), champion)
    assert asked == []


def test_patients_are_those_of_the_training_images(data: Path, tmp_path: Path) -> None:
    assert contest.patients_of(data / "shards/records.csv") == {"n1", "n2", "s1", "s2"}
    (tmp_path / "records.csv").write_text("id,role,patient\na,train,p\nb,val,q\n")
    assert contest.patients_of(tmp_path / "records.csv") == {"p"}


BOTH_ROADS = """
import json, sys
from pathlib import Path
from stages.engine.errors import InputError
from stages.registry import contest, packaged
from tests.registry import fake, test_contest, tiny

data, files = Path(sys.argv[1]), Path(sys.argv[2])
tiny.make(data / "network.keras")
fake.write(files, model=(data / "network.keras").read_bytes())
packaged.save(data / "package", fake.record(files), root=fake.ROOT, lock=fake.LOCK)
here = test_contest.digest(data)
entrants = [
    contest.Entrant(name, fake.record(files).model, of, data / "package", frozenset)
    for name, of in (("2", here), ("1", "x"))
]
told = contest.hold(*entrants, shards=data / "shards", raw=data / "raw").paired
(data / "package/artifacts/operating_point.json").write_text("{}")  # by hand
try:
    contest.hold(*entrants, shards=data / "shards", raw=data / "raw")
    said = "nothing"
except InputError as error:
    said = str(error)
print(json.dumps([said, told.label.tolist(), told.challenger.tolist(), told.champion.tolist()]))
"""


@pytest.mark.slow
def test_both_roads_answer_by_the_package(data: Path, tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BOTH_ROADS, str(data), str(tmp_path / "files")],
        capture_output=True, text=True, check=False, cwd=fake.ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    refused, label, by_shards, by_bytes = json.loads(said.stdout.splitlines()[-1])
    assert "expected the model" in refused
    assert by_shards == by_bytes == [bool(one) for one in label]


def test_a_package_that_fails_is_named(data: Path) -> None:
    champion = entrant("1", "elsewhere")
    here = open_shards(data / "shards")
    images = {"val": np.arange(2)}
    with pytest.raises(InputError, match="version 1: expected its decisions on 2 images"):
        contest._by_bytes(here, images, champion, data / "raw")
