"""Which new line is what became of a row the bank no longer delivers: posted, with a tip, amended, rewritten.

A row is matched only when the bank withdrew it, or when line and row are evidently one purchase.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.importer.decide.line import Line
from worker.importer.decide.one_to_one import Key, Match, OneToOne, PlacePair, Rating, unambiguous
from worker.importer.decide.reasons import Reason
from worker.importer.decide.similarity import ALIKE, days_apart, similarity
from worker.importer.decide.stored_row import State, StoredRow

MAX_DAYS = 5
"""A posting may be dated this many days from its pending row."""

SURE = 0.75
"""How alike a line must be to a row without an expense, for becoming it means having none."""

_COST_PER_DAY = 0.05
_COST_UNLIKE = 2.0
_BONUS_POSTED = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A stored row without a line of its own.

    Attributes:
        withdrawn: The bank says or proves that the row is gone as it was.
        complete: The provider promises complete windows, so that the absence of a posted row is evidence too.
        cut: The answer should hold the row and does not, but something was cut off, so that nothing is proven.
    """

    known: StoredRow
    withdrawn: bool
    complete: bool
    cut: bool = False


def match_pending_rows(lines: Sequence[Line], candidates: Sequence[Candidate]) -> list[Match[Line, Candidate]]:
    """Match new lines with rows left over, strongest evidence first."""
    matching = OneToOne(lines, candidates)
    matching.choose(
        matching.pairs_by_key(lambda line: line.pending_external_id, lambda candidate: candidate.known.external_id),
        _rate_link,
    )
    matching.choose(
        matching.pairs_by_key(
            lambda line: (line.currency, line.amount),
            lambda candidate: (candidate.known.currency, candidate.known.amount),
        ),
        _rate_same_amount,
    )
    matching.choose(matching.pairs_by_key(lambda line: line.currency, _currency_of_withdrawn), _rate_other_amount)
    matching.choose(_pairs_in_cut_answer(matching), _rate_other_amount)
    return matching.matches


def _currency_of_withdrawn(candidate: Candidate) -> Key:
    return candidate.known.currency if candidate.withdrawn else None


def _pairs_in_cut_answer(matching: OneToOne[Line, Candidate]) -> list[PlacePair]:
    """Pair posted lines with pending rows that a cut answer leaves out: one purchase rather than shown twice.

    Nothing is proven, so the words must agree well and nothing else be near; a row that was only cut off comes again.
    """
    pairs = matching.pairs_by_key(
        lambda line: None if line.pending else line.currency,
        lambda candidate: candidate.known.currency if _is_shown_and_cut_off(candidate) else None,
    )
    near = [pair for pair in pairs if _rate_other_amount(*matching.items(pair)) is not None]
    return [pair for pair in unambiguous(near) if _likeness(*matching.items(pair)) >= SURE]


def _is_shown_and_cut_off(candidate: Candidate) -> bool:
    shown = candidate.known.state == State.PENDING and candidate.known.expense_id is not None
    return shown and candidate.cut and not candidate.withdrawn


def _rate_link(_line: Line, _candidate: Candidate) -> Rating:
    return Rating(0.0, Reason.POSTED_LINK)


def _rate_same_amount(line: Line, candidate: Candidate) -> Rating | None:
    known, days = candidate.known, _days_apart(line, candidate.known)
    if days > MAX_DAYS:
        return None
    alike = _likeness(line, candidate)
    if (known.suppresses_expense and alike < SURE) or (known.has_own_amount and alike < ALIKE):
        return None
    if known.state == State.PENDING:
        return _rate_pending_row(candidate, alike, days)
    if line.pending or not candidate.withdrawn:
        return None
    return _rate_posted_row(line, candidate, alike, days)


def _rate_pending_row(candidate: Candidate, alike: float, days: int) -> Rating | None:
    if alike >= ALIKE:
        return Rating(1 - alike + days * _COST_PER_DAY, Reason.POSTED)
    if candidate.withdrawn:
        return Rating(_COST_UNLIKE - alike + days * _COST_PER_DAY, Reason.POSTED_REWRITTEN)
    return None


def _rate_posted_row(line: Line, candidate: Candidate, alike: float, days: int) -> Rating | None:
    if candidate.complete and alike >= ALIKE:
        return Rating(1 - alike + days * _COST_PER_DAY, Reason.AMENDED)
    if days == 0 and (candidate.complete or line.identity is None):
        # Posted rows seldom vanish: where words agree, this one was rewritten rather than a pending row posted so.
        return Rating(1 - alike - _BONUS_POSTED if alike >= ALIKE else _COST_UNLIKE - alike, Reason.REWRITTEN)
    return None


def _rate_other_amount(line: Line, candidate: Candidate) -> Rating | None:
    """Rate a changed amount: a tip, a fuel pre-authorisation, a correction. The words have to agree."""
    known = candidate.known
    days = _days_apart(line, known)
    required = SURE if known.suppresses_expense else ALIKE
    if days > MAX_DAYS or line.amount * known.amount < 0 or _likeness(line, candidate) < required:
        return None
    larger = max(abs(line.amount), abs(known.amount))
    cost = float(abs(line.amount - known.amount) / larger) if larger else 0.0
    if known.state == State.PENDING:
        return Rating(cost + days * _COST_PER_DAY, Reason.POSTED_AMOUNT)
    if line.pending or not candidate.complete or days > 0:
        return None
    return Rating(cost, Reason.CORRECTED)


def _days_apart(line: Line, known: StoredRow) -> int:
    """Return the nearest of the days both sides state: one may know the purchase, the other only the booking."""
    days = days_apart(line.effective_on, known.effective_on)
    if line.stated_on and known.stated_on:
        days = min(days, days_apart(line.stated_on, known.stated_on))
    return days


def _likeness(line: Line, candidate: Candidate) -> float:
    known = candidate.known
    if line.reference and line.reference == known.reference:
        return 1.0
    return similarity(
        f"{line.counterparty or ''} {line.description}", f"{known.counterparty or ''} {known.description}"
    )
