"""Matches new lines with expenses that the user already has: typed in, from a file, or of another source.

Rows of another source of the same account meet one-to-one (`decide.sources.meet`). An expense of the user's own is the
same purchase with the same day (any that the bank states), amount, currency, direction and merchant, or with the same
amount within three days, similar words and no other candidate. Anything less: both are kept, with a suggestion.
"""

from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import NamedTuple

from worker.importer.decide.balances.running import balance_after
from worker.importer.decide.compare.one_to_one import MAX_CANDIDATES, Key, Match, OneToOne, PlacePair, Rating
from worker.importer.decide.compare.text_similarity import ALIKE, SURE, days_apart, similarity
from worker.importer.decide.decisions import ExpenseEffect
from worker.importer.decide.expenses.from_line import expense_from_line, has_expense, type_of
from worker.importer.decide.read.identity import folded_text
from worker.importer.decide.read.line import Line
from worker.importer.decide.reasons import Reason
from worker.importer.decide.sources.meet import meet_rows
from worker.importer.decide.sources.rows import MAX_DAYS_ALIKE, SourceRow, Spans
from worker.importer.decide.sources.unlike import MAX_DAYS_LATE
from worker.importer.decide.stored_row import ExpenseState
from worker.words import payment_text

MAX_DAYS = 3
"""An expense of the user's own is at most so many days from the bank's row."""

MAX_DAYS_ASKED = MAX_DAYS_LATE
"""One that is further away, up to so many days, and names the same merchant (`SURE`) is asked about: where no other one
is as near, a bank may have booked it late."""

MAX_DAYS_SPLIT = 7
"""An expense is taken for the rest of an imported one that the user split when both are at most so many days apart."""

MAX_DAYS_OF_ANY = max(MAX_DAYS_ASKED, MAX_DAYS_ALIKE)
"""So many days around a row hold all it may match: expenses of the user's own, and rows of other sources."""

_COST_PER_DAY = 0.1
_OTHER_DAYS = tuple(attrgetter(name) for name in ("transaction_on", "value_on", "stated_on"))


class Partner(NamedTuple):
    """What a row is matched with: an expense of the user's own, or the row of another source."""

    expense_id: int | None
    twin_id: int | None


class Asked(NamedTuple):
    """Pairs of the id of a row and a partner about which a user was asked.

    Attributes:
        open: Both wait for the answer.
        answered: The user parted them, or matched them once. Either may be matched with another one.
    """

    open: frozenset[tuple[int, Partner]] = frozenset()
    answered: frozenset[tuple[int, Partner]] = frozenset()

    def apart(self, row_ids: Sequence[int | None]) -> frozenset[tuple[int, Partner]]:
        """Return the answered pairs by the places of these rows; None stands for one that is not stored yet."""
        places = {row_id: place for place, row_id in enumerate(row_ids)}
        return frozenset((places[row_id], partner) for row_id, partner in self.answered if row_id in places)


