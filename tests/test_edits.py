"""What each kind of edit makes `dvc repro` run again: a table, tried on a small repository.

Every row copies a repository whose pipeline has run, edits and commits it, then runs the pipeline
and compares five things: the stages that ran, the optimisation steps of training, the files in git
that changed, and whether MLflow got a new run and a new version. `inputs` and `register` run
always.
"""

import dataclasses
import io
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from PIL import Image

from stages.images.frozen_roles import FrozenRoles, read_frozen_roles
from stages.images.role_names import TRAIN, VAL
from tests.edits import (
    Edit,
    Effect,
    add_import,
    all_of,
    append,
    clone_and_pull,
    comment,
    copy_with_neighbours,
    measure,
    replace,
    run_digests,
    set_params,
    steps_per_epoch,
    version_digests,
)
from tests.workspace import ROOT, SMALL, Workspace, copy_tree

LOCK = "dvc.lock"
FIGURES = ("data/report/metrics.json", "data/validation.json")
RELEASE = "data/release.json"
INPUTS = "data/inputs.json"
SOURCE = "data/source.json"


@dataclass(frozen=True)
class Expected:
    """What the pipeline must do after an edit.

    Attributes:
        runs: the stages that run between `inputs` and `register`.
        changes: files in git that the pipeline changes, beside the edit itself.
        trains: whether training makes all its steps; otherwise it makes none.
        new_run: whether MLflow gets a run that it did not have.
        new_version: whether MLflow gets a version that it did not have.
    """

    runs: str = ""
    changes: tuple[str, ...] = ()
    trains: bool = False
    new_run: bool = False
    new_version: bool = False


@dataclass(frozen=True)
class Row:
    """An edit and what it must cause.

    Attributes:
        edit: its name.
        make: makes it in a repository.
        expected: what the pipeline does then.
        archive: whether the images come from an archive beside the repository, not from phantoms.
    """

    edit: str
    make: Edit
    expected: Expected
    archive: bool = False


def nothing(workspace: Workspace) -> None:
    """No edit."""


def pin(workspace: Workspace) -> None:
    workspace.run("pneumonia", "data", "pin", "../images.zip")


def rename_archive(workspace: Workspace) -> None:
    folder = workspace.folder.parent / "elsewhere"
    folder.mkdir()
    shutil.move(workspace.folder.parent / "images.zip", folder / "renamed.zip")
    workspace.params({"fetch.path": "../elsewhere/renamed.zip"})


def invert_one_image(workspace: Workspace) -> None:
    """Invert the grey levels of one training image of the archive; names and params stay."""
    archive = workspace.folder.parent / "images.zip"
    edited = archive.with_name("edited.zip")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(edited, "w") as new:
        chosen = next(name for name in old.namelist() if "train" in name.split("/"))
        for member in old.infolist():
            data = old.read(member)
            if member.filename == chosen:
                image = Image.open(io.BytesIO(data))
                buffer = io.BytesIO()
                image.point(lambda grey: 255 - grey).save(buffer, image.format)
                data = buffer.getvalue()
            new.writestr(member, data)
    edited.replace(archive)


def delete_archive(workspace: Workspace) -> None:
    (workspace.folder.parent / "images.zip").unlink()


def promote(workspace: Workspace) -> None:
    """Promote version 1, which freezes the roles, or freeze them where another test did."""
    workspace.run("pneumonia", "promote", "1")


def freeze_in_another_role(workspace: Workspace) -> None:
    """Write data/roles.csv with one group of train in val, as if it had been promoted there."""
    path = workspace.folder / "data/roles.csv"
    entries = dict(read_frozen_roles(path).entries)
    group = min(group for group, entry in entries.items() if entry.role == TRAIN)
    FrozenRoles({**entries, group: entries[group]._replace(role=VAL)}).write(path)


FROZEN_ROLE = all_of(promote, freeze_in_another_role)
AFTER_A_RUN = (promote, FROZEN_ROLE)
"""Edits of what a run leaves."""


def list_sources(*more: tuple[str, str, int]) -> Edit:
    """An edit that lists the phantoms as a source, and `more` cohorts by name, use and seed."""

    def edit(workspace: Workspace) -> None:
        path = workspace.folder / "params.yaml"
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        phantom = tree["fetch"]["phantom"]
        sources = [("phantom", "train", phantom["seed"]), *more]
        tree["fetch"] = {
            "sources": [
                {"name": name, "kind": "phantom", "use": use, "phantom": {**phantom, "seed": seed}}
                for name, use, seed in sources
            ]
        }
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")

    return edit


