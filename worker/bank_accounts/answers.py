"""Takes an answer to a suggestion back: what was accepted is parted again, and the question is open again."""

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker import outbox
from worker.bank_accounts.unmatching import RowMatch, detach, unmatch
from worker.db.user_lock import lock_user
from worker.errors import ConflictError
from worker.importer.actions.action_runs import begin_action, decide_again, end_action
from worker.importer.actions.joining import row_with_expense
from worker.importer.actions.settled_balance import unsettle_balance
from worker.importer.actions.suggestions import accept, find_suggestion
from worker.importer.actions.withdrawn_rows import take_for_there
from worker.importer.decide.reasons import Reason
from worker.importer.decide.transfers.money_moved import asked_because
from worker.importer.store.accounts.bank_accounts import attach, other_sources
from worker.importer.store.sources.joined_rows import meet_joined_rows
from worker.importer.store.sources.undo_answer import plan_undo, write_undo
from worker.importer.store.suggestions.obsolete import is_obsolete
from worker.importer.store.transfers.legs import load_legs
from worker.models import BankConnectionAccount, BankMatchSuggestion, BankTransaction
from worker.runs.states import RunKind

_CLEAR_CATEGORY = text(
    """UPDATE expenses SET category_id = NULL WHERE id = :expense_id AND category_id = :category_id
    RETURNING id, to_char(spent_at, 'YYYY-MM') AS month"""
)
_TWIN_OF_PAIR = text(
    """SELECT id FROM bank_transactions
    WHERE id = ANY(CAST(:ids AS bigint[])) AND twin_id = ANY(CAST(:ids AS bigint[])) AND expense_state = 'twin'"""
)
# Of sources that go together nobody said that they are several.
_FORGET_APART = text(
    """DELETE FROM bank_match_suggestions WHERE kind = 'account' AND status = 'declined' AND reason = 'unmatched'
      AND account_id = ANY(:ids) AND other_account_id = ANY(:ids)"""
)


_AGAIN: Mapping[str, Reason] = {
    "twin": Reason.MAYBE_TWIN, "expense": Reason.SIMILAR_EXPENSE, "takeover": Reason.REWRITTEN,
}  # fmt: skip
"""Why two are one again, by the kind of what was unmatched; of a transfer the amounts say it."""


def undo_answer(session: Session, suggestion_id: int, *, user_id: int) -> frozenset[str]:
    """Open an answered suggestion again, and undo what its answer did; what was unmatched is matched again.

    Returns the months (`YYYY-MM`) of expenses that changed, for FinMind's caches.

    Raises: NotFoundError, ConflictError when it has no answer, the answer cannot be undone any more, or the question is
    settled without it.
    """
    lock_user(session, user_id)
    suggestion = find_suggestion(session, suggestion_id, user_id)
    if suggestion.status not in {"accepted", "declined"}:
        raise ConflictError(f"suggestion {suggestion_id} is {suggestion.status}: it has no answer to take back")
    months: set[str] = set()
    asked_because, was_declined = suggestion.reason, suggestion.status == "declined"
    if suggestion.status == "accepted":
        months = _part(session, suggestion, user_id)
    elif suggestion.reason == Reason.UNMATCHED and suggestion.kind != "account":
        return frozenset(_rejoin(session, suggestion))
    elif suggestion.kind == "account":
        _wait_again(session, suggestion)
    session.execute(
        text(
            "UPDATE bank_match_suggestions SET status = 'open', decided_at = NULL, reason = :reason, replaced = NULL"
            " WHERE id = :id"
        ),
        {"id": suggestion_id, "reason": asked_because},
    )
    if was_declined:
        if is_obsolete(session, suggestion_id, user_id):
            raise ConflictError(f"suggestion {suggestion_id} is settled: another answer would change nothing any more")
        if (connection_id := _connection_of(session, suggestion)) is not None:
            decide_again(session, connection_id)
    session.expire_all()
    return frozenset(months)


def _restore(session: Session, suggestion: BankMatchSuggestion) -> set[str] | None:
    """Make rows and expenses as they were before a suggestion was accepted, as a run of its own.

    Returns the months of expenses that changed; None where nothing is kept of it, or the rows went on since.
    """
    undo = plan_undo(session, suggestion.id)
    connection_id = _connection_of(session, suggestion)
    if undo is None or connection_id is None:
        return None
    run_id = begin_action(session, connection_id=connection_id, user_id=suggestion.user_id, kind=RunKind.UNMATCH)
    report = {"match": suggestion.kind, "transaction_id": suggestion.transaction_id, "suggestion_id": suggestion.id}
    months = write_undo(session, undo, run_id)
    end_action(session, run_id, updated=len(undo.rows), report=report)
    return months


