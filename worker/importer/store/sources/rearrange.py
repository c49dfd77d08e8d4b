"""Pairs equal purchases of two sources of an account anew, where rows are left alone on both sides.

The rule is `decide.sources.rearrange`: in a chain each row gets another partner. The rows of one side have the expenses
afterwards, those of the other side are their twins. One of the two rows that were alone loses its expense.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.account_state import AccountState
from worker.importer.decide.expenses.from_line import month
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.sources.rearrange import PairChain, find_chains
from worker.importer.decide.sources.rows import MovableRow, places_apart
from worker.importer.decide.stored_row import ExpenseState
from worker.importer.store.expenses.rows import delete_expenses
from worker.importer.store.expenses.user_expenses import load_spans
from worker.importer.store.rows.changes import record_without_line
from worker.importer.store.rows.load import load_in_full
from worker.importer.store.sources.expense_handover import HandOver, become_twins, hand_over
from worker.importer.store.sources.joined_rows import load_movable_rows, pairs_apart
from worker.importer.store.sources.leading_fields import let_sources_lead
from worker.importer.store.write_target import WriteTarget

ALONE = """alone AS MATERIALIZED (
      SELECT t.id, a.id = :account_id AS is_ours, t.amount, t.currency, t.effective_on,
        t.expense_id IS NOT NULL AS is_shown
      FROM bank_connection_accounts a JOIN bank_transactions t ON t.account_id = a.id AND t.effective_on >= :since_on
      WHERE a.bank_account_id = :bank_account_id AND t.state <> 'removed' AND t.expense_state IN ('own', 'linked')
        AND EXISTS (SELECT FROM bank_connection_accounts o WHERE o.bank_account_id = a.bank_account_id AND o.id <> a.id)
        AND NOT EXISTS (SELECT FROM bank_transactions w
          WHERE w.twin_id = t.id AND w.account_id <> t.account_id AND w.expense_state = 'twin' AND w.state <> 'removed')
        AND NOT EXISTS (SELECT FROM bank_match_suggestions s WHERE s.kind = 'twin' AND s.status = 'open'
          AND (s.transaction_id = t.id OR s.other_transaction_id = t.id))
    )"""
"""Rows of an account's sources that no other source confirms; none that a user was asked about."""

# Selects amounts that both sides have such rows of. Two that differ may have met each other's: each side has one row of
# a pair of two amounts, and the other amount alone.
_ALONE = text(
    f"""WITH {ALONE}, unlike AS MATERIALIZED (
      SELECT v.is_ours, v.amount, t.currency
      FROM bank_connection_accounts a JOIN bank_transactions w ON w.account_id = a.id AND w.effective_on >= :since_on
        AND w.expense_state = 'twin' AND w.state <> 'removed'
      JOIN bank_transactions t ON t.id = w.twin_id AND t.account_id <> w.account_id
        AND t.amount <> w.amount AND t.currency = w.currency
      CROSS JOIN LATERAL (VALUES (a.id = :account_id, t.amount), (a.id <> :account_id, w.amount)) v(is_ours, amount)
      WHERE a.bank_account_id = :bank_account_id AND EXISTS (SELECT FROM alone)
    )
    SELECT id FROM (
      SELECT id, bool_or(is_ours) OVER equal AND bool_or(NOT is_ours) OVER equal AS has_other FROM alone
      WINDOW equal AS (PARTITION BY amount, currency)
    ) t WHERE has_other
    UNION SELECT id FROM alone JOIN unlike USING (is_ours, amount, currency)"""  # noqa: S608 - a constant
)


def let_equal_rows_meet(
    session: Session, account: AccountState, other_ids: Sequence[int], target: WriteTarget, since_on: date
) -> set[str]:
    """Make as many of the rows since a day meet as the source with fewer of them has.

    Returns the months (`YYYY-MM`) whose expenses changed.

    Args:
        account: The source that was read.
        other_ids: The other sources of its account.
        since_on: The day.
    """
    values = {"account_id": account.id, "bank_account_id": account.bank_account_id, "since_on": since_on}
    alone = frozenset(session.execute(_ALONE, values).scalars())
    if not alone:
        return set()
    ours = load_movable_rows(session, [account.id], since_on=since_on)
    theirs = load_movable_rows(session, other_ids, since_on=since_on)
    lefts, rights, present = _sides(ours, theirs, alone)
    chains = find_chains(
        [row.row for row in lefts],
        [row.row for row in rights],
        present,
        load_spans(session, account, ()),
        places_apart(lefts, rights, pairs_apart(session, target.user_id)),
    )
    return _write(session, target, [passed for chain in chains if (passed := _passed(chain, lefts, rights, present))])


