"""Which runs of a list an operator's action is done for, and why the others are left alone."""

import uuid

import pytest

from worker.runs.run_actions import BEHIND_ANOTHER, RevertFacts, RunAction, choose, refuse_revert
from worker.runs.states import RunKind, RunStatus

ANY = {
    "status": "succeeded", "kind": "refresh", "dry_run": False, "reverted_by_run_id": None, "created": 1, "updated": 0,
    "linked": 0, "removed": 0, "suggested": 0,
}  # fmt: skip
NOTHING_FOUND = {"open_rejections": {}, "reverted_kinds": {}}
ALL_BUT_CANCEL = {RunAction.RETRY, RunAction.REVERT, RunAction.REPLAY}
CASES = {
    "good": ({}, {RunAction.REVERT, RunAction.REPLAY}),
    "in part": ({"status": "partial"}, ALL_BUT_CANCEL),
    "failed": ({"status": "failed"}, ALL_BUT_CANCEL),
    "waits": ({"status": "deferred"}, {RunAction.CANCEL}),
    "runs": ({"status": "running"}, {RunAction.CANCEL}),
    "dry": ({"status": "failed", "dry_run": True}, {RunAction.RETRY}),
    "taken back": ({"reverted_by_run_id": uuid.uuid4()}, {RunAction.REPLAY}),
    "nothing new": ({"created": 0}, {RunAction.REPLAY}),
    "a question alone": ({"created": 0, "suggested": 1}, {RunAction.REVERT, RunAction.REPLAY}),
    "a move": ({"kind": "move", "created": 0}, {RunAction.REVERT, RunAction.REPLAY}),
    "the revert of an import": ({"kind": "revert", "reverted_kind": "import"}, {RunAction.REVERT, RunAction.REPLAY}),
    "the revert of a move": ({"kind": "revert", "reverted_kind": "move"}, {RunAction.REPLAY}),
    "an unmatch": ({"kind": "unmatch"}, {RunAction.REPLAY}),
    "a dismissal": ({"kind": "dismiss"}, {RunAction.REPLAY}),
    "an answer": ({"kind": "answer", "removed": 1}, {RunAction.REPLAY}),
}


@pytest.mark.parametrize("case", CASES)
def test_an_action_is_possible_or_has_a_reason_against_it(case):
    given, possible = CASES[case]
    run = ANY | given | {"id": uuid.uuid4(), "connection_id": uuid.uuid4()}
    kinds = {run["id"]: RunKind(run["reverted_kind"])} if "reverted_kind" in run else {}
    found = {"open_rejections": {run["id"]: 2}, "reverted_kinds": kinds}
    choices = {action: choose(action, [run], **found) for action in RunAction}
    assert {action for action, choice in choices.items() if choice.chosen == [run]} == possible
    assert all(sum(choice.left_out.values()) == 1 for action, choice in choices.items() if action not in possible)
    assert choose(RunAction.REPLAY, [run], **NOTHING_FOUND).chosen == []


def test_of_each_connection_the_first_run_is_asked_about_and_all_that_wait_are_cancelled():
    bank, other = uuid.uuid4(), uuid.uuid4()
    runs = [ANY | {"id": uuid.uuid4(), "connection_id": one, "status": "failed"} for one in (bank, other, bank, bank)]
    choice = choose(RunAction.REVERT, runs, **NOTHING_FOUND)
    assert (list(choice.chosen), choice.left_out) == (runs[:2], {BEHIND_ANOTHER: 2})
    waiting = [run | {"status": "queued"} for run in runs]
    assert choose(RunAction.CANCEL, waiting, **NOTHING_FOUND).chosen == waiting


OTHER_RUN = uuid.uuid4()
REFUSED = {
    "goes on": ({"status": RunStatus.RUNNING}, "is still running"),
    "dry": ({"dry_run": True}, "imported nothing"),
    "an unmatch": ({"kind": RunKind.UNMATCH}, "`suggestions undo` matches the two again"),
    "a dismissal": ({"kind": RunKind.DISMISS}, "`rejections reopen` takes a dismissal back"),
    "an answer": ({"kind": RunKind.ANSWER}, "`suggestions undo` takes it back"),
    "the revert of a move": ({"kind": RunKind.REVERT, "reverted_kind": RunKind.MOVE}, "move the account again instead"),
    "a move taken back": (
        {"kind": RunKind.MOVE, "reverted_by_run_id": OTHER_RUN},
        f"was taken back by run {OTHER_RUN}: move the account again instead",
    ),
    "taken back": ({"reverted_by_run_id": OTHER_RUN}, f"was taken back by run {OTHER_RUN}; revert that one"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_run_that_cannot_be_taken_back_says_what_helps_instead(case):
    given, sentence = REFUSED[case]
    ended = {"status": RunStatus.SUCCEEDED, "kind": RunKind.REFRESH, "dry_run": False}
    assert sentence in refuse_revert(RevertFacts(**ended | given)).sentence
    assert refuse_revert(RevertFacts(**ended)) is None
