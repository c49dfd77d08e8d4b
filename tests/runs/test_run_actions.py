"""Which runs of a list an operator's action is done for, and why the others are left alone."""

import uuid

import pytest

from worker.runs.run_actions import BEHIND_ANOTHER, RunAction, choose

ANY = {
    "status": "succeeded", "kind": "refresh", "dry_run": False, "reverted_by_run_id": None, "created": 1, "updated": 0,
    "linked": 0, "removed": 0, "suggested": 0,
}  # fmt: skip
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
    "an unmatch": ({"kind": "unmatch"}, {RunAction.REPLAY}),
    "a dismissal": ({"kind": "dismiss"}, {RunAction.REPLAY}),
}


@pytest.mark.parametrize("case", CASES)
def test_an_action_is_possible_or_has_a_reason_against_it(case):
    given, possible = CASES[case]
    run = ANY | given | {"id": uuid.uuid4(), "connection_id": uuid.uuid4()}
    choices = {action: choose(action, [run], {run["id"]: 2}) for action in RunAction}
    assert {action for action, choice in choices.items() if choice.chosen == [run]} == possible
    assert all(sum(choice.left_out.values()) == 1 for action, choice in choices.items() if action not in possible)
    assert choose(RunAction.REPLAY, [run], {}).chosen == []


def test_of_each_connection_the_first_run_is_asked_about_and_all_that_wait_are_cancelled():
    bank, other = uuid.uuid4(), uuid.uuid4()
    runs = [ANY | {"id": uuid.uuid4(), "connection_id": one, "status": "failed"} for one in (bank, other, bank, bank)]
    choice = choose(RunAction.REVERT, runs, {})
    assert (list(choice.chosen), choice.left_out) == (runs[:2], {BEHIND_ANOTHER: 2})
    waiting = [run | {"status": "queued"} for run in runs]
    assert choose(RunAction.CANCEL, waiting, {}).chosen == waiting
