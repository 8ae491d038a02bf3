"""The finished run whose files lie under a root: read, judged against the floors, described."""

from pathlib import Path

from stages.engine import journal
from stages.engine.files import sha256_file
from stages.registry.circumstances import Journal
from stages.registry.identity import read_identity
from stages.registry.packaged_code import code_digest
from stages.registry.record import Record, read_record
from stages.registry.release import Release
from stages.registry.rule import Verdict, floors
from stages.settings import digests, paths
from stages.settings.params import Params


def finished(params: Params, root: Path = Path()) -> Release:
    """The finished run with the verdict of its floors: release.json, and what is registered.

    Raises:
        InputError: A file of the run is missing, or is not the one that another names.
    """
    record, circumstances = trained(params, root)
    options = params.register
    verdict = Verdict(floors(record.figures["test"], options.floors.model_dump()))
    return Release(record, verdict, options.name, circumstances, root, root / paths.LOCK)


def trained(params: Params, root: Path = Path(), *, judged: bool = True) -> tuple[Record, Journal]:
    """The files of a run, and what the journal holds of it, by stage.

    Args:
        params: The whole of params.yaml.
        root: Where the stages left their files.
        judged: Whether evaluate has run.

    Raises:
        InputError: A file of the run is missing, or is not the one that another names.
    """
    shards, report = root / paths.SHARDS, root / paths.REPORT
    identity = read_identity(
        shards,
        root / paths.SOURCE,
        params=digests.judged_params(params),
        decisive=digests.decisive_params(params.train, params.evaluate, root),
        code=digests.run_code(root),
        lock=root / paths.LOCK,
        task=params.task,
    )
    record = read_record(
        identity,
        shards=shards,
        audit=root / paths.AUDIT,
        model=root / paths.MODEL,
        validation=root / paths.VALIDATION,
        report=report if judged else None,
        pixels=params.preprocess.pixels.model_dump(),
        code=code_digest(root),
    )
    last = [root / paths.RAW / "index.csv", shards / "manifest.json", report / "metrics.json"]
    keys = [sha256_file(path) for path in last if path.exists()]
    keys.append(digests.training_digest(params.train, identity.data, root))
    circumstances: Journal = {}
    for key in keys:
        circumstances = {**circumstances, **journal.read(key)}
    return record, circumstances