RULE_COMMENT = comment("stages/registry/options.py")
RULE_VALUE = set_params(register__rule__draws=1000)
WORDS = set_params(task__population="Adults of two hospitals.", task__title="haze in X-rays")
CLASSES = set_params(task__classes=["clear", "hazy"])
RULE_CODE = append("stages/registry/gate.py", "\nUNUSED = 1\n")
CARD_TEXT = replace("stages/metrics/pages/card.py", "# Model card", "# Card of the model")
AUDIT_TEXT = replace("stages/audit/page.py", "# Audit of", "# An audit of")
DICOM_COMMENT = comment("stages/images/dicom.py")
DICOM_CODE = append("stages/images/dicom.py", "\nUNUSED = 1\n")
ENTRY_COMMENT = comment("stages/registry/pyfunc_model.py")
ENTRY_CODE = append("stages/registry/pyfunc_model.py", "\nUNUSED = 1\n")
CHECK_CODE = append("stages/registry/sealed_package.py", "\nUNUSED = 1\n")
REFUSED_SHARE = set_params(train__refused_share=0.2)
DECISION_SHARE = set_params(train__decision_sensitivity=0.8)
AUGMENT_COMMENT = comment("stages/network/augment.py")
AUGMENT_CODE = replace("stages/network/augment.py", r"0\.05 \+ ", "0.06 + ")
LOOP_CODE = replace("stages/network/step.py", "smoothing / 2", "smoothing / 3")
MODEL_CODE = replace("stages/network/model.py", "epsilon=1e-4", "epsilon=2e-4")
OPTIMISER_CODE = replace("stages/network/step.py", r"bias\|gamma\|", "bias|")
SPLIT_RULE = replace("stages/images/splits.py", "{salt}/{name}", "{salt}:{name}")
NUMPY = replace("requirements.lock", r"^numpy==\S+", "numpy==2.4.0")
RUFF = replace("requirements-dev.lock", r"^ruff==\S+", "ruff==0.0.1")
NEW_SOURCE = all_of(
    append("stages/sources/flat.py", '"""Images in one flat folder."""\n\nNAME = "flat"\n'),
    replace("stages/sources/options.py", '"kermany"', '"flat", "kermany"'),
    add_import("stages/fetch.py", "from stages.sources import flat as flat"),
)
NEW_COMMAND = all_of(
    append("stages/commands/greet.py", '"""A greeting."""\n\nGREETING = "hello"\n'),
    add_import("stages/commands/main.py", "from stages.commands import greet as greet"),
)
PLOT = (
    "  - Learning rate:\n      x: epoch\n      y:\n        data/model/history.csv: learning_rate\n"
)
PIN = "example-driver==1.0 \\\n    --hash=sha256:" + 64 * "0" + "\n"

ALL = "fetch preprocess train evaluate"
NOTHING = Expected()
EVALUATES = Expected("evaluate", (LOCK,))
PREPROCESSES = Expected("preprocess", (LOCK,))
READS_ANEW = Expected("preprocess evaluate", (LOCK,))
"""Image files are read by preprocess, and by evaluate for the probe of a version."""
REWORDS = Expected("evaluate", (LOCK, INPUTS))
RENAMES_CLASSES = Expected("preprocess evaluate", (LOCK, INPUTS))
"""The audit, the plots and the card are written again, of the same shards and model."""
FETCHES = Expected("fetch", (LOCK,))
PINS_SOURCE = Expected("fetch preprocess evaluate", (LOCK, RELEASE, SOURCE))
"""data/source.json and data/release.json record that the source is pinned."""
NAMES_SOURCE_ANEW = Expected("fetch preprocess evaluate", (LOCK, SOURCE))
RESUMES_TRAINING = Expected("train", (LOCK,))
"""The stage runs, finds its finished checkpoints, and writes the same bytes."""
REPEATS_TRAINING = Expected("train", (LOCK,), trains=True)
"""The checkpoints are gone: the same training is made again, with the same bytes and no new run."""
TRAINS = Expected(
    "train evaluate", (LOCK, RELEASE, *FIGURES), trains=True, new_run=True, new_version=True
)
ANSWERS_ANEW = Expected(changes=(LOCK, RELEASE), new_version=True)
"""What a version answers with is another code: data/release.json has another model digest."""
REFUSES_OTHERS = dataclasses.replace(TRAINS, trains=False)
"""The weights stay; what is frozen with them and the figures do not."""
ADDS_SOURCE = dataclasses.replace(
    TRAINS, runs=ALL, changes=(LOCK, RELEASE, *FIGURES, INPUTS, SOURCE)
)

