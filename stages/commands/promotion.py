"""`pneumonia promote`, `rollback` and `history`: which version answers, and who decided it."""

from typing import TYPE_CHECKING, Annotated

import typer

from stages.commands.parameters import AsJson, Source
from stages.commands.tables import print_rows, print_table
from stages.commands.tracking_store import open_tracking_store, registered_name
from stages.engine.console import print_text
from stages.engine.errors import InputError
from stages.engine.printable import printable
from stages.registry.aliases import CANDIDATE, CHAMPION, alias_version
from stages.settings import paths

if TYPE_CHECKING:
    from stages.history.frozen import Freezing
    from stages.registry.client import Client
    from stages.registry.gate import Outcome
    from stages.settings.params import Params


_ACCEPT = (
    "The model card says where its initial weights come from; where you may use them without a "
    "stated licence, add --accept-weights-licence"
)


def promote(
    params: "Params",
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="Default: the candidate.")
    ] = None,
    to: Annotated[str, typer.Option(metavar="ALIAS", help="The alias to move.")] = "champion",
    override: Annotated[
        bool, typer.Option("--override", help="Move it though the gate refuses; needs --reason.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why it is overridden, for the history.")
    ] = None,
    accept_weights_licence: Annotated[
        bool,
        typer.Option(
            "--accept-weights-licence",
            help="Accept that the initial weights state no licence; goes on record.",
        ),
    ] = False,
    source: Source = None,
) -> None:
    """Move `champion` to a version if the gate passes it, and freeze its patients' roles.

    Prints what each rule requires and what was found; exits with 1 if one fails. Commit
    data/roles.csv afterwards.
    """
    from stages.history import chain, remedies
    from stages.history.lineage import compare_with_head, recorded_chain, released_figures
    from stages.registry import gate
    from stages.registry.assessment import (
        PINNED,
        TRAINED,
        WEIGHTS_LICENSED,
        WEIGHTS_PINNED,
        Gate,
    )
    from stages.registry.trusted_key import trusted_key

    if override != bool(reason):
        raise InputError('expected --override and --reason "..." together, received one of them')
    key = trusted_key(params.register.public_key)
    name = registered_name(params, source)
    client, store = open_tracking_store()
    if to == CHAMPION and _froze_champion(client, name, version):
        return
    from stages.engine import devices

    devices.configure(params.train.threads)
    options = params.register
    rule = Gate(
        options.floors,
        options.rule,
        lambda model: [recorded_chain(), *compare_with_head(model)],
        released_figures,
        paths.SHARDS,
        paths.RAW,
        key,
        accepts_unlicensed_weights=accept_weights_licence,
    )
    outcome = gate.promote(client, store, name, version, rule, alias=to, override=reason)
    reasons = outcome.verdict.reasons
    print_table(
        ("rule", "value", "required", "result"),
        [(rule.rule, rule.found, _required(rule.required), rule.outcome) for rule in reasons],
    )
    print_text()
    print_table(("reported, without a rule", "value"), list(outcome.reported.items()))
    print_text()
    if not outcome.moved:
        failed = [rule.rule for rule in reasons if not rule.passed]
        commands = remedies.of_refusal(
            failed,
            closed=not chain.of_workspace(),
            pinned={PINNED: "", WEIGHTS_PINNED: "WEIGHTS.h5"},
            trained=TRAINED,
            again=" ".join(["pneumonia promote", *([version] if version else [])]),
        )
        raise InputError(
            f"{name} version {outcome.version} stays where it is: {len(failed)} of {len(reasons)} "
            "rules failed; docs/tracking.md explains each"
            + (f". {_ACCEPT}" if WEIGHTS_LICENSED in failed else "")
            + (f". What can be done about it:{commands}" if commands else "")
        )
    if not outcome.verdict.passed:
        print_text(f"overridden: {printable(str(reason))}")
    print_text(_moved(outcome, to))
    if to == CHAMPION:
        print_text(_freeze(client, name, outcome.version).message)


def rollback(
    params: "Params",
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why, for the history.")
    ] = "not given",
    source: Source = None,
) -> None:
    """Move `champion` back to the version before."""
    from stages.registry import gate
    from stages.registry.trusted_key import trusted_key

    key = trusted_key(params.register.public_key)
    name = registered_name(params, source)
    client, store = open_tracking_store()
    print_text(_moved(gate.rollback(client, store, name, why=reason, key=key), "champion"))


def history(params: "Params", source: Source = None, as_json: AsJson = False) -> None:
    """List who moved which alias, when and why."""
    from stages.registry.history import alias_history

    name = registered_name(params, source)
    client, _ = open_tracking_store()
    rows = [
        {
            "when": line.when,
            "alias": line.alias,
            "from": line.before or "none",
            "to": line.to or "none",
            "by": line.kind,
            "who": line.who,
            "why": line.why,
            "outcome": line.outcome,
        }
        for line in alias_history(client, name)
    ]
    columns = ("when", "alias", "from", "to", "by", "who", "why", "outcome")
    print_rows(rows, columns, as_json=as_json)


def _froze_champion(client: "Client", name: str, version: str | None) -> bool:
    """Freeze the roles of a version that is champion already, as where a promotion was killed.

    Returns:
        Whether it is, and roles were written.
    """
    champion = alias_version(client, name, CHAMPION)
    if champion is None or champion != (version or alias_version(client, name, CANDIDATE)):
        return False
    freezing = _freeze(client, name, champion)
    if freezing.written:
        print_text(f"{name}: version {champion} is the {CHAMPION} already")
        print_text(freezing.message)
    return freezing.written


def _freeze(client: "Client", name: str, version: str) -> "Freezing":
    from stages.history.frozen import freeze
    from stages.registry.versions import get_version

    return freeze(get_version(client, name, version).tags.get("data_digest", ""))


def _required(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _moved(outcome: "Outcome", alias: str) -> str:
    earlier = "the first" if outcome.before is None else f"before: version {outcome.before}"
    return f"{outcome.name}: {alias} is now version {outcome.version} ({earlier})"
