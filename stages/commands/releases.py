"""The commands that look at runs and versions, and those that move an alias."""

import argparse
from typing import Any

from stages.commands.listing import aligned, show
from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.settings import params, paths


def promote(arguments: argparse.Namespace) -> int:
    """Judge a version and, where it passes, move the alias; 1 where it does not."""
    from stages.history.lineage import compare_with_head, released_figures
    from stages.registry import assessment, gate

    everything = params.load()
    if arguments.override != bool(arguments.reason):
        raise InputError('expected --override and --reason "..." together, received one of them')
    name = _name(arguments, everything)
    client, store = _open()
    from stages.engine import devices

    devices.configure(everything.train.threads)
    options = everything.register
    rule = assessment.Gate(
        options.floors, options.rule, compare_with_head, released_figures, paths.SHARDS, paths.RAW
    )
    outcome = gate.promote(
        client, store, name, arguments.version, rule, alias=arguments.to,
        override=arguments.reason,
    )  # fmt: skip
    header = ("rule", "value", "required", "")
    reasons = [
        (reason.rule, reason.found,
         reason.required if isinstance(reason.required, str) else f"{reason.required:g}",
         reason.outcome)
        for reason in outcome.verdict.reasons
    ]  # fmt: skip
    print(aligned([header, *reasons]))
    print("\nreported, not asked for:")
    print(aligned([(f"  {key}", value) for key, value in outcome.reported.items()]))
    print()
    if not outcome.moved:
        raise InputError(
            f"{name} version {outcome.version} stays where it is: "
            f"{sum(not reason.passed for reason in outcome.verdict.reasons)} of "
            f"{len(outcome.verdict.reasons)} rules failed, see docs/tracking.md for each"
        )
    if not outcome.verdict.passed:
        print(f"overridden: {arguments.reason}")
    print(_moved(outcome, arguments.to))
    return 0


def rollback(arguments: argparse.Namespace) -> int:
    """Move `champion` back to the version before it."""
    from stages.registry import gate

    everything = params.load()
    name = _name(arguments, everything)
    client, store = _open()
    print(_moved(gate.rollback(client, store, name, why=arguments.reason), "champion"))
    return 0


def history(arguments: argparse.Namespace) -> int:
    """List who moved which alias, from where to where, when and why."""
    from stages.registry.history import alias_history

    everything = params.load()
    name = _name(arguments, everything)
    client, _ = _open()
    rows = [
        {"when": line.when, "alias": line.alias, "from": line.before or "none",
         "to": line.to or "none", "by": line.kind, "who": line.who, "why": line.why,
         "outcome": line.outcome}
        for line in alias_history(client, name)
    ]  # fmt: skip
    columns = ("when", "alias", "from", "to", "by", "who", "why", "outcome")
    show(rows, columns, as_json=arguments.json)
    return 0


def runs(arguments: argparse.Namespace) -> int:
    """List the runs of every data set, newest first."""
    from stages.registry import listing

    everything = params.load()
    client, _ = _open()
    rows = listing.list_runs(client, everything.register.name)
    show(rows, listing.RUN_COLUMNS, as_json=arguments.json)
    return 0


def models(arguments: argparse.Namespace) -> int:
    """List the versions of every data set's model, newest first."""
    from stages.registry import listing

    everything = params.load()
    client, _ = _open()
    rows = listing.list_versions(client, everything.register.name)
    show(rows, listing.VERSION_COLUMNS, as_json=arguments.json)
    return 0


def tags(arguments: argparse.Namespace) -> dict[str, str]:
    """The tags of the version that `arguments` name by number."""
    from stages.registry.versions import get_version

    everything = params.load()
    name = _name(arguments, everything)
    client, _ = _open()
    return dict(get_version(client, name, arguments.version).tags)


def _name(arguments: argparse.Namespace, everything: params.Params) -> str:
    from stages.registry.identity import model_name

    source = arguments.source or read_json(paths.RELEASE)["source"]["name"]
    return model_name(everything.register.name, source)


def _open() -> tuple[Any, Any]:
    from stages.engine.root import project_root
    from stages.registry.connection import open_store
    from stages.registry.store import find_store

    store = find_store(project_root())
    return open_store(store), store


def _moved(outcome: Any, alias: str) -> str:
    come_from = "the first" if outcome.before is None else f"before: version {outcome.before}"
    return f"{outcome.name}: {alias} is now version {outcome.version} ({come_from})"
