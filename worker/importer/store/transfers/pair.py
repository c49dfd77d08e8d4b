"""Finds and pairs both legs of a transfer between two accounts of one user, so that neither counts as spending.

The rules are in `decide.transfers.match`; this file reads candidates, pairs what is certain and asks about the rest.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker.importer.decide.compare.one_to_one import Match
from worker.importer.decide.expenses.from_line import month
from worker.importer.decide.plan import Plan
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.stored_row import ExpenseState, State, StoredRow
from worker.importer.decide.transfers.evidence import TransferLeg
from worker.importer.decide.transfers.match import MAX_DAYS_NAMED, match_transfers
from worker.importer.store.expenses.own_expenses import give_expenses
from worker.importer.store.expenses.rows import delete_expenses
from worker.importer.store.rows.bulk import array_text
from worker.importer.store.rows.changes import record_without_line
from worker.importer.store.rows.load import load_in_full
from worker.importer.store.sources.expense_handover import let_follow
from worker.importer.store.suggestions.ask import suggest
from worker.importer.store.write_target import WriteTarget, Written

_NEAR = timedelta(days=MAX_DAYS_NAMED)
_CHAIN = timedelta(days=31)
"""Legs have other candidates, and those again: what is further away changes nothing."""

# A twin is no leg, because the row of the other connection is; a reverted row is not in the ledger, also while it is
# to be imported again.
_MAY_BE_LEG = """t.transfer_peer_id IS NULL AND t.state <> 'removed' AND t.expense_state NOT IN ('twin', 'reverted')
    AND NOT (t.expense_state = 'none' AND t.fingerprint = ''::bytea)"""
_LEG = """SELECT t.id, t.account_id, a.bank_account_id, t.amount, t.currency, t.effective_on AS "on", t.kind,
    t.counterparty_account, concat_ws(' ', t.counterparty, t.description) AS words, a.anchor, a.mask, a.name,
    a.account_type
    FROM bank_transactions t JOIN bank_connection_accounts a ON a.id = t.account_id"""
# Rows of two sources of one account are no transfer.
_OF_ANOTHER = """a.id <> :account_id AND a.bank_account_id IS DISTINCT FROM
    (SELECT n.bank_account_id FROM bank_connection_accounts n WHERE n.id = :account_id)"""
_OURS = text(
    f"""SELECT t.amount, t.effective_on AS "on" FROM bank_transactions t
    WHERE t.id = ANY(CAST(:ids AS bigint[])) AND {_MAY_BE_LEG} AND t.amount <> 0"""  # noqa: S608 - a constant
)
_THEIRS = text(
    f"""SELECT t.amount, t.effective_on AS "on"
    FROM bank_transactions t JOIN bank_connection_accounts a ON a.id = t.account_id
    WHERE t.user_id = :user_id AND {_OF_ANOTHER} AND {_MAY_BE_LEG}
      AND t.effective_on BETWEEN :from_on AND :to_on AND t.amount = ANY(CAST(:amounts AS numeric[]))"""  # noqa: S608
)
# Rows of all accounts, ours too: which of several is the leg depends on how many there are on either side.
_LEGS = text(
    f"""{_LEG} WHERE t.user_id = :user_id AND {_MAY_BE_LEG}
      AND t.effective_on BETWEEN :from_on AND :to_on AND t.amount = ANY(CAST(:amounts AS numeric[]))"""
)
_UNPAIRED = text(
    f"""WITH others AS MATERIALIZED (
      SELECT t.amount, t.effective_on FROM bank_connection_accounts a
      JOIN bank_transactions t ON t.account_id = a.id AND t.effective_on >= CAST(:since_on AS date) - :max_days
      WHERE a.user_id = :user_id AND {_OF_ANOTHER} AND {_MAY_BE_LEG}
    ), ours AS MATERIALIZED (
      SELECT t.id, t.amount, t.effective_on FROM bank_transactions t
      WHERE t.account_id = :account_id AND t.effective_on >= :since_on AND {_MAY_BE_LEG} AND t.amount <> 0
        AND EXISTS (SELECT 1 FROM others)
    )
    SELECT t.id FROM ours t WHERE EXISTS (SELECT 1 FROM others o WHERE o.amount = -t.amount
      AND o.effective_on BETWEEN t.effective_on - :max_days AND t.effective_on + :max_days)
    ORDER BY t.id"""  # noqa: S608 - a constant
)
_DECLINED = text(
    """SELECT transaction_id, other_transaction_id FROM bank_match_suggestions
    WHERE user_id = :user_id AND kind = 'transfer' AND status = 'declined'"""
)
# Selected by account: by the rows alone, Postgres reads all rows of the user to find that no other account has any.
_HAS_OTHERS = text(
    """SELECT EXISTS (SELECT 1 FROM bank_connection_accounts a WHERE a.user_id = :user_id AND a.id <> :account_id
        AND EXISTS (SELECT 1 FROM bank_transactions t WHERE t.account_id = a.id))"""
)
_PAIR = text(
    "UPDATE bank_transactions SET transfer_peer_id = CASE id WHEN :one THEN CAST(:other AS bigint)"
    " ELSE CAST(:one AS bigint) END, last_run_id = :run_id WHERE id IN (:one, :other)"
)
_HIDE = text(
    "UPDATE bank_transactions SET expense_id = NULL, expense_state = 'transfer', last_run_id = :run_id"
    " WHERE id = ANY(:ids)"
)
# A transfer is one thing: both legs are shown, or neither is. Where one connection hides it, both do.
_BOTH_SHOW = """NOT EXISTS (SELECT FROM bank_transactions l JOIN bank_connection_accounts s ON s.id = l.account_id
      JOIN bank_connections c ON c.id = s.connection_id
      WHERE l.id IN ({0}, {1}) AND c.options ->> 'transfers' IS DISTINCT FROM 'show_both')"""
_ARE_SHOWN = text(f"SELECT {_BOTH_SHOW.format(':one', ':other')}")
_PAIRS = """SELECT t.id, p.id AS peer_id FROM bank_transactions t JOIN bank_transactions p ON p.id = t.transfer_peer_id
    WHERE t.account_id = :account_id AND t.transfer_peer_id IS NOT NULL"""
_SHOWN = text(
    f"""{_PAIRS} AND t.expense_state = 'own' AND p.expense_state = 'own' AND NOT {_BOTH_SHOW.format("t.id", "p.id")}
    ORDER BY t.id"""
)
# The connection of the account is asked first: where it hides transfers, as most do, no pair is looked at.
_HIDDEN = text(
    f"""{_PAIRS} AND 'transfer' IN (t.expense_state, p.expense_state) AND {_BOTH_SHOW.format("t.id", "p.id")}
      AND (SELECT c.options ->> 'transfers' FROM bank_connection_accounts s JOIN bank_connections c
        ON c.id = s.connection_id WHERE s.id = :account_id) = 'show_both' ORDER BY t.id"""  # noqa: S608 - constants
)
_TWINS_OF_REVERTED = text(
    """SELECT DISTINCT ON (t.twin_id) t.id, t.twin_id AS holder_id FROM bank_transactions t
    JOIN bank_transactions o ON o.id = t.twin_id
    WHERE t.id = ANY(:ids) AND t.expense_state = 'twin' AND o.expense_state = 'reverted' ORDER BY t.twin_id, t.id"""
)


def pair_transfers(session: Session, target: WriteTarget, plan: Plan, written: Written) -> set[str]:
    """Find and pair the other legs of the rows that were just written; return the months of expenses that changed."""
    ids = [*written.transaction_ids, *(c.known.id for c in plan.changes if c.state != State.REMOVED)]
    if not ids or not session.execute(_HAS_OTHERS, _owner_values(target)).scalar_one():
        return set()
    return pair_legs_of(session, target, ids)


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
    days = _days_around((row.on for row in found), _CHAIN)
    amounts = array_text({amount for row in found for amount in (row.amount, -row.amount)})
    legs = session.execute(_LEGS, _owner_values(target) | days | {"amounts": amounts})
    declined = frozenset((row[0], row[1]) for row in session.execute(_DECLINED, _owner_values(target)))
    matches = match_transfers([_leg(row) for row in legs], declined)
    near = _days_around((row.on for row in found), _NEAR)

    def is_known_whole(match: Match[TransferLeg, TransferLeg]) -> bool:
        return all(near["from_on"] <= leg.on <= near["to_on"] for leg in (match.left, match.right))

    for match in filter(is_known_whole, matches.certain):
        months |= _pair_legs(session, target, match)
    _suggest(session, target, filter(is_known_whole, matches.suggestions))
    return months


def _rows_with_opposites(session: Session, target: WriteTarget, ids: Sequence[int]) -> list[Row[Any]]:
    """Return amounts and days of those of these rows of which another account has the opposite, and of the latter."""
    ours = session.execute(_OURS, {"ids": array_text(ids)}).all()
    if not ours:
        return []
    days = _days_around((row.on for row in ours), _NEAR)
    amounts = array_text({-row.amount for row in ours})
    theirs = session.execute(_THEIRS, _owner_values(target) | days | {"amounts": amounts}).all()
    opposites = {-row.amount for row in theirs}
    return [*(row for row in ours if row.amount in opposites), *theirs]


def _days_around(days: Iterable[date], most: timedelta) -> dict[str, date]:
    on = sorted(days)
    return {"from_on": on[0] - most, "to_on": on[-1] + most}


def _pair_legs(session: Session, target: WriteTarget, match: Match[TransferLeg, TransferLeg]) -> set[str]:
    """Pair two legs; where they are hidden, neither is an expense, unless the user has made one of them their own."""
    ids = (match.left.id, match.right.id)
    in_full = load_in_full(session, ids)
    hide = not session.execute(_ARE_SHOWN, {"one": ids[0], "other": ids[1]}).scalar_one()
    if hide and any(_touched(row) for row in in_full.values()):
        _suggest(session, target, [match])
        return set()
    session.execute(_PAIR, {"one": match.left.id, "other": match.right.id, "run_id": target.run_id})
    record_without_line(session, in_full.values(), target.run_id, Decision.UPDATED, match.reason)
    return _hide_legs(session, target, in_full) if hide else set()


def show_hidden_legs(session: Session, target: WriteTarget) -> set[str]:
    """Give both legs of the account's pairs their expenses, once both connections say that they are shown."""
    pairs = session.execute(_HIDDEN, {"account_id": target.account_id}).all()
    ids = [id_ for pair in pairs for id_ in (pair.id, pair.peer_id)]
    legs = frozenset({ExpenseState.TRANSFER})
    return give_expenses(session, ids, Reason.LEG_ALONE, user_id=target.user_id, run_id=target.run_id, states=legs)


