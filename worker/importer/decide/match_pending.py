"""Which new line is what became of a row that the bank no longer delivers: posted, amended, rewritten. Pure.

A wrong choice here never changes how many rows there are beyond the evidence: a row is taken over only when the bank
withdrew it, or when line and row are evidently one purchase.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from worker.importer.decide.line import Line
from worker.importer.decide.similarity import ALIKE, Match, bucketed, choose, days_apart, lonely, similarity, without
from worker.importer.decide.stored_row import State, StoredRow

MAX_DAYS = 5
"""A posting may be dated this many days from its pending row."""

SURE = 0.75
"""How alike a line must be to a row without an expense, for taking it over means having none."""

_PER_DAY = 0.05
_UNLIKE = 2.0
_SELDOM = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A known row that found no partner. withdrawn: the bank says or proves that the row is gone as it was.

    complete: the provider promises that its windows are complete, so that a posted row's absence is evidence too.
    cut: the answer should hold the row and does not, but was cut, so that nothing is proven.
    """

    known: StoredRow
    withdrawn: bool
    complete: bool
    cut: bool = False


Rate = Callable[[Line, Candidate], tuple[float, str] | None]


def match_pending_rows(lines: Sequence[Line], candidates: Sequence[Candidate]) -> list[Match[Line, Candidate]]:
    """Match new lines with rows left over, strongest evidence first, one-to-one."""
    matches: list[Match[Line, Candidate]] = []
    for pairs, rate in (
        (_linked, _by_link),
        (_same_amount, _by_amount),
        (_same_currency, _by_words),
        (_in_a_cut_answer, _by_words),
    ):
        found = choose(pairs(lines, candidates), rate)
        matches += found
        lines = without(lines, (match.left for match in found))
        candidates = without(candidates, (match.right for match in found))
    return matches


def _linked(lines: Iterable[Line], candidates: Iterable[Candidate]) -> Iterator[tuple[Line, Candidate]]:
    linked = [line for line in lines if line.pending_external_id is not None]
    return bucketed(linked, candidates, lambda line: line.pending_external_id, lambda c: c.known.external_id)


def _same_amount(lines: Iterable[Line], candidates: Iterable[Candidate]) -> Iterator[tuple[Line, Candidate]]:
    return bucketed(
        lines, candidates, lambda line: (line.currency, line.amount), lambda c: (c.known.currency, c.known.amount)
    )


def _same_currency(lines: Iterable[Line], candidates: Iterable[Candidate]) -> Iterator[tuple[Line, Candidate]]:
    withdrawn = [candidate for candidate in candidates if candidate.withdrawn]
    return bucketed(lines, withdrawn, lambda line: line.currency, lambda c: c.known.currency)


def _in_a_cut_answer(lines: Iterable[Line], candidates: Iterable[Candidate]) -> Iterator[tuple[Line, Candidate]]:
    """A booked line beside a pending row that a cut answer leaves out: one purchase rather than shown twice.

    Nothing is proven, so the words must agree well and nothing else be near; a row that was only cut off comes again.
    """
    booked = [line for line in lines if not line.pending]
    shown = [c for c in candidates if c.known.state == State.PENDING and c.known.expense_id is not None]
    doubtful = [c for c in shown if c.cut and not c.withdrawn]
    near = [
        (line, candidate)
        for line, candidate in bucketed(booked, doubtful, lambda line: line.currency, lambda c: c.known.currency)
        if _by_words(line, candidate) is not None
    ]
    return iter([(a, b) for a, b in lonely(near) if _alike(a, b.known) >= SURE])


def _by_link(_line: Line, _candidate: Candidate) -> tuple[float, str]:
    return 0.0, "posted_link"


def _by_amount(line: Line, candidate: Candidate) -> tuple[float, str] | None:
    known, days = candidate.known, _days(line, candidate.known)
    if days > MAX_DAYS:
        return None
    alike = _alike(line, known)
    if (known.swallows and alike < SURE) or (known.has_own_amount and alike < ALIKE):
        return None
    if known.state == State.PENDING:
        return _pending_by_amount(candidate, alike, days)
    if line.pending or not candidate.withdrawn:
        return None
    return _posted_by_amount(line, candidate, alike, days)


def _posted_by_amount(line: Line, candidate: Candidate, alike: float, days: int) -> tuple[float, str] | None:
    if candidate.complete and alike >= ALIKE:
        return 1 - alike + days * _PER_DAY, "amended"
    if days == 0 and (candidate.complete or line.identity is None):
        # Booked rows seldom vanish: where words agree, this one was rewritten rather than a pending row booked so.
        return (1 - alike - _SELDOM if alike >= ALIKE else _UNLIKE - alike), "rewritten"
    return None


def _pending_by_amount(candidate: Candidate, alike: float, days: int) -> tuple[float, str] | None:
    if alike >= ALIKE:
        return 1 - alike + days * _PER_DAY, "posted"
    if candidate.withdrawn:
        return _UNLIKE - alike + days * _PER_DAY, "posted_rewritten"
    return None


def _by_words(line: Line, candidate: Candidate) -> tuple[float, str] | None:
    """A changed amount: a tip, a fuel pre-authorisation, a correction. The words have to agree."""
    known = candidate.known
    days = _days(line, known)
    if days > MAX_DAYS or line.amount * known.amount < 0 or _alike(line, known) < (SURE if known.swallows else ALIKE):
        return None
    larger = max(abs(line.amount), abs(known.amount))
    cost = float(abs(line.amount - known.amount) / larger) if larger else 0.0
    if known.state == State.PENDING:
        return cost + days * _PER_DAY, "posted_amount"
    if line.pending or not candidate.complete or days > 0:
        return None
    return cost, "corrected"


def _days(line: Line, known: StoredRow) -> int:
    """The nearest of the days both sides state: one may know the purchase, the other only the booking."""
    days = days_apart(line.effective_on, known.effective_on)
    if line.stated_on and known.stated_on:
        days = min(days, days_apart(line.stated_on, known.stated_on))
    return days


def _alike(line: Line, known: StoredRow) -> float:
    if line.reference and line.reference == known.reference:
        return 1.0
    return similarity(
        f"{line.counterparty or ''} {line.description}", f"{known.counterparty or ''} {known.description}"
    )
