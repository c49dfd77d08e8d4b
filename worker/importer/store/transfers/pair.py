"""Finds and pairs both legs of a transfer between two accounts of one user, so that neither counts as spending.

The rules are in `decide.transfers.match`; this file reads candidates, pairs what is certain and asks about the rest.
"""

import uuid
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker.importer.decide.compare.one_to_one import Match
from worker.importer.decide.plan import Plan
from worker.importer.decide.reasons import Reason
from worker.importer.decide.stored_row import State
from worker.importer.decide.transfers.evidence import TransferLeg
from worker.importer.decide.transfers.match import match_transfers
from worker.importer.decide.transfers.rounds import MAX_DAYS_NAMED
from worker.importer.store.expenses.own_expenses import give_expenses
from worker.importer.store.rows.bulk import array_text
from worker.importer.store.sources.expense_handover import let_follow
from worker.importer.store.transfers.hidden_legs import ask_about_legs, pair_legs
from worker.importer.store.transfers.legs import LEG, MAY_BE_LEG, accounts_with_rows, days_around, load_asked, read_leg
from worker.importer.store.transfers.unequal import pair_unequal_legs
from worker.importer.store.write_target import WriteTarget, Written

_NEAR = timedelta(days=MAX_DAYS_NAMED)
_CHAIN = timedelta(days=31)
"""Legs have other candidates, and those again: what is further away changes nothing."""

# Rows of two sources of one account are no transfer.
_OF_ANOTHER = """a.id <> :account_id AND a.bank_account_id IS DISTINCT FROM
    (SELECT n.bank_account_id FROM bank_connection_accounts n WHERE n.id = :account_id)"""
_OURS = text(
    f"""SELECT t.amount, t.effective_on AS "on" FROM bank_transactions t
    WHERE t.id = ANY(CAST(:ids AS bigint[])) AND {MAY_BE_LEG} AND t.amount <> 0"""  # noqa: S608 - a constant
)
_THEIRS = text(
    f"""SELECT t.amount, t.effective_on AS "on"
    FROM bank_transactions t JOIN bank_connection_accounts a ON a.id = t.account_id
    WHERE t.user_id = :user_id AND {_OF_ANOTHER} AND {MAY_BE_LEG}
      AND t.effective_on BETWEEN :from_on AND :to_on AND t.amount = ANY(CAST(:amounts AS numeric[]))"""  # noqa: S608
)
# Rows of all accounts, ours too: which of several is the leg depends on how many there are on either side.
_LEGS = text(
    f"""{LEG} WHERE t.user_id = :user_id AND {MAY_BE_LEG}
      AND t.effective_on BETWEEN :from_on AND :to_on AND t.amount = ANY(CAST(:amounts AS numeric[]))"""
)
# Each amount of a day once: of thousands of rows of one amount there are millions of pairs.
_UNPAIRED = text(
    f"""WITH others AS MATERIALIZED (
      SELECT DISTINCT t.amount, t.effective_on FROM bank_connection_accounts a
      JOIN bank_transactions t ON t.account_id = a.id AND t.effective_on >= CAST(:since_on AS date) - :max_days
      WHERE a.user_id = :user_id AND {_OF_ANOTHER} AND {MAY_BE_LEG}
    ), ours AS MATERIALIZED (
      SELECT t.id, t.amount, t.effective_on FROM bank_transactions t
      WHERE t.account_id = :account_id AND t.effective_on >= :since_on AND {MAY_BE_LEG} AND t.amount <> 0
        AND EXISTS (SELECT 1 FROM others)
    )
    SELECT t.id FROM ours t WHERE EXISTS (SELECT 1 FROM others o WHERE o.amount = -t.amount
      AND o.effective_on BETWEEN t.effective_on - :max_days AND t.effective_on + :max_days)
    ORDER BY t.id"""  # noqa: S608 - a constant
)
_TWINS_OF_REVERTED = text(
    """SELECT DISTINCT ON (t.twin_id) t.id, t.twin_id AS holder_id FROM bank_transactions t
    JOIN bank_transactions o ON o.id = t.twin_id
    WHERE t.id = ANY(:ids) AND t.expense_state = 'twin' AND o.expense_state = 'reverted' ORDER BY t.twin_id, t.id"""
)


