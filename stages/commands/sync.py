"""Have the tracking store show every run whose files are at hand: the command `pneumonia sync`.

First the run under data/, then each DVC experiment and each commit of dvc.lock, made from what
git and DVC's cache keep.
"""

import tempfile
from pathlib import Path

from stages.engine.errors import InputError
from stages.engine.root import project_root
from stages.history import dvc, past
from stages.history.finished import finished, trained
from stages.history.past import MissingError, PastRun, Progress
from stages.registry.connection import describe_failure, is_store_failure, open_store
from stages.registry.publish import publish, publish_past
from stages.registry.store import Store, find_store
from stages.settings import params, paths


def sync() -> int:
    """Tell the store what it lacks, one line for each run; 0.

    Raises InputError where the store gives no answer, or stops giving any.
    """
    everything = params.load()
    if not Path(".dvc").is_dir():
        raise InputError(
            ".dvc: expected a DVC repository, found none; run from the repository's root"
        )
    store = find_store(project_root())
    open_store(store)  # one that is down is an error here, where someone waits for it
    try:
        _workspace(everything, store)
        _history(store)
    except Exception as error:
        if isinstance(error, InputError) or not is_store_failure(error):
            raise
        raise InputError(
            f"{store}: stopped answering ({describe_failure(store, error)}); what was logged is "
            "kept, so run `pneumonia sync` again"
        ) from None
    return 0


def _workspace(everything: params.Params, store: Store) -> None:
    if not (paths.SHARDS / "manifest.json").exists():
        print("data/: nothing to show yet; `dvc pull` or `dvc repro` brings it")
        return
    progress = past.workspace_progress()
    if progress is Progress.OTHER_RUN:
        print("data/: not shown, dvc.lock tells of other code, params or files; run `dvc repro`")
    elif progress is Progress.EVALUATED:
        print(publish(finished(everything), store, limited=False))
    else:
        record, told = trained(everything, judged=False)
        new = publish_past(store, everything.register.name, record, told, None)
        print(f"data/: trained and not judged, shown {'now' if new else 'already'}")


def _history(store: Store) -> None:
    cache = Path(dvc.output("cache", "dir").strip())
    count = dict.fromkeys(("now", "already", "elsewhere"), 0)
    for one in past.find_runs():
        try:
            new = _show(one, cache, store)
        except MissingError:
            count["elsewhere"] += 1
            print(f"{one}: not shown, DVC's cache lacks some of it")
        except (InputError, ValueError) as error:
            print(f"{one}: not shown, {describe_failure(store, error)}")
        else:
            if new is not None:
                count["now" if new else "already"] += 1
            if new:
                print(f"{one}: shown now")
    hint = ""
    if count["elsewhere"]:
        hint = f", {count['elsewhere']} not in DVC's cache (`dvc fetch --all-commits`)"
    print(f"history: {count['now']} shown now, {count['already']} already{hint}")


def _show(one: PastRun, cache: Path, store: Store) -> bool | None:
    """Whether anything of this run was lacking; None where its dvc.lock is not of its tree."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        progress = past.restore(one, cache, root)
        if progress is Progress.OTHER_RUN:
            return None
        judged = progress is Progress.EVALUATED
        everything = params.load(root / paths.PARAMS)
        record, told = trained(everything, root, judged=judged)
        offered = finished(everything, root) if judged else None
        if one.experiment and "train" not in told:  # git knows this much
            told["train"] = {"dvc_experiment": one.experiment, "git_commit": one.base}
        return publish_past(store, everything.register.name, record, told, offered)