def _connection_of(session: Session, suggestion: BankMatchSuggestion) -> uuid.UUID | None:
    """Return the connection that a suggestion is about, by its row or its account."""
    row = session.get(BankTransaction, suggestion.transaction_id) if suggestion.transaction_id else None
    source_id = row.account_id if row is not None else suggestion.account_id
    return None if source_id is None else session.get_one(BankConnectionAccount, source_id).connection_id


def _part(session: Session, suggestion: BankMatchSuggestion, user_id: int) -> set[str]:
    """Undo what accepting did; return the months of expenses that changed."""
    if suggestion.kind == "account" and suggestion.account_id is None:
        raise ConflictError("the old account goes on under the new id: its rows cannot be told apart any more")
    if suggestion.kind == "balance":
        return unsettle_balance(session, suggestion)
    months = _restore(session, suggestion)
    if suggestion.kind == "account":
        joined = suggestion.detail.get("joined") or [suggestion.account_id]
        return (months or set()) | _part_account(session, joined, user_id)
    return _part_as_it_is(session, suggestion, user_id) if months is None else months


def _part_as_it_is(session: Session, suggestion: BankMatchSuggestion, user_id: int) -> set[str]:
    """Undo what accepting did to rows that went on since: what was one is two, as the bank states them now."""
    if suggestion.kind == "category":
        values = {"expense_id": suggestion.expense_id, "category_id": suggestion.detail.get("category_id")}
        found = session.execute(_CLEAR_CATEGORY, values).all()
        ids = [row.id for row in found]
        outbox.record_expenses(session, event_type="expense.updated", expense_ids=ids, run_id=suggestion.run_id)
        return {row.month for row in found}
    if suggestion.kind == "withdrawn":
        return take_for_there(session, suggestion)
    if suggestion.kind == "takeover":
        raise ConflictError("the bank told more of the two rows since: they stay one purchase")
    if suggestion.kind == "twin":
        pair = [suggestion.transaction_id, suggestion.other_transaction_id]
        twin_id = session.scalars(_TWIN_OF_PAIR, {"ids": pair}).one_or_none()
        if twin_id is None:
            raise ConflictError(
                "the two rows are one purchase by way of a third one, or no longer: unmatch one of them"
            )
        return set(unmatch(session, twin_id, user_id=user_id, match=RowMatch.TWIN).months)
    if suggestion.transaction_id is None:
        return set()
    match = RowMatch.EXPENSE if suggestion.kind == "expense" else RowMatch.TRANSFER
    row = row_with_expense(session, suggestion.transaction_id)
    return set(unmatch(session, row.id, user_id=user_id, match=match).months)


def _part_account(session: Session, source_ids: Sequence[int], user_id: int) -> set[str]:
    """Make sources that were joined together an account of their own again; return the months of changed expenses."""
    months: set[str] = set()
    for source_id in source_ids:
        months |= detach(session, source_id, user_id=user_id).months
    first = session.get_one(BankConnectionAccount, source_ids[0])
    assert first.bank_account_id is not None
    for source_id in source_ids[1:]:
        attach(session, session.get_one(BankConnectionAccount, source_id), first.bank_account_id)
        months |= meet_joined_rows(
            session, source_id, other_sources(session, first.bank_account_id, source_id), user_id
        )
    session.execute(_FORGET_APART, {"ids": list(source_ids)})
    return months


def _rejoin(session: Session, suggestion: BankMatchSuggestion) -> set[str]:
    """Match again what was unmatched: two rows, or a row and an expense; the person says that they are one."""
    rows = [id_ for id_ in (suggestion.transaction_id, suggestion.other_transaction_id) if id_ is not None]
    is_transfer = suggestion.kind == "transfer"
    suggestion.reason = asked_because(*load_legs(session, rows)) if is_transfer else _AGAIN[suggestion.kind]
    suggestion.status = "open"
    session.flush()
    return set(accept(session, suggestion.id, user_id=suggestion.user_id))


def _wait_again(session: Session, suggestion: BankMatchSuggestion) -> None:
    """Let an account whose question is open again wait, unless rows of it were imported meanwhile."""
    account = session.get(BankConnectionAccount, suggestion.account_id) if suggestion.account_id else None
    if account is None:
        raise ConflictError("the account of the question is gone")
    imported = session.execute(
        text("SELECT EXISTS (SELECT FROM bank_transactions WHERE account_id = :id)"), {"id": account.id}
    ).scalar_one()
    if not imported and account.status == "active":
        account.status, account.status_code = "waiting", "similar_account"
        session.flush()
