"""Earlier runs, as git and DVC's cache keep them: experiments, and commits of dvc.lock.

What a run is logged from are a few small files. They are restored into a folder of their own;
the workspace is left alone.
"""

import contextlib
import enum
import io
import json
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from stages.engine import git
from stages.engine.errors import InputError, NotFound
from stages.history import chain, lock_file, plan
from stages.history.lock_file import LockFile, dvc_md5
from stages.history.yaml_file import parse_mapping
from stages.settings import paths

_TREE = (plan.PATH, lock_file.PATH, paths.PARAMS, paths.LOCK, Path("stages"))
"""The files of a commit that decide a run and package its model."""

_ANSWERS = Path("stages/network/detector.py")
"""The code that answers since there are versions of FORMAT 2."""

_ORIGIN = (paths.INPUTS, paths.SOURCE, paths.ROLES)
"""What git keeps of the images' origin and roles; a commit of data format 1 has none of it."""

_FIGURES = (paths.VALIDATION, paths.REPORT, paths.RELEASE)

_LOGGED = {paths.RAW: ("index.csv",), paths.SHARDS: ("manifest.json", "records.csv")}
"""For folders with images, the files that a run is logged from."""

_TRAINED = ("fetch", "preprocess", "train")


class MissingError(Exception):
    """DVC's cache does not hold a file that a run is logged from."""


class Progress(enum.Enum):
    """How far dvc.lock records the run that the code and params beside it would make."""

    OTHER_RUN = "not even trained: dvc.lock is of other code, params or files"
    TRAINED = "up to train"
    EVALUATED = "up to evaluate"


@dataclass(frozen=True)
class PastRun:
    """A commit that holds a run.

    rev: the commit. experiment: its name where it is a DVC experiment. base: the commit that the
    experiment started from; `rev` where it is none.
    """

    rev: str
    experiment: str | None
    base: str

    def __str__(self) -> str:
        return self.experiment or self.rev[:7]


def find_runs() -> list[PastRun]:
    """Return all experiments, then the commits of branches and tags that changed dvc.lock.

    Commits come newest first; of those that hold the same run, only the newest.
    """
    found = []
    refs = git.output("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps")
    for line in refs.splitlines():
        # Where DVC keeps finished experiments; its queue and its stash have other names.
        ref = re.fullmatch(r"(\w+) refs/exps/(\w{2})/(\w{38})/(.+)", line)
        if ref:
            found.append(PastRun(ref[1], ref[4], ref[2] + ref[3]))
    revs = ("--branches", "--tags", "--remotes", "HEAD", "--", lock_file.PATH.as_posix())
    found += [PastRun(rev, None, rev) for rev in git.output("log", "--format=%H", *revs).split()]
    seen: set[tuple[str, ...]] = set()
    different = []
    for run in found:
        names = [f"{run.rev}:./{path.as_posix()}" for path in (*_TREE, paths.VALIDATION)]
        try:
            content = tuple(git.output("rev-parse", *names).split())
        except InputError:
            continue  # a commit without one of these files holds no run
        if content not in seen:
            seen.add(content)
            different.append(run)
    return different


def extract(run: PastRun, folder: Path) -> Progress:
    """Extract into `folder` what git keeps of `run`, and return how far the run got."""
    wanted = [path.as_posix() for path in (*_TREE, *_ORIGIN, *_FIGURES)]
    existing = git.output("ls-tree", "--name-only", run.rev, *wanted).splitlines()
    packed = git.output_bytes("archive", "--format=tar", run.rev, "--", *existing)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return recorded_progress(folder)


def restore_outs(tree: Path, progress: Progress, cache: Path) -> None:
    """Add to an extracted tree what the run is logged from, out of DVC's cache.

    Args:
        tree: The folder that `extract` filled.
        progress: What it returned.
        cache: The folder of DVC's cache.

    Raises:
        MissingError: The cache does not hold a file.
    """
    lock = LockFile.read(tree / lock_file.PATH)
    for stage in (*_TRAINED, "evaluate") if progress is Progress.EVALUATED else _TRAINED:
        for path, md5 in lock.stage(stage).outs.items():
            # Images may be elsewhere: of data/raw, only the seconds that fetch took are logged.
            optional = path == paths.RAW.as_posix()
            with contextlib.suppress(MissingError) if optional else contextlib.nullcontext():
                _restore_out(Path(path), md5, cache, tree)


def is_earlier_format(tree: Path) -> bool:
    """Whether the pipeline in `tree` is one before a model had a domain and its code a digest.

    Such a run has digests by the rules of its own code, so that only that code can log it.
    """
    return not (tree / _ANSWERS).is_file()


def released_run(tree: Path) -> str | None:
    """Return the run digest in the release.json of `tree`; None where that is of another run."""
    lock = LockFile.read(tree / lock_file.PATH)
    register = lock.stage("register")
    model, release = paths.MODEL.as_posix(), paths.RELEASE.as_posix()
    trained = lock.stage("train").outs.get(model)
    if register.deps.get(model) != trained or register.outs.get(release) != dvc_md5(tree / release):
        return None
    content = parse_mapping((tree / release).read_text(encoding="utf-8"), release)
    return str(content["run_digest"])


def recorded_progress(tree: Path) -> Progress:
    """Compare the dvc.lock in `tree` with the code, params and dvc.yaml there.

    Raises:
        InputError: dvc.lock is cut off, or another file cannot be read.
    """
    try:
        lock, planned = LockFile.read(tree / lock_file.PATH), plan.read_plan(tree / plan.PATH)
    except (NotFound, FileNotFoundError):
        return Progress.OTHER_RUN
    if not all(lock.answers_for(stage, planned[stage], tree) for stage in _TRAINED):
        return Progress.OTHER_RUN
    evaluated = lock.answers_for("evaluate", planned["evaluate"], tree)
    return Progress.EVALUATED if evaluated else Progress.TRAINED


def workspace_progress() -> Progress:
    """Like `recorded_progress`, for the workspace with the outs that lie there."""
    differing = {found.stage for found in chain.of_workspace()}
    if differing & {*_TRAINED}:
        return Progress.OTHER_RUN
    return Progress.TRAINED if differing else Progress.EVALUATED


def _restore_out(path: Path, md5: str, cache: Path, folder: Path) -> None:
    if dvc_md5(folder / path) == md5:  # git keeps it
        return
    stored = _in_cache(cache, md5)
    if not md5.endswith(".dir"):
        _copy(stored, folder / path)
        return
    for entry in json.loads(stored.read_text(encoding="utf-8")):
        if path not in _LOGGED or entry["relpath"] in _LOGGED[path]:
            _copy(_in_cache(cache, entry["md5"]), folder / path / entry["relpath"])


def _in_cache(cache: Path, md5: str) -> Path:
    """The file in DVC's cache whose content has this MD5."""
    stored = cache / "files" / "md5" / md5[:2] / md5[2:]
    if not stored.exists():
        raise MissingError(md5)
    return stored


def _copy(stored: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(stored, to)
