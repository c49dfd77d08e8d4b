"""Loads the rows of sources with what a user did to their expenses, and matches the rows of a joined source once."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.sources.meet import meet_rows
from worker.importer.decide.sources.rows import MovableRow, SourceRow, Spans, places_apart
from worker.importer.decide.stored_row import ExpenseState
from worker.importer.store.expenses.rows import IS_EDITED
from worker.importer.store.sources.expense_handover import join_pairs
from worker.importer.store.sources.leading_fields import let_sources_lead
from worker.importer.store.suggestions.ask import PURCHASE

_OWNING = frozenset({ExpenseState.OWN, ExpenseState.LINKED, ExpenseState.TRANSFER})
_ROWS = text(
    f"""SELECT t.id, t.account_id AS source_id, coalesce(t.base_spent_on, t.effective_on) AS "on", t.amount, t.currency,
      coalesce(t.base_notes, concat_ws(' ', t.counterparty, t.description)) AS words, t.state = 'pending' AS pending,
      CAST(t.stated_amounts ->> 'balance_after' AS numeric) AS balance, t.stated_on,
      t.expense_state, t.expense_id, t.twin_id, t.transfer_peer_id,
      t.expense_state = 'linked' OR e.id IS NOT NULL AND {IS_EDITED}
        OR e.id IS NULL AND t.expense_state = 'own' AS touched
    FROM bank_connection_accounts s JOIN bank_transactions t ON t.account_id = s.id AND t.state <> 'removed'
    LEFT JOIN expenses e ON e.id = t.expense_id
    WHERE s.id = ANY(:source_ids) AND (CAST(:since_on AS date) IS NULL OR t.effective_on >= :since_on)
    ORDER BY t.effective_on, t.id"""  # noqa: S608 - a constant
)
_SOURCES = text(
    """SELECT s.id, array_agg(o.id ORDER BY o.id) AS other_ids FROM bank_connection_accounts s
    JOIN bank_connection_accounts o ON o.bank_account_id = s.bank_account_id AND o.id <> s.id
    WHERE s.id IN (SELECT t.account_id FROM bank_transactions t WHERE t.id = ANY(:ids)) GROUP BY s.id ORDER BY s.id"""
)
_APART = text(
    f"""SELECT {PURCHASE.format("t")}, {PURCHASE.format("o")} FROM bank_match_suggestions s
    JOIN bank_transactions t ON t.id = s.transaction_id JOIN bank_transactions o ON o.id = s.other_transaction_id
    WHERE s.user_id = :user_id AND s.kind = 'twin' AND s.status = 'declined'"""  # noqa: S608 - constants
)


def load_movable_rows(session: Session, source_ids: Sequence[int], *, since_on: date | None = None) -> list[MovableRow]:
    """Return the rows of sources, without those that were removed at the bank, in order of days.

    Args:
        since_on: The first day of rows that are wanted; None for all.
    """
    values = {"source_ids": list(source_ids), "since_on": since_on}
    return [_movable(row) for row in session.execute(_ROWS, values).all()]


def pairs_apart(session: Session, user_id: int) -> frozenset[frozenset[int]]:
    """Return pairs of rows with an expense of which a user said that they, or twins of them, are two purchases."""
    return frozenset(frozenset(pair) for pair in session.execute(_APART, {"user_id": user_id}))


def meet_joined_rows(
    session: Session,
    source_id: int,
    other_ids: Sequence[int],
    user_id: int,
    run_id: uuid.UUID | None = None,
    *,
    only: AbstractSet[int] | None = None,
) -> set[str]:
    """Make the rows of a source that was joined after it had some meet those of the others, whatever their days.

    The expense that the user left alone goes; where both were changed, both stay. A row that is a leg of a transfer
    stays one, and the other's expense goes. The source leads from then on where it knows better. Returns the months
    (`YYYY-MM`) of expenses that changed.

    Args:
        run_id: The run in whose history it is noted what met and what leads now, where there is one.
        only: Rows of which each pair has one; None for all pairs.
    """
    ours, theirs = load_movable_rows(session, [source_id]), load_movable_rows(session, other_ids)
    stated_by = _sources_by_purchase([*ours, *theirs])
    new = [row for row in ours if _stands(row)]
    old = [row for row in theirs if _stands(row) and source_id not in stated_by[row.id]]
    spans = Spans.of([row.row for row in ours], [row.row for row in theirs])
    apart = places_apart(new, old, pairs_apart(session, user_id))
    met = meet_rows([row.row for row in new], [row.row for row in old], spans=spans, apart=apart).met
    pairs = [_leg_first(old[one.right], new[one.left]) for one in met]
    wanted = [
        (one, other)
        for one, other in pairs
        if (only is None or one.id in only or other.id in only)
        and not (_is_leg(one) and (_is_leg(other) or other.touched))
        and not (one.touched and other.touched)
        and stated_by[one.id].isdisjoint(stated_by[other.id])
    ]
    months = join_pairs(session, wanted, run_id)
    return months | let_sources_lead(session, [row.id for pair in wanted for row in pair], run_id)


def _stands(row: MovableRow) -> bool:
    """Return whether a row stands for a purchase that the user sees, or that a transfer hides."""
    return row.owns and (row.expense_id is not None or _is_leg(row))


def _is_leg(row: MovableRow) -> bool:
    return row.expense_state == ExpenseState.TRANSFER


def _leg_first(old: MovableRow, new: MovableRow) -> tuple[MovableRow, MovableRow]:
    return (new, old) if _is_leg(new) else (old, new)


def _sources_by_purchase(rows: Sequence[MovableRow]) -> Mapping[int, AbstractSet[int]]:
    """Return which sources state a purchase, by its row with the expense: none states one purchase twice."""
    found: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        found[row.purchase_id].add(row.source_id)
    return found


def meet_again(session: Session, ids: Sequence[int], user_id: int, run_id: uuid.UUID) -> set[str]:
    """Make rows that have an expense again meet those of the other sources, which may have had it meanwhile.

    Returns the months (`YYYY-MM`) of expenses that changed.
    """
    months: set[str] = set()
    for source in session.execute(_SOURCES, {"ids": list(ids)}).all() if ids else ():
        months |= meet_joined_rows(session, source.id, source.other_ids, user_id, run_id, only=frozenset(ids))
    return months


def _movable(row: Sequence[Any]) -> MovableRow:
    # Taken apart at once: of 20,000 rows, asking each for its columns by name takes as long as reading them.
    row_id, source_id, on, amount, currency, words, pending, balance, stated_on, *standing = row
    state, expense_id, twin_id, peer_id, touched = standing
    return MovableRow(
        id=row_id,
        source_id=source_id,
        row=SourceRow(
            on=on,
            amount=amount,
            currency=currency,
            words=words,
            pending=pending,
            balance=balance,
            stated_on=stated_on,
        ),
        expense_state=state,
        owns=state in _OWNING,
        expense_id=expense_id,
        twin_id=twin_id if state == ExpenseState.TWIN else None,
        transfer_peer_id=peer_id,
        touched=bool(touched),
    )
