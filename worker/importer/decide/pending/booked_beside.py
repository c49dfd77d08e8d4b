"""Finds the posted row that a pending one became although the bank delivered both, and what it inherits.

Nothing tells such a pair from two purchases while both are delivered without a link or a common id: both are expenses,
and the user is asked. When the pending row goes, one posted row that came beside it and says the same is what became
of it, and what the user changed in the expense of the pending row holds for that of the posted one. What the user
deleted is asked about until they answer, because the posted row may be a purchase that nobody has seen.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from worker.importer.decide.compare.amounts import MAX_SHARE_UNSEEN, share_apart
from worker.importer.decide.compare.one_to_one import unambiguous
from worker.importer.decide.compare.text_similarity import SURE, similarity
from worker.importer.decide.decisions import ExpenseEffect
from worker.importer.decide.expenses.user_edits import merge_user_edits
from worker.importer.decide.pending.match_posted import MAX_DAYS_TO_POST
from worker.importer.decide.stored_row import ExpenseState, State, StoredRow
from worker.words import payment_text

Pairs: TypeAlias = Sequence[tuple[StoredRow, StoredRow]]
"""A pending row with a posted one that may be what it became."""

MAX_PENDING_DAYS = 31
"""A row that is pending for longer is booked or called off, whatever the provider says of it: no hold lasts so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsBeside:
    """Pending rows with the posted ones that they may have become.

    Attributes:
        pairs: All of them, but for those that the user parted.
        came_after: Those whose posted row came after the pending one, by their ids.
        asked: Those that are or were a question, by their ids: both rows had an expense then.
        common_words: Words that most texts of the account have.
    """

    pairs: Pairs = ()
    came_after: frozenset[tuple[int, int]] = frozenset()
    asked: frozenset[tuple[int, int]] = frozenset()
    common_words: frozenset[str] = frozenset()

    @property
    def that_came_after(self) -> Pairs:
        """The pairs whose posted row came after the pending one."""
        return [pair for pair in self.pairs if ids_of(pair) in self.came_after]


def ids_of(pair: tuple[StoredRow, StoredRow]) -> tuple[int, int]:
    """Return the ids of a pending and a posted row."""
    return pair[0].id, pair[1].id


def match_booked_beside(beside: Pairs, common_words: frozenset[str] = frozenset()) -> Pairs:
    """Return the pairs that are evidently one purchase: neither row has another candidate.

    Args:
        beside: Each row that is pending, or was until it went, with every posted row that came after it, took no other
            row's place and was not parted from it by the user. Two rows that are no pair here are two purchases.
        common_words: Words that most texts of the account have. They name no merchant.
    """
    fitting = {
        (pending.id, posted.id): (pending, posted)
        for pending, posted in beside
        if pending.amount == posted.amount and _may_be_booked_as(pending, posted, common_words)
    }
    return [fitting[ids] for ids in unambiguous(list(fitting))]


def pairs_in_doubt(
    beside: Pairs, asked: Collection[tuple[int, int]] = (), common_words: frozenset[str] = frozenset()
) -> Pairs:
    """Return the pairs of equal amount that may be one purchase, at most one of each row: the first with the first.

    Args:
        beside: Rows that are pending, or were when the user deleted their expense, each with every posted row that it
            may be.
        asked: Ids of the pairs about which the user is asked already; they stay.
        common_words: Words that most texts of the account have.
    """
    equal = [pair for pair in beside if pair[0].amount == pair[1].amount and is_doubtful(*pair, common_words)]
    equal.sort(key=lambda pair: _rank(pair, asked))
    chosen: list[tuple[StoredRow, StoredRow]] = []
    taken: set[int] = set()
    for pending, posted in equal:
        if taken.isdisjoint({pending.id, posted.id}):
            taken |= {pending.id, posted.id}
            chosen.append((pending, posted))
    return chosen


def _rank(pair: tuple[StoredRow, StoredRow], asked: Collection[tuple[int, int]]) -> tuple[object, ...]:
    """Return which pair is chosen before others; a row that is pending has its booking before one that went."""
    pending, posted = pair
    days = ((row.days.day, row.id) for row in pair)
    return (pending.id, posted.id) not in asked, pending.state == State.REMOVED, *days


def are_two_expenses(pending: StoredRow, posted: StoredRow) -> bool:
    """Return whether both rows are expenses, or hidden as twins of two, or one of them as the leg of a transfer."""
    if pending.expense_state == posted.expense_state == ExpenseState.TRANSFER:
        return False
    hidden = (ExpenseState.TRANSFER, ExpenseState.TWIN)
    return all(row.expense_id is not None or row.expense_state in hidden for row in (pending, posted))


def _may_be_booked_as(pending: StoredRow, posted: StoredRow, common_words: frozenset[str] = frozenset()) -> bool:
    """Return whether a posted row names the same merchant within the days in which a pending one is booked."""
    near = any(0 <= days <= MAX_DAYS_TO_POST for days in posted.days.days_after(pending.days))
    same_money = posted.currency == pending.currency and posted.amount * pending.amount > 0
    return near and same_money and similarity(payment_text(pending), payment_text(posted), common=common_words) >= SURE


def is_doubtful(pending: StoredRow, posted: StoredRow, common_words: frozenset[str]) -> bool:
    """Return whether a posted row may be what a pending one became: a text that names no merchant may mean any."""
    named = all(similarity(payment_text(row), payment_text(row), common=common_words) for row in (pending, posted))
    return _may_be_booked_as(pending, posted, common_words if named else frozenset())


def are_about_equal(pending: StoredRow, posted: StoredRow) -> bool:
    """Return whether the amounts differ by no more than a tip."""
    return share_apart(pending.amount, posted.amount) <= MAX_SHARE_UNSEEN


def is_hidden(pending: StoredRow, posted: StoredRow, common_words: frozenset[str] = frozenset()) -> bool:
    """Return whether a posted row is no expense while the user is asked, who deleted that of a pending row beside it.

    Both are one purchase until the user says that they are two, also when the bank took the pending row back: it told
    both, or none for a while, so that the posted one may be another purchase that nobody has seen.
    """
    own = posted.expense_state == ExpenseState.OWN and not posted.changed_by_user
    return pending.deleted_by_user and own and _may_be_booked_as(pending, posted, common_words)


def inherited_effect(
    pending: StoredRow, posted: StoredRow, typed_expense_id: int | None, *, were_both_shown: bool = False
) -> ExpenseEffect | None:
    """Return what becomes of the expense of a posted row; None where it stays as it is.

    Args:
        pending: The row that went, with the expense that it had.
        posted: The row that it became.
        typed_expense_id: The expense that the user had typed for the pending row, and that is free now.
        were_both_shown: Both were expenses, so that who deleted one of them deleted a double.
    """
    if posted.expense_state != ExpenseState.OWN or posted.base is None or posted.changed_by_user:
        return None
    if typed_expense_id is not None:
        return ExpenseEffect(state=ExpenseState.LINKED, link_expense_id=typed_expense_id, drop=True)
    if pending.deleted_by_user:
        return None if were_both_shown else ExpenseEffect(state=ExpenseState.OWN, drop=True)
    if pending.expense is None or pending.base is None:
        return None
    merged = merge_user_edits(pending.base, pending.expense, posted.base).expense
    if merged == posted.expense and pending.category_id is None:
        return None
    return ExpenseEffect(state=ExpenseState.OWN, write=merged)