ROWS = [
    Row("nothing", nothing, NOTHING),
    # What no stage between inputs and register reads.
    Row("gate rule: a comment", RULE_COMMENT, NOTHING),
    Row("gate rule: a value", RULE_VALUE, Expected(changes=(LOCK,))),
    Row("gate rule: code", RULE_CODE, NOTHING),
    Row("a new command", NEW_COMMAND, NOTHING),
    Row("what MLflow loads a version by: a comment", ENTRY_COMMENT, NOTHING),
    Row("what MLflow loads a version by: code", ENTRY_CODE, ANSWERS_ANEW),
    Row("the check of a version's files", CHECK_CODE, NOTHING),
    Row("documentation", append("docs/data.md", "\nOne more sentence.\n"), NOTHING),
    Row("a new plot", append("dvc.yaml", PLOT), NOTHING),
    Row("the version of ruff", RUFF, NOTHING),
    Row("a pin more in an extra", append("requirements-s3.lock", PIN), NOTHING),
    # What is read, and gives the same data or only other text.
    Row("text of the model card", CARD_TEXT, EVALUATES),
    Row("text of the audit's page", AUDIT_TEXT, PREPROCESSES),
    Row("words of the section task", WORDS, REWORDS),
    Row("names of the classes", CLASSES, RENAMES_CLASSES),
    Row("DICOM decoder: a comment", DICOM_COMMENT, READS_ANEW),
    Row(
        "DICOM decoder: code, equal pixels",
        DICOM_CODE,
        dataclasses.replace(ANSWERS_ANEW, runs="preprocess evaluate"),
    ),
    Row("a new source", NEW_SOURCE, FETCHES),
    Row("a promotion, which freezes the roles", promote, PREPROCESSES),
    Row("the source as a list of one", list_sources(), FETCHES),
    Row("pinning the archive", pin, PINS_SOURCE, archive=True),
    Row("a renamed archive", rename_archive, NAMES_SOURCE_ANEW, archive=True),
    Row("a comment in a file of training", AUGMENT_COMMENT, RESUMES_TRAINING),
    # What changes the model.
    Row("the share that is refused", REFUSED_SHARE, REFUSES_OTHERS),
    Row("the share that the decision finds", DECISION_SHARE, REFUSES_OTHERS),
    Row("augmentation", AUGMENT_CODE, TRAINS),
    Row("training loop", LOOP_CODE, TRAINS),
    Row("model", MODEL_CODE, TRAINS),
    Row("optimiser", OPTIMISER_CODE, TRAINS),
    Row("split rule", SPLIT_RULE, dataclasses.replace(TRAINS, runs="preprocess train evaluate")),
    Row(
        "a frozen role", FROZEN_ROLE, dataclasses.replace(TRAINS, runs="preprocess train evaluate")
    ),
    Row("the version of NumPy", NUMPY, Expected(ALL, (LOCK, RELEASE), trains=True, new_run=True)),
    Row("a second source", list_sources(("paris", "train", 5)), ADDS_SOURCE),
    Row(
        "a source that only judges",
        list_sources(("paris", "judge", 5)),
        dataclasses.replace(ADDS_SOURCE, changes=(LOCK, RELEASE, INPUTS, SOURCE, FIGURES[0])),
    ),
    Row(
        "one image of the archive",
        invert_one_image,
        dataclasses.replace(TRAINS, runs=ALL, changes=(*TRAINS.changes, INPUTS, SOURCE)),
        archive=True,
    ),
]

IN_A_CLONE = [
    Row("nothing", nothing, NOTHING),
    Row("gate rule: a comment", RULE_COMMENT, NOTHING),
    Row("text of the model card", CARD_TEXT, EVALUATES),
    Row("the version of ruff", RUFF, NOTHING),
    Row("augmentation", AUGMENT_CODE, TRAINS),
    Row("the archive isn't there", delete_archive, NOTHING, archive=True),
]
"""Rows for a fresh clone that pulled. Its store is empty: the run that it shows is no new one."""

WITHOUT_CACHES = [
    Row("nothing", nothing, NOTHING),
    Row("gate rule: a comment", RULE_COMMENT, NOTHING),
    Row("text of the model card", CARD_TEXT, EVALUATES),
    Row("a comment in a file of training", AUGMENT_COMMENT, REPEATS_TRAINING),
]
"""Rows after `make clean`."""

IN_AN_EXPERIMENT = [
    Row("nothing", nothing, NOTHING),
    Row("gate rule: a comment", RULE_COMMENT, NOTHING),
    Row("text of the model card", CARD_TEXT, dataclasses.replace(EVALUATES, changes=())),
    Row("augmentation", AUGMENT_CODE, dataclasses.replace(TRAINS, changes=())),
]
"""Rows for `dvc exp run --temp`, which changes nothing in the repository itself."""


