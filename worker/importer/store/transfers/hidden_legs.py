"""Pairs two legs, and hides or shows their expenses, as the option `transfers` of their connections says."""

from collections.abc import Iterable, Mapping

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.compare.one_to_one import Match
from worker.importer.decide.expenses.from_line import month
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.stored_row import ExpenseState, StoredRow
from worker.importer.decide.transfers.evidence import TransferLeg
from worker.importer.decide.transfers.money_moved import asked_because, costs_of, is_equal
from worker.importer.store.expenses.own_expenses import give_expenses
from worker.importer.store.expenses.rows import delete_expenses
from worker.importer.store.expenses.transfer_costs import write_costs
from worker.importer.store.rows.changes import record_without_line
from worker.importer.store.rows.load import load_in_full
from worker.importer.store.suggestions.ask import RowPair, suggest
from worker.importer.store.transfers.legs import load_legs
from worker.importer.store.write_target import WriteTarget

_PAIR = text(
    "UPDATE bank_transactions SET transfer_peer_id = CASE id WHEN :one THEN CAST(:other AS bigint)"
    " ELSE CAST(:one AS bigint) END, last_run_id = :run_id WHERE id IN (:one, :other)"
)
_PART = text("UPDATE bank_transactions SET transfer_peer_id = NULL, last_run_id = :run_id WHERE id = ANY(:ids)")
_HIDE = text(
    "UPDATE bank_transactions SET expense_id = NULL, expense_state = 'transfer', base_cost = NULL,"
    " last_run_id = :run_id WHERE id = ANY(:ids)"
)
# A transfer is one thing: both legs are shown, or neither is. Where one connection hides it, both do.
_BOTH_SHOW = """NOT EXISTS (SELECT FROM bank_transactions l JOIN bank_connection_accounts s ON s.id = l.account_id
      JOIN bank_connections c ON c.id = s.connection_id
      WHERE l.id IN ({0}, {1}) AND c.options ->> 'transfers' IS DISTINCT FROM 'show_both')"""
_ARE_SHOWN = text(f"SELECT {_BOTH_SHOW.format(':one', ':other')}")
_HAS_PAIRS = text(
    "SELECT EXISTS (SELECT FROM bank_transactions WHERE account_id = :account_id AND transfer_peer_id IS NOT NULL)"
)
_PAIRS = """SELECT t.id, p.id AS peer_id FROM bank_transactions t JOIN bank_transactions p ON p.id = t.transfer_peer_id
    WHERE t.account_id = :account_id AND t.transfer_peer_id IS NOT NULL"""
_SHOWN = text(
    f"""{_PAIRS} AND t.expense_state IN ('own', 'linked') AND p.expense_state IN ('own', 'linked')
    AND NOT {_BOTH_SHOW.format("t.id", "p.id")}
    ORDER BY t.id"""
)
# The connection of the account is asked first: where it hides transfers, as most do, no pair is looked at.
_HIDDEN = text(
    f"""{_PAIRS} AND 'transfer' IN (t.expense_state, p.expense_state) AND {_BOTH_SHOW.format("t.id", "p.id")}
      AND (SELECT c.options ->> 'transfers' FROM bank_connection_accounts s JOIN bank_connections c
        ON c.id = s.connection_id WHERE s.id = :account_id) = 'show_both' ORDER BY t.id"""  # noqa: S608 - constants
)


def pair_legs(session: Session, target: WriteTarget, match: Match[TransferLeg, TransferLeg]) -> set[str]:
    """Pair two legs; where they are hidden, only what the transfer cost is an expense.

    Where the user has made one of them their own, they are asked.
    """
    ids = (match.left.id, match.right.id)
    in_full = load_in_full(session, ids)
    hide = not session.execute(_ARE_SHOWN, {"one": ids[0], "other": ids[1]}).scalar_one()
    if hide and any(_touched(row) for row in in_full.values()):
        ask_about_legs(session, target, [match])
        return set()
    session.execute(_PAIR, {"one": match.left.id, "other": match.right.id, "run_id": target.run_id})
    record_without_line(session, in_full.values(), target.run_id, Decision.UPDATED, match.reason)
    return _hide_legs(session, target, in_full, match.left, match.right) if hide else set()


def show_or_hide_legs(session: Session, target: WriteTarget) -> set[str]:
    """Show or hide the pairs of the account as `transfers` of their connections says by now; return the months."""
    # Most accounts have no pair, and to plan the two statements takes Postgres ten times as long as to see that.
    if not session.scalar(_HAS_PAIRS, {"account_id": target.account_id}):
        return set()
    return _show_hidden_legs(session, target) | _hide_shown_legs(session, target)


def _show_hidden_legs(session: Session, target: WriteTarget) -> set[str]:
    """Give both legs of the account's pairs their expenses, once both connections say that they are shown."""
    pairs = session.execute(_HIDDEN, {"account_id": target.account_id}).all()
    ids = [id_ for pair in pairs for id_ in (pair.id, pair.peer_id)]
    legs = frozenset({ExpenseState.TRANSFER})
    return give_expenses(session, ids, Reason.LEG_ALONE, user_id=target.user_id, run_id=target.run_id, states=legs)


def _hide_shown_legs(session: Session, target: WriteTarget) -> set[str]:
    """Hide the pairs of the account that were shown until `transfers` changed.

    Where the user has made one of them their own, they are asked, as about a pair that is found.
    """
    months: set[str] = set()
    for pair in session.execute(_SHOWN, {"account_id": target.account_id}).all():
        in_full = load_in_full(session, (pair.id, pair.peer_id))
        out, into = load_legs(session, in_full)
        if any(_touched(row) for row in in_full.values()):
            session.execute(_PART, {"ids": list(in_full), "run_id": target.run_id})
            _ask(session, target, [(out.id, into.id, asked_because(out, into))])
            continue
        record_without_line(session, in_full.values(), target.run_id, Decision.UPDATED, Reason.TRANSFER_HIDDEN)
        months |= _hide_legs(session, target, in_full, out, into)
    return months


def _hide_legs(
    session: Session, target: WriteTarget, in_full: Mapping[int, StoredRow], out: TransferLeg, into: TransferLeg
) -> set[str]:
    """Delete the expenses of both legs, and write one of what the transfer cost; what the user deleted stays so."""
    keepers = [row.id for row in in_full.values() if not row.deleted_by_user]
    session.execute(_HIDE, {"ids": keepers, "run_id": target.run_id})
    delete_expenses(session, (row.expense_id for row in in_full.values()), target.run_id)
    months = {month(row.expense) for row in in_full.values() if row.expense is not None}
    if not any(costs_of(out, into)):
        return months
    return months | write_costs(session, out, into, user_id=target.user_id, run_id=target.run_id)


def _touched(row: StoredRow) -> bool:
    """Whether the user typed the expense in or changed it: then it is theirs to decide about."""
    return row.expense_id is not None and (row.expense_state == ExpenseState.LINKED or row.changed_by_user)


def ask_about_legs(session: Session, target: WriteTarget, matches: Iterable[Match[TransferLeg, TransferLeg]]) -> None:
    """Ask the user whether pairs of rows are transfers."""
    _ask(session, target, ((match.left.id, match.right.id, _asked_because(match)) for match in matches))


def _ask(session: Session, target: WriteTarget, pairs: Iterable[RowPair]) -> None:
    suggest(session, target.user_id, target.run_id, "transfer", pairs)


def _asked_because(match: Match[TransferLeg, TransferLeg]) -> Reason:
    return match.reason if is_equal(match.left, match.right) else asked_because(match.left, match.right)
