"""Decides from the results of runs whether a bank answers anybody. Pure.

A sequential test: every result of another user moves a score towards "down" or back, by how much more likely it is for
a bank that is down than for this bank as it usually is. A bank that often fails therefore needs more failures than one
that never does. One user counts once until somebody is answered, so that nobody alone makes a bank look down.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

ALARM = 10.0
"""The score from which a bank counts as down."""

DOWN_FAILS = 0.9
"""How often a request fails at a bank that is down: some answers still come from caches."""

LEAST_FAILS, MOST_FAILS = 0.01, 0.5
"""Bounds of how often a bank is taken to fail as it usually is."""

ANSWERS_TO_END = 2
"""An outage ends when so many requests in a row were answered."""

FEWEST_USERS = 5
"""The troubles of a bank with fewer users are not shown: they would tell one user about another."""

_MOST_SUSPECTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run ended that reached a bank. code: of one that failed because of the bank; None for a good one."""

    at: datetime
    user_id: int
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BankState:
    """What is known of a bank.

    Attributes:
        score: How strong the evidence of an outage is.
        failed_users: Users for whom it failed since somebody was answered.
        answered: Results in a row that were good, during an outage.
        failing_since_at: The first failure since somebody was answered.
        outage_since_at: Since when it counts as down; None while it does not.
        last_code: Of the newest failure.
        last_good_at: When somebody was answered last.
    """

    score: float = 0.0
    failed_users: tuple[int, ...] = ()
    answered: int = 0
    failing_since_at: datetime | None = None
    outage_since_at: datetime | None = None
    last_code: str | None = None
    last_good_at: datetime | None = None


def usual_failures(runs: int, good: int) -> float:
    """Return how often a bank fails as it usually is; one of which little is known is taken to be a usual one."""
    return min(max((runs - good + 1) / (runs + 20), LEAST_FAILS), MOST_FAILS)


def after(state: BankState, results: Sequence[RunResult], fails: float) -> BankState:
    """Return the state once these results, in order, are taken into account. fails: `usual_failures`."""
    for result in results:
        state = _after_failure(state, result, fails) if result.code is not None else _after_answer(state, result, fails)
    return state


def _after_failure(state: BankState, result: RunResult, fails: float) -> BankState:
    since_at = state.failing_since_at or result.at
    if result.user_id in state.failed_users:
        return replace(state, last_code=result.code, answered=0)
    score = min(state.score + math.log(DOWN_FAILS / fails), 2 * ALARM)
    users = (*state.failed_users, result.user_id)[-_MOST_SUSPECTS:]
    is_down = score >= ALARM and len(users) > 1
    return replace(
        state,
        score=score,
        failed_users=users,
        answered=0,
        failing_since_at=since_at,
        outage_since_at=state.outage_since_at or (since_at if is_down else None),
        last_code=result.code,
    )


def _after_answer(state: BankState, result: RunResult, fails: float) -> BankState:
    answered = state.answered + 1
    known = replace(state, last_good_at=result.at, answered=answered)
    if state.outage_since_at is not None and answered < ANSWERS_TO_END:
        return known
    score = max(0.0, state.score + math.log((1 - DOWN_FAILS) / (1 - fails)))
    if state.outage_since_at is not None:
        score = 0.0
    is_over = score == 0.0
    return replace(
        known,
        score=score,
        failed_users=() if is_over else state.failed_users,
        failing_since_at=None if is_over else state.failing_since_at,
        outage_since_at=None,
        answered=0,
    )


_PLAIN_WORDS = {"bank_down": "it does not answer", "provider_down": "the service in between does not answer"}


def plain_words(code: str | None) -> str | None:
    """Return what a code means to a person; None where nothing is known."""
    return None if code is None else _PLAIN_WORDS.get(code, code.replace("_", " "))


def sentence(outage_since_at: datetime | None, users: int, now: datetime) -> str | None:
    """Return what a person is told about their bank; None while nothing is the matter."""
    if outage_since_at is None:
        return None
    since = f"{outage_since_at:%H:%M}" if outage_since_at.date() == now.date() else f"{outage_since_at:%Y-%m-%d %H:%M}"
    whom = "has not answered anybody" if users >= FEWEST_USERS else "has not answered"
    return f"Your bank {whom} since {since} UTC; nothing is wrong with your login."