@pytest.fixture(scope="module")
def phantoms(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A finished run on phantoms, pushed to a remote beside the repository."""
    folder = tmp_path_factory.mktemp("phantoms") / "neighbours"
    folder.mkdir()
    shutil.copytree(finished.folder, folder / "repository", symlinks=True)
    workspace = Workspace(folder / "repository")
    workspace.run("dvc", "remote", "add", "--default", "store", "../remote")
    workspace.commit()
    workspace.run("dvc", "push")
    return workspace


@pytest.fixture(scope="module")
def archived(phantoms: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A finished run on an archive beside the repository, not pinned, pushed as well."""
    workspace = copy_with_neighbours(phantoms, tmp_path_factory.mktemp("archived") / "neighbours")
    shutil.copy(workspace.folder / "data/raw/images.zip", workspace.folder.parent)
    workspace.params({"fetch.source": "archive", "fetch.path": "../images.zip"})
    workspace.run("dvc", "repro")
    workspace.commit()
    workspace.run("dvc", "push")
    return workspace


def names(rows: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.edit)


def table(rows: list[Row]) -> str:
    """The rows as the table in docs/reproducibility.md."""
    lines = [
        "| Edit | Stages between `inputs` and `register` | Training | Run in MLflow | Version |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        wanted = row.expected
        lines.append(
            f"| {row.edit} | {wanted.runs.replace(' ', ', ') or 'none'} "
            f"| {'all steps' if wanted.trains else 'no step'} "
            f"| {'new' if wanted.new_run else 'the same'} "
            f"| {'new' if wanted.new_version else 'the same'} |"
        )
    return "\n".join(lines)


def base_of(row: Row, request: pytest.FixtureRequest) -> Workspace:
    base: Workspace = request.getfixturevalue("archived" if row.archive else "phantoms")
    return base


def effect_of(row: Row, workspace: Workspace, base: Workspace, *command: str) -> Effect:
    """Make the edit, commit it with the lists of dependencies that it needs, run `command`."""
    row.make(workspace)
    workspace.run("python", "-m", "stages.commands.dependencies")
    workspace.commit()
    return measure(workspace, *command, known=run_digests(base) | version_digests(base))


def effect_wanted(row: Row, workspace: Workspace) -> Effect:
    wanted = row.expected
    return Effect(
        stages=("inputs", *wanted.runs.split(), "register"),
        steps=SMALL["train.epochs"] * steps_per_epoch(workspace) if wanted.trains else 0,
        changed=tuple(sorted(wanted.changes)),
        new_runs=int(wanted.new_run),
        new_versions=int(wanted.new_version),
    )


def test_the_page_has_the_table() -> None:
    page = (ROOT / "docs/reproducibility.md").read_text(encoding="utf-8")
    assert table(ROWS) in page, table(ROWS)


def test_every_edit_finds_its_place(tmp_path: Path) -> None:
    # The slow tests below are rarely run; an edit that no longer fits the code shows here.
    workspace = copy_tree(tmp_path / "repository")
    for row in ROWS:
        if row.make not in (nothing, *AFTER_A_RUN) and not row.archive:
            row.make(workspace)
            assert workspace.run("git", "status", "--porcelain").stdout, row.edit
            workspace.run("git", "add", "--all")
            workspace.run("git", "reset", "--quiet", "--hard")


@pytest.mark.slow
@names(ROWS)
def test_an_edit(row: Row, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    base = base_of(row, request)
    workspace = copy_with_neighbours(base, tmp_path / "copy")
    effect = effect_of(row, workspace, base, "dvc", "repro")
    assert effect == effect_wanted(row, workspace)


@pytest.mark.slow
@names(IN_A_CLONE)
def test_an_edit_in_a_clone(row: Row, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    base = base_of(row, request)
    clone = clone_and_pull(copy_with_neighbours(base, tmp_path / "copy"))
    effect = effect_of(row, clone, base, "dvc", "repro")
    assert effect == effect_wanted(row, clone)
    assert run_digests(clone)


@pytest.mark.slow
@names(WITHOUT_CACHES)
def test_an_edit_without_caches(row: Row, phantoms: Workspace, tmp_path: Path) -> None:
    workspace = copy_with_neighbours(phantoms, tmp_path / "copy")
    workspace.run("make", "clean")
    effect = effect_of(row, workspace, phantoms, "dvc", "repro")
    assert effect == effect_wanted(row, workspace)


@pytest.mark.slow
@names(IN_AN_EXPERIMENT)
def test_an_edit_in_an_experiment(row: Row, phantoms: Workspace, tmp_path: Path) -> None:
    workspace = copy_with_neighbours(phantoms, tmp_path / "copy")
    command = ("dvc", "exp", "run", "--temp", "--name", "tried")
    effect = effect_of(row, workspace, phantoms, *command)
    assert effect == effect_wanted(row, workspace)