def pair_transfers(session: Session, target: WriteTarget, plan: Plan, written: Written) -> set[str]:
    """Find and pair the other legs of the rows that were just written; return the months of expenses that changed."""
    ids = [*written.transaction_ids, *(c.known.id for c in plan.changes if c.state != State.REMOVED)]
    accounts = accounts_with_rows(session, target.user_id) if ids else []
    if all(account.id == target.account_id for account in accounts):
        return set()
    months = pair_legs_of(session, target, ids)
    lines = [*(new.line for new in plan.creates), *(c.line for c in plan.changes if c.state != State.REMOVED)]
    new = {id_: line.effective_on for id_, line in zip(ids, lines, strict=True) if line is not None}
    return months | (pair_unequal_legs(session, target, new, accounts) if new else set())


def unpaired_ids(session: Session, target: WriteTarget, since_on: date) -> list[int]:
    """Return rows of the account without a peer, though rows of the user's other accounts fit by amount and day."""
    values = _owner_values(target) | {"since_on": since_on, "max_days": MAX_DAYS_NAMED}
    return list(session.execute(_UNPAIRED, values).scalars())


def pair_legs_of(session: Session, target: WriteTarget, ids: Sequence[int]) -> set[str]:
    """Find the other legs of these rows and pair them; return the months of expenses that changed.

    All rows of their amounts near their days are decided together. A pair that the user declined is not paired, nor
    asked about again.
    """
    months: set[str] = set()
    found = _rows_with_opposites(session, target, ids)
    if not found:
        return months
    days = days_around((row.on for row in found), _CHAIN)
    amounts = array_text({amount for row in found for amount in (row.amount, -row.amount)})
    legs = session.execute(_LEGS, _owner_values(target) | days | {"amounts": amounts})
    parted, _ = load_asked(session, target.user_id)
    matches = match_transfers([read_leg(row) for row in legs], parted)
    near = days_around((row.on for row in found), _NEAR)

    def is_known_whole(match: Match[TransferLeg, TransferLeg]) -> bool:
        return all(near["from_on"] <= leg.on <= near["to_on"] for leg in (match.left, match.right))

    for match in filter(is_known_whole, matches.certain):
        months |= pair_legs(session, target, match)
    ask_about_legs(session, target, filter(is_known_whole, matches.suggestions))
    return months


def _rows_with_opposites(session: Session, target: WriteTarget, ids: Sequence[int]) -> list[Row[Any]]:
    """Return amounts and days of those of these rows of which another account has the opposite, and of the latter."""
    ours = session.execute(_OURS, {"ids": array_text(ids)}).all()
    if not ours:
        return []
    days = days_around((row.on for row in ours), _NEAR)
    amounts = array_text({-row.amount for row in ours})
    theirs = session.execute(_THEIRS, _owner_values(target) | days | {"amounts": amounts}).all()
    opposites = {-row.amount for row in theirs}
    return [*(row for row in ours if row.amount in opposites), *theirs]


def give_twins_of_reverted(session: Session, ids: Sequence[int], *, user_id: int, run_id: uuid.UUID) -> set[str]:
    """Write expenses of rows that became twins again though the row that had theirs was reverted; return the months."""
    heirs = {row.holder_id: row.id for row in session.execute(_TWINS_OF_REVERTED, {"ids": list(ids)})} if ids else {}
    let_follow(session, list(heirs.items()))
    return give_expenses(session, list(heirs.values()), Reason.RUN_REVERTED, user_id=user_id, run_id=run_id)


def _owner_values(target: WriteTarget) -> dict[str, Any]:
    return {"user_id": target.user_id, "account_id": target.account_id}
