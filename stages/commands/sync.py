"""`pneumonia sync`: log in MLflow every run whose files are at hand.

First the run under data/, then each DVC experiment and each commit of dvc.lock, from what git and
DVC's cache keep.
"""

import enum
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from stages.engine.console import print_text
from stages.engine.errors import InputError
from stages.engine.root import project_root
from stages.settings import paths

if TYPE_CHECKING:
    from stages.history.past import PastRun
    from stages.registry.store import Store
    from stages.settings.params import Params

_NAMED = 5
"""How many runs of an earlier version are named."""


class Outcome(enum.Enum):
    """What became of an earlier run."""

    LOGGED = "logged now"
    ALREADY = "already logged"
    NO_RUN = "not a run: its dvc.lock is of other code or params"
    EARLIER_FORMAT = "not logged, and made by an earlier version of this pipeline"


def sync(params: "Params") -> None:
    """Log missing runs in MLflow.

    The run under data/, DVC experiments, and commits of dvc.lock, from what
    git and DVC's cache keep.
    """
    from stages.registry.connection import describe_failure, is_store_failure, open_store
    from stages.registry.store import find_store

    if not Path(".dvc").is_dir():
        raise InputError(
            ".dvc: expected a DVC repository, found none; run from the repository's root"
        )
    store = find_store(project_root())
    open_store(store)  # one that does not answer is an error at once
    try:
        _sync_workspace(params, store)
        _sync_history(store)
    except Exception as error:
        if isinstance(error, InputError) or not is_store_failure(error):
            raise
        raise InputError(
            f"{store}: stopped answering ({describe_failure(store, error)}); what was logged is "
            "kept, so run `pneumonia sync` again"
        ) from None


def _sync_workspace(params: "Params", store: "Store") -> None:
    from stages.history import chain, past
    from stages.history.finished import finished, trained
    from stages.registry.publish import publish, publish_past

    if not (paths.SHARDS / "manifest.json").exists():
        print_text("data/: no run yet; `dvc pull` or `dvc repro` brings one")
        return
    try:
        progress = past.workspace_progress()
    except InputError as error:
        print_text(f"data/: not logged, {error}")
        return
    if progress is past.Progress.OTHER_RUN:
        first = chain.of_workspace()[0]
        print_text(
            f"data/: not logged, dvc.lock is of other code, params or files ({first}); run "
            "`dvc repro`"
        )
    elif progress is past.Progress.EVALUATED:
        print_text(publish(finished(params), store, limited=False))
    else:
        record, circumstances = trained(params, judged=False)
        new = publish_past(store, params.register.name, record, circumstances, None)
        outcome = Outcome.LOGGED if new else Outcome.ALREADY
        print_text(f"data/: trained and not evaluated, {outcome.value}")


def _sync_history(store: "Store") -> None:
    from stages.engine.progress import progress
    from stages.history import dvc, past
    from stages.registry.connection import describe_failure

    cache = Path(dvc.output("cache", "dir").strip())
    logged = _LoggedRuns(store)
    outcomes: list[Outcome] = []
    earlier: list[PastRun] = []
    missing = 0
    for run in progress(past.find_runs(), label="history"):
        try:
            outcome = _sync_run(run, cache, store, logged)
        except past.MissingError:
            missing += 1
            print_text(f"{run}: not logged, DVC's cache does not hold all of it")
        except (InputError, ValueError) as error:
            print_text(f"{run}: not logged, {describe_failure(store, error)}")
        else:
            outcomes.append(outcome)
            if outcome is Outcome.LOGGED:
                print_text(f"{run}: {outcome.value}")
            elif outcome is Outcome.EARLIER_FORMAT:
                earlier.append(run)
    if earlier:
        names = ", ".join(map(str, earlier[:_NAMED])) + (", ..." if len(earlier) > _NAMED else "")
        print_text(
            f"{len(earlier)} made by an earlier version of this pipeline and not logged ({names}); "
            f"to log them, `git checkout {earlier[0].rev[:7]}` and run its own `make setup` and "
            "`pneumonia sync`"
        )
    new, already = outcomes.count(Outcome.LOGGED), outcomes.count(Outcome.ALREADY)
    hint = f", {missing} not in DVC's cache (`dvc fetch --all-commits`)" if missing else ""
    print_text(f"history: {new} logged now, {already} already{hint}")


def _sync_run(run: "PastRun", cache: Path, store: "Store", logged: "_LoggedRuns") -> Outcome:
    from stages.history import past
    from stages.history.finished import finished, trained
    from stages.registry.publish import publish_past
    from stages.settings import params

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        progress = past.extract(run, root)
        if progress is past.Progress.OTHER_RUN:
            return Outcome.NO_RUN
        if past.is_earlier_format(root):
            return Outcome.ALREADY if logged.has(run, root) else Outcome.EARLIER_FORMAT
        past.restore_outs(root, progress, cache)
        evaluated = progress is past.Progress.EVALUATED
        settings = params.load(root / paths.PARAMS)
        record, circumstances = trained(settings, root, judged=evaluated)
        release = finished(settings, root) if evaluated else None
        if run.experiment and "train" not in circumstances:  # git knows this much
            known = {"dvc_experiment": run.experiment, "git_commit": run.base}
            circumstances = {**circumstances, "train": known}
        new = publish_past(store, settings.register.name, record, circumstances, release)
        return Outcome.LOGGED if new else Outcome.ALREADY


class _LoggedRuns:
    """The runs in the store, read once and only where a run of an earlier format asks for them."""

    def __init__(self, store: "Store") -> None:
        self._store = store
        self._tags: dict[str, list[dict[str, str]]] = {}

    def has(self, run: "PastRun", tree: Path) -> bool:
        """Whether the store has a run of an earlier format, whose files of git are in `tree`.

        Its digest is in the release.json that was committed with it. An experiment that ended
        with its training has none; the store knows it by its name and the commit it started from.
        """
        from stages.engine import keys
        from stages.history.past import released_run
        from stages.settings import section

        digest = released_run(tree)
        if digest is None and run.experiment is None:
            return False
        wanted = (
            {"dvc_experiment": str(run.experiment), "git_commit": run.base}
            if digest is None
            else {"run_digest": digest}
        )
        stem = str(keys.get(section.read(tree / paths.PARAMS), "register.name"))
        return any(wanted.items() <= tags.items() for tags in self._tags_of(stem))

    def _tags_of(self, stem: str) -> list[dict[str, str]]:
        from stages.registry.connection import open_store
        from stages.registry.listing import find_runs

        if stem not in self._tags:
            client = open_store(self._store)
            self._tags[stem] = [dict(run.data.tags) for run in find_runs(client, stem)]
        return self._tags[stem]
