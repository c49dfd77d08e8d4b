"""Decides what can be done about a run, and for which runs of a list an operator's action is done. Pure."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from worker.runs.states import CLOSED, RunKind, RunStatus

REPEATABLE = frozenset({RunStatus.FAILED, RunStatus.PARTIAL, RunStatus.CANCELLED})
"""How a run must have ended to be asked for again."""

BEHIND_ANOTHER = "behind another run of the same connection, one after the other"
"""Why a run of a list is left for the next time: of a connection no more than one run can wait."""


class RunAction(StrEnum):
    """What an operator can do about a run."""

    CANCEL = "cancel"
    RETRY = "retry"
    REVERT = "revert"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChoice:
    """The runs of a list that an action is done for.

    Attributes:
        chosen: In the order of the list.
        left_out: How many others there are, by the reason.
    """

    chosen: Sequence[Mapping[str, Any]]
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertFacts:
    """What decides whether a run can be taken back.

    Attributes:
        reverted_by_run_id: The run that took it back and was not taken back itself.
        reverted_kind: Of a revert, the kind of the run that it took back.
    """

    status: str
    kind: str
    dry_run: bool
    reverted_by_run_id: uuid.UUID | None = None
    reverted_kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a run cannot be taken back, or its rejected rows not be tried again.

    Attributes:
        reason: What the run is, in a few words.
        sentence: The same after "run <id>", with what helps instead.
    """

    reason: str
    sentence: str


_ACTS_OF_A_PERSON: Mapping[str, str] = {
    RunKind.UNMATCH: "took a match back: `suggestions undo` matches the two again",
    RunKind.DISMISS: "changed no row: `rejections reopen` takes a dismissal back",
    RunKind.ANSWER: "is an answer: `suggestions undo` takes it back",
}

_KINDS = frozenset(RunKind)
_OF_A_LATER_VERSION = Refusal(
    reason="of a later version", sentence="was made by a later version, which alone knows what it did"
)


def refuse_retry(status: str, kind: str) -> Refusal | None:
    """Return why a run cannot be asked for again; None where it can."""
    if status not in REPEATABLE:
        return Refusal(
            reason="neither failed nor ended in part",
            sentence=f"is {status}: only a failed, partial or cancelled run is tried again",
        )
    return None if kind in _KINDS else _OF_A_LATER_VERSION


def refuse_replay(status: str, *, dry_run: bool) -> Refusal | None:
    """Return why the rejected rows of a run cannot be tried again; None where they can."""
    if status not in CLOSED:
        return Refusal(reason="not ended", sentence=f"is still {status}")
    if dry_run:
        return Refusal(reason="dry, without anything written", sentence="imported nothing: it was a dry run")
    return None


def refuse_revert(run: RevertFacts) -> Refusal | None:
    """Return why a run cannot be taken back; None where it can."""
    unwritten = refuse_replay(run.status, dry_run=run.dry_run)
    if unwritten is not None:
        return unwritten
    if run.kind not in _KINDS:
        return _OF_A_LATER_VERSION
    if run.kind in _ACTS_OF_A_PERSON:
        return Refusal(reason="an act of a person, who can undo it", sentence=_ACTS_OF_A_PERSON[run.kind])
    if (run.kind, run.reverted_kind) == (RunKind.REVERT, RunKind.MOVE):
        return Refusal(
            reason="the revert of a move, which is not restored",
            sentence="took a move back: move the account again instead",
        )
    if run.reverted_by_run_id is None:
        return None
    is_move = run.kind == RunKind.MOVE
    instead = ": move the account again instead" if is_move else "; revert that one to restore it"
    return Refusal(reason="taken back already", sentence=f"was taken back by run {run.reverted_by_run_id}{instead}")


def reason_against(
    action: RunAction, run: Mapping[str, Any], *, open_rejections: int = 0, reverted_kind: str | None = None
) -> str | None:
    """Return why an action is not offered for a run; None where it is. What is offered is not refused.

    Args:
        run: As `run_queries.run_of` shows it.
        open_rejections: Its rejected rows that are open.
        reverted_kind: Of a revert, the kind of the run that it took back.
    """
    status = run["status"]
    if action is RunAction.CANCEL:
        return "ended already" if status in CLOSED else None
    if action is RunAction.RETRY:
        refusal = refuse_retry(status, run["kind"])
        return refusal.reason if refusal else None
    if action is RunAction.REPLAY:
        refusal, needless = refuse_replay(status, dry_run=run["dry_run"]), not open_rejections
        return refusal.reason if refusal else "without an open rejected row" if needless else None
    facts = RevertFacts(
        status=status,
        kind=run["kind"],
        dry_run=run["dry_run"],
        reverted_by_run_id=run["reverted_by_run_id"],
        reverted_kind=reverted_kind,
    )
    refusal = refuse_revert(facts)
    return refusal.reason if refusal else "without a change" if _changed_nothing(run) else None


def _changed_nothing(run: Mapping[str, Any]) -> bool:
    """Return whether an import wrote nothing: its revert is not offered, and does nothing where it is asked for."""
    written = sum(run[name] for name in ("created", "updated", "linked", "removed", "suggested"))
    return run["kind"] in {RunKind.IMPORT, RunKind.REFRESH, RunKind.REPLAY} and not written


def choose(
    action: RunAction,
    runs: Sequence[Mapping[str, Any]],
    *,
    open_rejections: Mapping[uuid.UUID, int],
    reverted_kinds: Mapping[uuid.UUID, str],
) -> RunChoice:
    """Return the runs of a list for which an action is offered now.

    Args:
        open_rejections: By run, how many of its rejected rows are open.
        reverted_kinds: By revert, the kind of the run that it took back.
    """
    chosen, connections, left_out = [], set(), Counter[str]()
    for run in runs:
        reason = reason_against(
            action,
            run,
            open_rejections=open_rejections.get(run["id"], 0),
            reverted_kind=reverted_kinds.get(run["id"]),
        )
        if reason is None and action is not RunAction.CANCEL and run["connection_id"] in connections:
            reason = BEHIND_ANOTHER
        if reason is None:
            chosen.append(run)
            connections.add(run["connection_id"])
        else:
            left_out[reason] += 1
    return RunChoice(chosen=chosen, left_out=left_out)
