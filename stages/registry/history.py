"""The history of aliases: what the recorded moves did, and moves that were not recorded.

The alias itself, and the record that follows, determine whether an interrupted move took effect.
If an alias is not where the records left it, someone moved it outside the gate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stages.registry.aliases import alias_versions
from stages.registry.circumstances import NOT_RECORDED
from stages.registry.client import Client
from stages.registry.moves import Move, read_moves

DONE = "done"
OUTSIDE = "made outside the gate, or its record was purged"


@dataclass(frozen=True)
class Line:
    """One line of the history.

    Attributes:
        when: ISO 8601, "before ..." or "not recorded".
        alias: The alias.
        before: Version before the move; None for none.
        to: Version after it; None for none.
        who: User and host.
        kind: As in Move; "" for a move outside the gate.
        why: The reason.
        outcome: DONE, OUTSIDE, or what happened instead.
    """

    when: str
    alias: str
    before: str | None
    to: str | None
    who: str
    kind: str
    why: str
    outcome: str


def alias_history(client: Client, name: str) -> list[Line]:
    """Return the history of every alias of the model `name`, in the order of the records."""
    moves = read_moves(client, name)
    present = alias_versions(client, name)
    lines: list[Line] = []
    for alias in sorted({move.alias for move in moves} | set(present)):
        of_alias = [move for move in moves if move.alias == alias]
        lines += [replace(line, alias=alias) for line in replay(of_alias, present.get(alias))[0]]
    # A move without a time is listed where it was noticed: before the next record, or last.
    return sorted(lines, key=lambda line: line.when.removeprefix("before "))


def replay(moves: Sequence[Move], present: str | None) -> tuple[list[Line], list[str]]:
    """Replay the moves of one alias.

    Args:
        moves: Its records, oldest first.
        present: The version that it points at.

    Returns:
        Its history, and its versions as a stack, the present one last. A rollback pops versions
        down to the one that it returned to; a repair puts a version in the place of another; any
        other move pushes one.
    """
    lines: list[Line] = []
    stack: list[str] = []
    top: str | None = None
    for number, move in enumerate(moves):
        if move.state == "KILLED":  # given up; its `before` may be out of date
            lines.append(_line(move, move.note or "given up"))
            continue
        if move.before != top:
            lines.append(_unrecorded(f"before {move.when}", top, move.before))
            _push(stack, move.before)
            top = move.before
        later = [other.before for other in moves[number + 1 :] if other.state != "KILLED"]
        moved = move.state == "FINISHED" or (later[0] if later else present) == move.to
        interrupted = f"interrupted {'after' if moved else 'before'} the alias moved"
        lines.append(_line(move, DONE if move.state == "FINISHED" else interrupted))
        if moved:
            if move.kind == "repair" and move.to is not None:
                stack[:] = [move.to if version == move.before else version for version in stack]
            else:
                _push(stack, move.to, rollback=move.kind == "rollback")
            top = move.to
    if present != top:
        lines.append(_unrecorded(NOT_RECORDED, top, present))
        _push(stack, present)
    return lines, stack


def _push(stack: list[str], version: str | None, *, rollback: bool = False) -> None:
    if version is None:
        stack.clear()
    elif rollback and version in stack:
        while stack[-1] != version:
            stack.pop()
    elif not stack or stack[-1] != version:
        stack.append(version)


def _line(move: Move, outcome: str) -> Line:
    return Line(
        when=move.when,
        alias=move.alias,
        before=move.before,
        to=move.to,
        who=move.who,
        kind=move.kind,
        why=move.why,
        outcome=outcome,
    )


def _unrecorded(when: str, before: str | None, to: str | None) -> Line:
    return Line(when, "", before, to, NOT_RECORDED, "", "", OUTSIDE)
