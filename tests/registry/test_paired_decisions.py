"""Both versions get the same images, and none that either was trained on."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.engine import checksums
from stages.engine.errors import InputError
from stages.engine.files import read_json, sha256_file, write_json
from stages.images.prepared_images import record_from_index
from stages.images.shard_writer import ShardWriter
from stages.images.shards import Shards, open_shards
from stages.metrics.comparison import REFUSED, Decisions, refused_images
from stages.network.domain import Domain
from stages.registry import packaging, paired_decisions
from stages.registry.opened_version import OpenedVersion
from stages.registry.paired_decisions import (
    ComparedVersion,
    PairedDecisions,
    decide,
    trained_ids,
)
from stages.sources.index import open_raw
from stages.sources.received import NamedSource, ReceivedImage, Source
from stages.sources.writer import write_raw
from tests.registry import fake, tiny

SOURCE = Source("phantom", "", "1", "none", "none", "", pinned=True, synthetic=True)
# Of four patients, two normal and two with pneumonia, another data set's model knows n1 and s1.
LIGHT, DARK = 180, 80
EVERYBODY = ("n1", "n2", "s1", "s2")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """data/raw and data/shards of four natural images; val_matched has copies of the normals."""
    images = [
        ReceivedImage(
            f"train/{who}.png",
            tiny.image(LIGHT if label else DARK),
            label,
            kind="",
            patient=who,
            split_group=who,
            source_split="train",
        ).named("phantom")
        for who, label in (("n1", 0), ("n2", 0), ("s1", 1), ("s2", 1))
    ]
    raw, shards = tmp_path / "raw", tmp_path / "shards"
    raw.mkdir()
    shards.mkdir()
    write_raw(raw, images, [NamedSource("phantom", "train", SOURCE)])
    stored, _ = open_raw(raw)
    with ShardWriter(shards, 32) as writer:
        for image in stored:
            record, grey = record_from_index(image.row), LIGHT if image.row.label else DARK
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


def version(
    number: str, trained_on_data: str, patients: frozenset[str] = frozenset()
) -> ComparedVersion:
    package = OpenedVersion(Path(number), "", sealed=True)
    return ComparedVersion(number, trained_on_data, package, lambda: patients)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """Version, input and number of images of each prediction; all predict pneumonia."""
    recorded: list[tuple[str, str, int]] = []

    def predict(source: str) -> Callable[..., Decisions]:
        def decisions(
            _: Shards, selection: Mapping[str, Any], version: ComparedVersion, *__: Any
        ) -> Decisions:
            count = sum(map(len, selection.values()))
            recorded.append((version.version, source, count))
            return np.ones(count, np.int8)

        return decisions

    monkeypatch.setattr(paired_decisions, "_decide_pixels", predict("pixels"))
    monkeypatch.setattr(paired_decisions, "_decide_files", predict("files"))
    return recorded


def decide_both(
    data: Path, challenger: ComparedVersion, champion: ComparedVersion
) -> PairedDecisions:
    return decide(challenger, champion, shards=data / "shards", raw=data / "raw")


def test_versions_of_one_data_set_are_compared_on_the_shift_validations(
    data: Path, calls: list[Any]
) -> None:
    same = digest(data)
    decisions = decide_both(data, version("2", same), version("1", same))
    assert calls == [("2", "pixels", 12), ("1", "pixels", 12)]
    assert sorted(set(decisions.paired.role)) == ["val_matched", "val_tail"]
    assert decisions.paired.patient[:3].tolist() == ["phantom/n1"] * 3
    assert decisions.images == "12 images of val_matched and val_tail, as stored in the shards"


def test_a_champion_of_other_data_gets_files_without_its_own_patients(
    data: Path, calls: list[Any]
) -> None:
    champion = version("1", "elsewhere", frozenset({"phantom/n1", "phantom/s1"}))
    decisions = decide_both(data, version("2", digest(data)), champion)
    assert calls == [("2", "pixels", 4), ("1", "files", 4)]
    assert set(decisions.paired.patient) == {"phantom/n2", "phantom/s2"}
    assert sorted(set(decisions.paired.role)) == ["val", "val_tail"]
    assert "without the patients that either was trained on" in decisions.images


def test_others_of_a_group_that_was_trained_on_are_left_out(data: Path, calls: list[Any]) -> None:
    # As person7_virus, where the champion was trained on person7_bacteria: the group is person7.
    champion = version("1", "elsewhere", frozenset({"phantom/another", "phantom/n1", "phantom/s1"}))
    records = data / "shards/records.csv"
    records.write_text(
        records.read_text().replace(",phantom/n2,phantom/n2,", ",phantom/n2,phantom/another,")
    )
    manifest = data / "shards/manifest.json"
    facts = read_json(manifest)
    facts["records"] = sha256_file(records)
    facts["digest"] = checksums.content_digest(facts)
    write_json(manifest, facts)
    decisions = decide_both(data, version("2", digest(data)), champion)
    assert set(decisions.paired.patient) == {"phantom/s2"}


def test_no_image_left_to_compare_on_is_an_error(data: Path, calls: list[Any]) -> None:
    champion = version(
        "1", "elsewhere", frozenset(f"phantom/{who}" for who in ("n1", "n2", "s1", "s2"))
    )
    with pytest.raises(InputError, match="images that versions 2 and 1 were not trained on"):
        decide_both(data, version("2", digest(data)), champion)
    assert calls == []


def test_patients_are_those_of_the_training_images(data: Path, tmp_path: Path) -> None:
    known = trained_ids(data / "shards/records.csv")
    assert known == {
        name
        for who in ("n1", "n2", "s1", "s2")
        for name in (f"phantom/{who}", f"phantom/train/{who}.png")
    }
    (tmp_path / "records.csv").write_text("id,role,patient,split_group\na,train,p,g\nb,val,q,h\n")
    assert trained_ids(tmp_path / "records.csv") == {"/p", "/g", "/a"}  # which knew no sources


@pytest.mark.parametrize(
    ("known", "seen"),
    [
        ({"lyon/1"}, {"lyon/1"}),  # of two sources, the one that is named
        ({"/1"}, {"lyon/1", "paris/1"}),  # before there were sources
        ({"archive/1"}, {"lyon/1", "paris/1"}),  # a source of another name: perhaps one of these
        ({"paris/b.png"}, {"lyon/2"}),  # known by then as another patient: fetch.same_patients
        ({"lyon/person1"}, {"lyon/1"}),  # another of the group
        ({"nantes/3", "lyon/9"}, set()),
    ],
)
def test_whom_a_version_was_trained_on_is_found_under_another_name_too(
    known: set[str], seen: set[str]
) -> None:
    records = pd.DataFrame(
        {
            "source": ["lyon", "paris", "paris"],
            "patient": ["lyon/1", "paris/1", "lyon/2"],
            "split_group": ["lyon/person1", "paris/1", "lyon/2"],
            "id": ["lyon/a.png", "paris/a.png", "paris/b.png"],
        }
    )
    assert paired_decisions._seen(records, frozenset(known)) == seen


def pack(folder: Path, domain: Domain = tiny.DOMAIN) -> OpenedVersion:
    """The package of a network of this domain."""
    tiny.make(folder / "network.keras")
    fake.write(folder / "files", model=(folder / "network.keras").read_bytes())
    domain.save(folder / "files/model/domain.npz")
    fake.write_checksums(folder / "files")
    record = fake.record(folder / "files")
    saved = packaging.save(folder / "package", record, root=fake.ROOT, lock=fake.LOCK)
    return OpenedVersion(folder / "package", saved, sealed=True)


@pytest.mark.slow
def test_pixels_and_files_give_the_packages_decisions(data: Path, tmp_path: Path) -> None:
    package = pack(tmp_path)
    versions = [
        ComparedVersion(name, of, package, frozenset)
        for name, of in (("2", digest(data)), ("1", ""))
    ]
    paired = decide_both(data, *versions).paired
    assert paired.challenger.tolist() == paired.champion.tolist() == paired.label.tolist()
    (package.folder / "artifacts/operating_point.json").write_text("{}")  # after it was checked
    with pytest.raises(InputError, match=r"version 2: .*artifacts/operating_point.json: its bytes"):
        decide_both(data, *versions)


@pytest.mark.slow
def test_what_a_version_refuses_is_refused_by_pixels_and_by_files(
    data: Path, tmp_path: Path
) -> None:
    package = pack(tmp_path, dataclasses.replace(tiny.DOMAIN, limit=50_000.0))  # 78 to 178
    versions = [
        ComparedVersion(name, of, package, frozenset)
        for name, of in (("2", digest(data)), ("1", ""))
    ]
    paired = decide_both(data, *versions).paired
    expected = [REFUSED if label else 0 for label in paired.label]
    assert paired.challenger.tolist() == paired.champion.tolist() == expected
    assert refused_images(paired) == "4 of 8 images, by the champion 4"


def test_a_package_that_fails_is_named(data: Path) -> None:
    champion = version("1", "elsewhere")
    shards = open_shards(data / "shards")
    selection = {"val": np.arange(2)}
    with pytest.raises(InputError, match="version 1: expected its decisions on 2 images"):
        paired_decisions._decide_files(shards, selection, champion, data / "raw")
