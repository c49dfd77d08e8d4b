"""Decides which runs an operator's action is possible for, one by one or of a whole list. Pure."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from worker.runs.commands import REPEATABLE
from worker.runs.states import CLOSED, RunKind, RunStatus

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


def reason_against(action: RunAction, run: Mapping[str, Any], open_rejections: int) -> str | None:
    """Return why an action is not possible for a run; None where it is.

    Args:
        run: As `run_queries.run_of` shows it.
        open_rejections: Its rejected rows that are open.
    """
    status = RunStatus(run["status"])
    if action is RunAction.CANCEL:
        return "ended already" if status in CLOSED else None
    if action is RunAction.RETRY:
        return None if status in REPEATABLE else "neither failed nor ended in part"
    if status not in CLOSED:
        return "not ended"
    if run["dry_run"]:
        return "dry, without anything written"
    if action is RunAction.REPLAY:
        return None if open_rejections else "without an open rejected row"
    return _reason_against_revert(run)


def _reason_against_revert(run: Mapping[str, Any]) -> str | None:
    if run["reverted_by_run_id"]:
        return "taken back already"
    if run["kind"] in {RunKind.UNMATCH, RunKind.DISMISS}:
        return "an act of a person, who can undo it"
    written = sum(run[name] for name in ("created", "updated", "linked", "removed", "suggested"))
    is_import = run["kind"] in {RunKind.IMPORT, RunKind.REFRESH, RunKind.REPLAY}
    return "without a change" if is_import and not written else None


def choose(action: RunAction, runs: Sequence[Mapping[str, Any]], open_rejections: Mapping[uuid.UUID, int]) -> RunChoice:
    """Return the runs of a list for which an action is possible now."""
    chosen, connections, left_out = [], set(), Counter[str]()
    for run in runs:
        reason = reason_against(action, run, open_rejections.get(run["id"], 0))
        if reason is None and action is not RunAction.CANCEL and run["connection_id"] in connections:
            reason = BEHIND_ANOTHER
        if reason is None:
            chosen.append(run)
            connections.add(run["connection_id"])
        else:
            left_out[reason] += 1
    return RunChoice(chosen=chosen, left_out=left_out)
