"""Several sources, through the stages as DVC starts them: roles, figures, gate, bad input."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.engine.files import read_json
from stages.images.shards import Shards, open_shards
from stages.settings import params
from tests.sample_images import encoded, paths, picture, zipped
from tests.workspace import NO_ROLES, Workspace

ROOT = Path(__file__).parents[1]


def stage(name: str, folder: Path, fetch: Mapping[str, Any], **preprocess: Any) -> str:
    """Run a stage; return what it printed, errors included."""
    tree = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    tree["fetch"] = dict(fetch)
    # So few images have no matched normals.
    tree["preprocess"] |= {"image_px": 32, "matched_donors": 0, **preprocess}
    (folder / "params.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data/roles.csv").write_text(NO_ROLES, encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-m", f"stages.{name}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{finished.stdout}\n{finished.stderr}"


def phantoms(name: str, seed: int, train: int = 24, test: int = 8, **more: Any) -> dict[str, Any]:
    drawn = {"seed": seed, "patients_train": train, "patients_test": test, "confound": 1.0}
    return {"name": name, "kind": "phantom", "phantom": drawn, **more}


def archive(folder: Path, name: str, patients: int = 12, **more: Any) -> dict[str, Any]:
    """Pictures that no other archive has, under the same names."""
    members = {path: encoded(picture(f"{name}/{path}")) for path in paths(patients)}
    zipped(folder / f"{name}.zip", members)
    return {"name": name, "kind": "archive", "path": f"{name}.zip", **more}


def built(folder: Path, *sources: Mapping[str, Any], **preprocess: Any) -> tuple[Shards, str]:
    """Fetch and preprocess; return the shards, and what both printed."""
    fetch = {"sources": list(sources)}
    printed = stage("fetch", folder, fetch) + stage("preprocess", folder, fetch, **preprocess)
    assert "error: " not in printed, printed
    return open_shards(folder / "data/shards"), printed


def roles(shards: Shards) -> dict[str, str]:
    records = shards.records
    return dict(zip(records["id"], records["role"], strict=True))


def test_two_phantom_sources_and_an_archive_make_one_data_set(tmp_path: Path) -> None:
    shards, printed = built(
        tmp_path, phantoms("paris", 1), archive(tmp_path, "lyon"), phantoms("nice", 2)
    )
    assert "lyon: 48 images from lyon.zip, sha256 " in printed
    assert "paris: " in printed
    assert "ids of patients are given by several sources" in printed  # all start at 1
    assert set(shards.records["source"]) == {"paris", "lyon", "nice"}
    assert shards.manifest["test"] == "official and cut by patient"
    for role in ("train", "val", "test"):
        assert set(shards.role(role).records["source"]) == {"paris", "lyon", "nice"}
    facts = read_json(tmp_path / "data/source.json")
    assert (facts["name"], facts["pinned"], facts["synthetic"]) == ("phantom", False, True)
    assert [each["name"] for each in facts["sources"]] == ["paris", "lyon", "nice"]
    audit = (tmp_path / "data/audit/audit.md").read_text(encoding="utf-8")
    assert "Source: paris, lyon, nice." in audit
    assert "encoding, shape, frame, source see nothing of the body" in audit


def test_a_judges_images_have_a_role_of_their_own_and_move_no_other(tmp_path: Path) -> None:
    trained = [archive(tmp_path, "lyon"), archive(tmp_path, "nice")]
    before, _ = built(tmp_path, *trained)
    judge = phantoms("paris", 1, 6, 6, use="judge")
    after, printed = built(tmp_path, *trained, judge)
    assert "external_paris: " in printed
    assert set(after.roles) == {*before.roles, "external_paris"}
    assert set(after.role("external_paris").records["source"]) == {"paris"}
    kept = {name: role for name, role in roles(after).items() if not name.startswith("paris/")}
    assert kept == roles(before)


def test_an_image_that_a_judge_has_too_is_a_leak_and_joins_no_patients(tmp_path: Path) -> None:
    lyon, paris = archive(tmp_path, "lyon"), archive(tmp_path, "paris", use="judge")
    before, _ = built(tmp_path, lyon, paris)
    names = paths()
    both = {path: encoded(picture(f"paris/{path}")) for path in names}
    # Two of Lyon's patients, as if they were in Paris.
    both[names[0]], both[names[2]] = (encoded(picture(f"lyon/{names[n]}")) for n in (0, 2))
    zipped(tmp_path / "paris.zip", both)
    fetch = {"sources": [lyon, paris]}
    stage("fetch", tmp_path, fetch)
    stopped = stage("preprocess", tmp_path, fetch)
    assert "leaks: 2 images are in a source with use: judge and in another one" in stopped
    assert f"lyon/{names[0]} = paris/{names[0]}" in stopped
    knowing = {"leaks": "warn", "label_conflicts": "warn", "shortcuts": "warn"}
    after, _ = built(tmp_path, lyon, paris, audit={**knowing, "shortcut_auroc": 0.75})
    assert roles(after) == roles(before)


def test_one_image_under_two_labels_in_two_sources_is_named_with_both(tmp_path: Path) -> None:
    lyon, paris = archive(tmp_path, "lyon"), archive(tmp_path, "paris")
    names = paths()
    members = {path: encoded(picture(f"paris/{path}")) for path in names}
    normal, ill = (next(name for name in names if kind in name) for kind in ("NORMAL", "PNEUMONIA"))
    members[ill] = encoded(picture(f"lyon/{normal}"))
    zipped(tmp_path / "paris.zip", members)
    _, printed = built(tmp_path, lyon, paris)
    conflict = f"1 image is under both labels: lyon/{normal} = paris/{ill}; one label is wrong"
    assert conflict in printed


def test_one_person_of_a_judge_and_of_training_stops(tmp_path: Path) -> None:
    (tmp_path / "same.csv").write_text("patient,same_as\nlyon/IM-0001,paris/IM-0002\n")
    lyon, paris = archive(tmp_path, "lyon"), archive(tmp_path, "paris", use="judge")
    fetch = {"sources": [lyon, paris], "same_patients": "same.csv"}
    stage("fetch", tmp_path, fetch)
    stopped = stage("preprocess", tmp_path, fetch)
    assert "expected no patient of a source with use: judge in another source" in stopped
    assert "received 1 (lyon/IM-0001 in lyon and paris): by fetch.same_patients" in stopped
    assert not (tmp_path / "data/shards").exists()
    # Two that are trained on may share a person, who is then in one role.
    fetch["sources"] = [lyon, {**paris, "use": "train"}]
    stage("fetch", tmp_path, fetch)
    stage("preprocess", tmp_path, fetch)
    records = open_shards(tmp_path / "data/shards").records
    person = records[records["patient"] == "lyon/IM-0001"]
    assert set(person["source"]) == {"lyon", "paris"}
    assert len(set(person["role"])) == 1


def test_a_source_that_goes_takes_its_images_along_and_one_that_is_gone_is_named(
    tmp_path: Path,
) -> None:
    lyon, paris = archive(tmp_path, "lyon"), archive(tmp_path, "paris")
    built(tmp_path, lyon, paris)
    index = (tmp_path / "data/raw/index.csv").read_bytes()
    (tmp_path / "paris.zip").unlink()
    stopped = stage("fetch", tmp_path, {"sources": [lyon, paris]})
    assert "error: source 'paris': fetch.path: expected a zip" in stopped
    assert (tmp_path / "data/raw/index.csv").read_bytes() == index
    alone, _ = built(tmp_path, lyon)
    assert set(alone.records["source"]) == {"lyon"}
    with (tmp_path / "data/raw/index.csv").open(newline="", encoding="utf-8") as handle:
        assert {row["source"] for row in csv.DictReader(handle)} == {"lyon"}


@pytest.fixture(scope="module")
def promoted(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A finished run on one phantom source, whose version is the champion."""
    folder = tmp_path_factory.mktemp("several") / "repository"
    shutil.copytree(finished.folder, folder, symlinks=True)
    workspace = Workspace(folder)
    workspace.run("pneumonia", "promote")
    workspace.commit()
    return workspace


