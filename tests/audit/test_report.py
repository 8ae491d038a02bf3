"""The audit as a whole: the files that preprocess writes, when it stops, the command."""

import json
import re
from pathlib import Path

import pytest

from stages.audit import report
from stages.audit.collector import Collector
from stages.commands import main
from stages.engine.errors import InputError
from stages.engine.files import read_json, sha256_file
from stages.images.build import BuildResult, build_shards
from stages.images.options import AuditOptions, PreprocessOptions
from stages.images.shards import open_shards
from stages.sources.index import open_raw
from tests.sample_images import encoded, options, paths, picture, raw, zipped
from tests.workspace import ROOT, copy_tree

# An official test split of other patients.
WITH_TEST = [re.sub(r"(IM-|person)", r"\g<1>9", path) for path in paths(3, "test")] + paths()
TEST_IMAGE = "test/NORMAL/IM-90001-0001.jpeg"
TRAIN_IMAGE = "train/NORMAL/IM-0002-0001.jpeg"
# The same image, saved again and a little brighter.
LEAK = {TEST_IMAGE: encoded(picture(TRAIN_IMAGE) // 2 + 60, quality=60)}
LENIENT = AuditOptions(leaks="warn", label_conflicts="warn", shortcuts="warn", shortcut_auroc=0.75)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def audited(
    names: list[str],
    broken: dict[str, bytes] | None = None,
    params: PreprocessOptions | None = None,
    workers: int = 1,
) -> BuildResult:
    params = params or options()
    images, source = open_raw(raw(Path("data/raw"), names, broken))
    folder = Path("data/shards")
    collected = Collector()
    return build_shards(
        images,
        params,
        folder,
        workers=workers,
        on_image=collected.add,
        approve=lambda built: report.write_report(
            built, collected, source, params, Path("data/audit"), classes=("intact", "fracture")
        ),
    )


def digests() -> dict[str, str]:
    return {path.name: sha256_file(path) for path in sorted(Path("data/audit").iterdir())}


def test_the_report_is_complete_and_the_same_with_any_number_of_workers() -> None:
    params = options(tail_fraction=0.2)
    audited(paths(), {paths()[0]: b"broken"}, params)
    before = digests()
    assert set(before) == {
        "findings.json",
        "audit.md",
        "contact.png",
        "means.png",
        "unreadable.csv",
    }
    content = read_json(Path("data/audit/findings.json"))
    assert content["data"] == read_json(Path("data/shards/manifest.json"))["digest"]
    assert set(content["roles"]) == set(content["probes"]) == {"train", "val", "test", "val_tail"}
    assert [image["path"] for image in content["unreadable"]] == [paths()[0]]
    assert set(content["grey_levels"]) == set(content["roles"])
    assert "IM-0001-0001.jpeg`: expected a JPEG" in Path("data/audit/audit.md").read_text()
    audited(paths(), {paths()[0]: b"broken"}, params, workers=4)
    assert digests() == before


def test_patients_who_share_an_image_are_kept_together(capsys: pytest.CaptureFixture[str]) -> None:
    # An image of each of the patients 6 to 10 is one of a patient from 1 to 5, saved again.
    name = "train/NORMAL/IM-{:04d}-0001.jpeg".format
    pairs = [(name(number), name(number + 5)) for number in range(1, 6)]
    broken = {b: encoded(picture(a), quality=40) for a, b in pairs}
    built = audited(paths(), broken)
    records = open_shards(Path("data/shards")).records.set_index("id")
    for one, twin in pairs:
        assert records["role"][one] == records["role"][twin]
        assert records["split_group"][one] == records["split_group"][twin]
    assert built.merged_groups == 5
    assert "none of them across roles" in capsys.readouterr().out


def test_a_leak_stops_with_a_report_and_keeps_the_earlier_shards(
    capsys: pytest.CaptureFixture[str],
) -> None:
    audited(WITH_TEST)
    before = {path.name: sha256_file(path) for path in Path("data/shards").iterdir()}
    with pytest.raises(InputError, match="1 image is on both sides of a split") as error:
        audited(WITH_TEST, LEAK)
    assert TRAIN_IMAGE in str(error.value)
    assert {p.name: sha256_file(p) for p in Path("data/shards").iterdir()} == before
    assert sorted(p.name for p in Path("data").iterdir()) == ["audit", "raw", "shards"]
    findings = read_json(Path("data/audit/findings.json"))["findings"]
    (finding,) = [each for each in findings if each["level"] == "stop"]
    assert finding["name"] == "leaks"
    # With a warning instead, the shards are written; their digest does not depend on the level.
    capsys.readouterr()
    warned = audited(WITH_TEST, LEAK, options(audit=LENIENT))
    assert "audit: WARN (leaks): 1 image is" in capsys.readouterr().out
    ignored = audited(
        WITH_TEST,
        LEAK,
        options(
            audit=AuditOptions(
                leaks="ignore", label_conflicts="warn", shortcuts="warn", shortcut_auroc=0.5
            )
        ),
    )
    assert warned.manifest["digest"] == ignored.manifest["digest"]


def test_the_command_prints_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    Path("params.yaml").write_text((ROOT / "params.yaml").read_text())
    assert main.main(["data", "audit"]) == 1
    assert "data/audit/findings.json: expected a file, found none" in capsys.readouterr().err
    audited(paths())
    capsys.readouterr()
    assert main.main(["data", "audit"]) == 0
    printed = capsys.readouterr()
    assert printed.out == Path("data/audit/audit.md").read_text()
    assert not printed.err
    Path("data/shards/manifest.json").write_text(json.dumps({"digest": "other"}))
    assert main.main(["data", "audit", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["format"] == 3
    assert "does not hold the images of this audit" in printed.err


@pytest.mark.slow
def test_a_leak_stops_the_pipeline_until_a_param_allows_it(tmp_path: Path) -> None:
    workspace = copy_tree(tmp_path / "repository")
    images = {name: encoded(picture(name)) for name in WITH_TEST} | LEAK
    zipped(tmp_path / "images.zip", {f"set/{name}": data for name, data in images.items()})
    workspace.params({"fetch.source": "archive", "fetch.path": "../images.zip"})
    stopped = workspace.run("dvc", "repro", "preprocess", expect=255)
    assert "error: data/raw: the audit stops here" in stopped.stderr
    assert not (workspace.folder / "data/shards").exists()
    assert "1 image is on both sides" in workspace.run("pneumonia", "data", "audit").stdout
    status = workspace.run("git", "status", "--porcelain", "--untracked-files=all").stdout
    assert "data/audit" not in status
    workspace.params({"preprocess.audit.leaks": "warn"})
    assert "WARN (leaks)" in workspace.run("dvc", "repro", "preprocess").stdout
    assert (workspace.folder / "data/shards/manifest.json").exists()
    plots = tmp_path / "plots"
    workspace.run("dvc", "plots", "show", "--out", str(plots))
    assert "data_audit_means.png" in (plots / "index.html").read_text(encoding="utf-8")