def _sides(
    ours: Sequence[MovableRow], theirs: Sequence[MovableRow], alone: frozenset[int]
) -> tuple[list[MovableRow], list[MovableRow], dict[int, int]]:
    """Return the rows of both sides that have met or are alone, and the pairs there are, by their places.

    The first of several sources that confirm one row stands for them. Legs of transfers stay as they are. Amounts of
    which no row is alone show nothing but the days between the sources, where they occur once.
    """
    lefts = [row for row in ours if row.id in alone]
    rights = [row for row in theirs if row.id in alone]
    often = Counter(row.row.amount for row in ours)
    wanted = {row.row.amount for row in lefts} | {amount for amount, rows in often.items() if rows == 1}
    present: dict[int, int] = {}
    owners = {row.id: row for row in (*ours, *theirs) if row.owns and row.expense_state != ExpenseState.TRANSFER}
    our_ids, confirmed = {row.id for row in ours}, set[int]()
    for row in (*ours, *theirs):
        owner = owners.get(row.twin_id or 0)
        if owner is None or (row.id in our_ids) == (owner.id in our_ids) or owner.id in confirmed:
            continue
        if wanted.isdisjoint((owner.row.amount, row.row.amount)):
            continue
        confirmed.add(owner.id)
        present[len(lefts)] = len(rights)
        lefts.append(row if row.id in our_ids else owner)
        rights.append(owner if row.id in our_ids else row)
    return lefts, rights, present


@dataclass(frozen=True, slots=True, kw_only=True)
class _Passed:
    """A chain with the side that has the expenses afterwards.

    Attributes:
        loser: The row whose expense goes.
        pairs: Each row that is a twin afterwards, the loser first, with the row that has the expense then.
        handed: Rows that had an expense, each with its present partner, which takes it first.
    """

    loser: MovableRow
    pairs: Sequence[tuple[MovableRow, MovableRow]]
    handed: Sequence[tuple[MovableRow, MovableRow]]


def _passed(
    chain: PairChain, lefts: Sequence[MovableRow], rights: Sequence[MovableRow], present: Mapping[int, int]
) -> _Passed | None:
    """Decide which side keeps the expenses: not that of an expense which can go; None when neither can."""
    left, right = lefts[chain.first_left], rights[chain.last_right]
    old = [(lefts[place], rights[present[place]]) for place, _ in chain.pairs[1:]]
    new = [(lefts[one], rights[other]) for one, other in chain.pairs]
    turned = [(other, one) for one, other in reversed(new)]
    ways = (
        _Passed(loser=left, pairs=new, handed=[(one, other) for one, other in old if one.owns]),
        _Passed(loser=right, pairs=turned, handed=[(other, one) for one, other in old if other.owns]),
    )
    return next((way for way in ways if _can_go(way)), None)


def _can_go(way: _Passed) -> bool:
    """Return whether an expense can go this way, and none goes to a row of another amount."""
    loser, alike = way.loser, all(one.row.amount == other.row.amount for one, other in way.handed)
    return loser.expense_state == ExpenseState.OWN and loser.expense_id is not None and not loser.touched and alike


def _write(session: Session, target: WriteTarget, found: Sequence[_Passed]) -> set[str]:
    losers = load_in_full(session, [passed.loser.id for passed in found])  # locks their expenses
    passed = [one for one in found if (loser := losers[one.loser.id]).expense is not None and not loser.changed_by_user]
    if not passed:
        return set()
    lost = [losers[one.loser.id] for one in passed]
    record_without_line(session, lost, target.run_id, Decision.LINKED, Reason.SAME_ACCOUNT_TWIN)
    handed = [HandOver.of(row, other.id) for one in passed for row, other in one.handed]
    hand_over(session, handed, target.run_id, reason=Reason.TWIN_TOOK_OVER)
    pairs = [pair for one in passed for pair in one.pairs]
    become_twins(session, [(owner.id, twin.id) for twin, owner in pairs], target.run_id)
    delete_expenses(session, (row.expense_id for row in lost), target.run_id)
    months = {month(row.expense) for row in lost if row.expense is not None}
    return months | let_sources_lead(session, [twin.id for twin, _ in pairs], target.run_id)