def in_list_form(workspace: Workspace, *more: Mapping[str, Any]) -> None:
    path = workspace.folder / "params.yaml"
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    (first,) = params.check(tree).fetch.listed
    phantom = first.model_dump(include={"name", "kind", "phantom"})
    tree["fetch"] = {"sources": [phantom, *more]}
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")


@pytest.mark.slow
def test_a_source_and_a_judge_are_added_to_a_promoted_pipeline(promoted: Workspace) -> None:
    in_list_form(promoted)
    same = promoted.run("dvc", "repro").stdout
    assert "Running stage 'fetch'" in same
    assert "Running stage 'train'" not in same  # the same data in another form
    promoted.commit()
    in_list_form(promoted, phantoms("paris", 5), phantoms("judge", 6, 6, 12, use="judge"))
    made = promoted.run("dvc", "repro").stdout
    # Under the same name: the champion goes on answering until the gate says otherwise.
    assert "registry: pneumonia-phantom version 2" in made
    metrics = read_json(promoted.folder / "data/report/metrics.json")
    assert set(metrics) == {"test", "external_judge"}
    assert set(metrics["test"]["sources"]) == {"phantom", "paris"}
    assert "sources" not in metrics["external_judge"]
    whole, parts = metrics["test"], metrics["test"]["sources"]
    assert whole["images"] == sum(part["images"] for part in parts.values())
    validation = read_json(promoted.folder / "data/validation.json")
    assert set(validation["val"]["sources"]) == {"phantom", "paris"}
    assert "external_judge" not in validation
    point = read_json(promoted.folder / "data/model/operating_point.json")
    assert point["fitted_on"] == ["val"]
    card = promoted.text("data/report/model_card.md")
    assert "| external\\_judge |" in card or "| external_judge |" in card
    assert "another source, which no choice was made by" in card
    promoted.commit()
    outcome = promoted.run("pneumonia", "promote", expect=1).stdout
    assert "sensitivity in paris minus champion's" in outcome
    assert "too few patients, not required" in outcome
    assert "external" not in outcome
    moved = promoted.run("pneumonia", "promote", "--override", "--reason", "a test").stdout
    assert "version 2" in moved
    assert "pneumonia-phantom" in promoted.run("pneumonia", "model", "list").stdout


def test_the_sources_are_listed_with_what_has_changed(copied: Workspace) -> None:
    listed = copied.run("pneumonia", "data", "sources").stdout
    header, row, *rest = listed.splitlines()
    assert header.split("\t")[:4] == ["source", "use", "data", "images"]
    images = read_json(copied.folder / "data/source.json")["images"]
    assert row.split("\t")[:4] == ["phantom", "train", "phantom", str(images)]
    assert "train " in row
    assert "test " in row
    assert rest == ["", "As the last commit records it."]
    in_list_form(copied, phantoms("paris", 5, use="judge"))
    assert (
        "- paris: in params.yaml, not fetched yet; run `dvc repro`"
        in copied.run("pneumonia", "data", "sources").stdout
    )
    copied.run("dvc", "repro", "preprocess")
    changed = json.loads(copied.run("pneumonia", "data", "sources", "--json").stdout)
    paris = changed["sources"][1]
    assert (paris["source"], paris["use"]) == ("paris", "judge")
    assert paris["roles"] == f"external_paris {paris['images']}"
    assert changed["changes"] == [
        f"paris: new, {paris['images']} images",
        "data/raw: other files than the last commit records",
    ]