NOBODY_WAS_ASKED = Asked()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterpart:
    """What a new line may be matched with: an expense of the user's own, or a row of another source of the account.

    Attributes:
        expense_id: None where the row of the other source has none, because it is a transfer or the user deleted it.
        twin_id: The row of another source of the same account that has it; None for the user's own.
        balance: The account's balance after that row, where its source states it.
        stated_on: The first day that the bank states of that row.
        pending: That row is pending.
        is_split_off: An imported expense nearby lacks exactly this amount: the user split it, and this is the rest.
    """

    expense_id: int | None
    amount: Decimal
    currency: str
    expense_type: str
    notes: str
    spent_on: date
    twin_id: int | None = None
    balance: Decimal | None = None
    stated_on: date | None = None
    pending: bool = False
    is_split_off: bool = False

    @property
    def partner(self) -> Partner:
        """What a row that matches is matched with."""
        return Partner(self.expense_id if self.twin_id is None else None, self.twin_id)

    @property
    def effect(self) -> ExpenseEffect:
        """What a match does to the row: the user's own expense stands for it, or the row of another source."""
        expense_id, twin_id = self.partner
        state = ExpenseState.LINKED if twin_id is None else ExpenseState.TWIN
        return ExpenseEffect(state=state, link_expense_id=expense_id, twin_id=twin_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserExpenses:
    """What the user has for the lines of a slice, and what is known about the pairs.

    Attributes:
        counterparts: Expenses that the lines may be matched with.
        spans: The days of this source and of the account's others, where there are rows of others.
        rivals: Stored rows of this source that may be the purchases of others' rows as well as new lines.
        asked: Pairs of a stored row and a partner about which the user was asked.
    """

    counterparts: Sequence[Counterpart] = ()
    spans: Spans | None = None
    rivals: Sequence[SourceRow] = ()
    asked: Asked = NOBODY_WAS_ASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpenseMatches:
    """Certain matches, and pairs that a user should decide."""

    matches: Sequence[Match[Line, Counterpart]] = ()
    suggestions: Sequence[Match[Line, Counterpart]] = ()


def match_user_expenses(
    lines: Sequence[Line],
    expenses: Sequence[Counterpart],
    spans: Spans | None = None,
    *,
    apart: AbstractSet[tuple[int, Partner]] = frozenset(),
    rivals: Sequence[SourceRow] = (),
) -> ExpenseMatches:
    """Match new lines with existing expenses; no expense and no line is matched twice.

    Args:
        lines: Lines that are about to get an expense.
        expenses: What the user has.
        spans: The days of this source and of the account's others.
        apart: Pairs that a user parted, by the place of the line. Either may still be matched with another one.
        rivals: Rows of this source that are stored and have no twin. Rows of other sources are theirs where they fit
            better, so that a later row is decided as if all had come at once.
    """
    twins, doubtful = _match_twins(lines, expenses, spans, apart, rivals)
    matching = OneToOne(lines, expenses)
    matching.take(twins)
    parted = _places_apart(expenses, apart)
    near = partial(matching.pairs_by_key_and_day, _key_of_line, _key_of_expense, most=MAX_CANDIDATES, apart=parted)
    only = partial(matching.only_pairs_by_key_and_day, _key_of_line, _key_of_expense, apart=parted)
    matching.choose(near(0), _rate_same_day)
    for of_day in (partial(_key_of_line_on, day_of) for day_of in _OTHER_DAYS):
        pairs = matching.pairs_by_key_and_day(of_day, _key_of_expense, 0, most=MAX_CANDIDATES, apart=parted)
        matching.choose(pairs, _rate_same_day)
    matching.choose(matching.pairs_in_order(_text_of_line, _text_of_expense, apart=parted), _rate_same_day)
    matching.choose(only(MAX_DAYS), _rate_only_candidate)
    certain = list(matching.matches)
    taken = {match.left_place for match in certain}
    asked = [match for match in doubtful if match.left_place not in taken]
    rest = matching.choose(near(MAX_DAYS), _rate_suggestion)
    for days in sorted(range(-MAX_DAYS, MAX_DAYS + 1), key=abs):
        in_order = matching.pairs_in_order(_key_of_line, _key_of_expense, days_later=days, apart=parted)
        rest += matching.choose(in_order, _rate_suggestion)
    rest += matching.choose(only(MAX_DAYS_ASKED), _rate_far)
    return ExpenseMatches(matches=certain, suggestions=[*asked, *rest])


def _match_twins(
    lines: Sequence[Line],
    expenses: Sequence[Counterpart],
    spans: Spans | None,
    apart: AbstractSet[tuple[int, Partner]],
    rivals: Sequence[SourceRow],
) -> tuple[list[Match[Line, Counterpart]], list[Match[Line, Counterpart]]]:
    """Pair lines with the rows of other sources of the same account; return what is certain and what is not."""
    places = [place for place, expense in enumerate(expenses) if expense.twin_id is not None]
    if not places:
        return [], []
    visible = {place: row for place, line in enumerate(lines) if (row := _row_of_line(line)) is not None}
    line_places = list(visible)
    rows, others = [visible[place] for place in line_places], [_row_of_expense(expenses[place]) for place in places]
    left_of = {place: left for left, place in enumerate(line_places)}
    right_of = {expenses[place].partner: right for right, place in enumerate(places)}
    parted = frozenset((left_of[p], right_of[o]) for p, o in apart if p in left_of and o in right_of)
    meetings = meet_rows([*rows, *rivals], others, spans=spans, apart=parted)
    met, doubtful = (
        [(line_places[meeting.left], places[meeting.right]) for meeting in pairs if meeting.left < len(rows)]
        for pairs in (meetings.met, meetings.doubtful)
    )
    return (
        [Match(lines[left], expenses[right], Reason.SAME_ACCOUNT_TWIN, left, right) for left, right in met],
        [Match(lines[left], expenses[right], _doubt(expenses[right]), left, right) for left, right in doubtful],
    )


def _doubt(expense: Counterpart) -> Reason:
    """Return why a user is asked about the row of another source: who says yes hides what that one hides."""
    return Reason.MAYBE_HIDDEN if expense.expense_id is None else Reason.MAYBE_TWIN


def _row_of_line(line: Line) -> SourceRow | None:
    wanted = expense_from_line(line, pending_hidden=False)
    if wanted is None:
        return None
    return SourceRow(
        on=wanted.spent_on,
        amount=_signed(wanted.amount, wanted.expense_type),
        currency=wanted.currency,
        words=wanted.notes or "",
        pending=line.pending,
        balance=balance_after(line.stated_amounts),
        stated_on=line.stated_on,
    )


def _row_of_expense(expense: Counterpart) -> SourceRow:
    return SourceRow(
        on=expense.spent_on,
        amount=_signed(expense.amount, expense.expense_type),
        currency=expense.currency,
        words=expense.notes,
        pending=expense.pending,
        balance=expense.balance,
        stated_on=expense.stated_on,
    )


def _signed(amount: Decimal, expense_type: str) -> Decimal:
    return amount if expense_type == "INCOME" else -amount


def _places_apart(expenses: Sequence[Counterpart], apart: AbstractSet[tuple[int, Partner]]) -> AbstractSet[PlacePair]:
    """Return the pairs that somebody parted by both places."""
    places: dict[Partner, list[int]] = defaultdict(list)
    for place, expense in enumerate(expenses if apart else ()):
        places[expense.partner].append(place)
    return {(line_place, place) for line_place, partner in apart for place in places[partner]}


def _key_of_line(line: Line) -> tuple[Key, date]:
    shown = has_expense(line, pending_hidden=False)
    return (line.expense_amount, line.currency, type_of(line)) if shown else None, line.effective_on


def _key_of_line_on(day_of: "attrgetter[date | None]", line: Line) -> tuple[Key, date]:
    on = day_of(line)
    return (None, line.effective_on) if on in (None, line.effective_on) else (_key_of_line(line)[0], on)


def _key_of_expense(expense: Counterpart) -> tuple[Key, date]:
    if expense.twin_id is not None:
        return None, expense.spent_on
    return (expense.amount, expense.currency, expense.expense_type), expense.spent_on


def _text_of_line(line: Line) -> tuple[Key, date]:
    money, on = _key_of_line(line)
    return money and (money, folded_text(payment_text(line))), on


def _text_of_expense(expense: Counterpart) -> tuple[Key, date]:
    money, on = _key_of_expense(expense)
    return money and (money, folded_text(expense.notes)), on


def _rate_alike(line: Line, expense: Counterpart, reason: Reason) -> Rating | None:
    """Rate a pair that names the same merchant. An expense that is a part of another, split purchase is left out."""
    alike = _likeness(line, expense)
    return None if alike < ALIKE or expense.is_split_off else Rating(1 - alike, reason)


_rate_same_day = partial(_rate_alike, reason=Reason.SAME_EXPENSE)
_rate_only_candidate = partial(_rate_alike, reason=Reason.LIKELY_EXPENSE)


def _rate_suggestion(line: Line, expense: Counterpart) -> Rating:
    days = days_apart(line.effective_on, expense.spent_on)
    reason = Reason.SIMILAR_EXPENSE if days else Reason.SAME_AMOUNT_AND_DAY
    return Rating(1 - _likeness(line, expense) + days * _COST_PER_DAY, reason)


def _rate_far(line: Line, expense: Counterpart) -> Rating | None:
    rating = _rate_alike(line, expense, Reason.SIMILAR_EXPENSE)
    return rating if rating is not None and rating.cost <= 1 - SURE else None


def _likeness(line: Line, expense: Counterpart) -> float:
    return similarity(payment_text(line), expense.notes)