def hide_shown_legs(session: Session, target: WriteTarget) -> set[str]:
    """Hide the pairs of the account that were shown until `transfers` changed; what the user made their own stays."""
    months: set[str] = set()
    for pair in session.execute(_SHOWN, {"account_id": target.account_id}).all():
        in_full = load_in_full(session, (pair.id, pair.peer_id))
        if any(_touched(row) for row in in_full.values()):
            continue
        record_without_line(session, in_full.values(), target.run_id, Decision.UPDATED, Reason.TRANSFER_HIDDEN)
        months |= _hide_legs(session, target, in_full)
    return months


def _hide_legs(session: Session, target: WriteTarget, in_full: Mapping[int, StoredRow]) -> set[str]:
    """Delete the expenses of both legs; what the user deleted stays so."""
    keepers = [row.id for row in in_full.values() if not row.deleted_by_user]
    session.execute(_HIDE, {"ids": keepers, "run_id": target.run_id})
    delete_expenses(session, (row.expense_id for row in in_full.values()), target.run_id)
    return {month(row.expense) for row in in_full.values() if row.expense is not None}


def _touched(row: StoredRow) -> bool:
    """Whether the user typed the expense in or changed it: then it is theirs to decide about."""
    return row.expense_id is not None and (row.expense_state == ExpenseState.LINKED or row.changed_by_user)


def give_twins_of_reverted(session: Session, ids: Sequence[int], *, user_id: int, run_id: uuid.UUID) -> set[str]:
    """Write expenses of rows that became twins again though the row that had theirs was reverted; return the months."""
    heirs = {row.holder_id: row.id for row in session.execute(_TWINS_OF_REVERTED, {"ids": list(ids)})} if ids else {}
    let_follow(session, list(heirs.items()))
    return give_expenses(session, list(heirs.values()), Reason.RUN_REVERTED, user_id=user_id, run_id=run_id)


def _suggest(session: Session, target: WriteTarget, matches: Iterable[Match[TransferLeg, TransferLeg]]) -> None:
    pairs = ((match.left.id, match.right.id, match.reason) for match in matches)
    suggest(session, target.user_id, target.run_id, "transfer", pairs)


def _owner_values(target: WriteTarget) -> dict[str, Any]:
    return {"user_id": target.user_id, "account_id": target.account_id}


def _leg(row: Any) -> TransferLeg:  # noqa: ANN401 - a row of _LEG
    return TransferLeg(**row._asdict())
