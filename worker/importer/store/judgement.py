"""Judges whether an account's ledger agrees with the bank: by a run's new proof, or anew by what is on record.

The rule is `outcome.judge_account`; here is what it needs to know.
"""

import uuid

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer import run_messages
from worker.importer.decide.balance_proof import BalanceProof
from worker.importer.outcome import AccountResult, DoubtfulRows, judge_account
from worker.importer.store.ledger_state import (
    problem_of_connection,
    save_connection_problem,
    save_problem,
    still_pending_rows,
    withdrawn_rows,
)
from worker.importer.store.obsolete_questions import close_obsolete_questions
from worker.importer.store.rejections import standing_rejections
from worker.models import BankConnectionAccount

JUDGED = frozenset({"rows_rejected", "balance_mismatch", "rows_withdrawn", "still_pending"})
"""Codes that follow from what is on record; any other problem ends with a run alone."""

_PROOFS = text(
    """SELECT p.balance_proof FROM bank_import_run_accounts p
    JOIN bank_import_runs r ON r.id = p.run_id AND NOT r.dry_run
    WHERE p.account_id = :account_id AND p.balance_proof IS NOT NULL ORDER BY p.id DESC LIMIT 100"""
)


def judge(
    session: Session,
    counted: AccountResult,
    account: BankConnectionAccount,
    proof: BalanceProof,
    run_id: uuid.UUID,
    *,
    told_again: int = 0,
) -> AccountResult:
    """Return the result of an account whose deliveries were all applied.

    Args:
        counted: The account with its counts, as the deliveries left it.
        account: Its row.
        proof: Its balance proof.
        run_id: The run that asks about rows the bank comes without.
        told_again: Rows of this run that may be known ones or more equal purchases.
    """
    close_obsolete_questions(session, account.user_id, run_id)
    return judge_account(
        counted,
        rejections=standing_rejections(session, account.connection_id, account.id),
        doubtful=DoubtfulRows(
            withdrawn=withdrawn_rows(session, account.id, proof.fits_after_on, user_id=account.user_id, run_id=run_id),
            still_pending=still_pending_rows(session, account.id, user_id=account.user_id),
            told_again=told_again,
        ),
        proof=proof,
        mismatch_before=_mismatch_before(session, account),
    )


def judge_again(session: Session, account_id: int, run_id: uuid.UUID) -> None:
    """Judge an account by what is on record, after a person decided something about its rejected rows."""
    account = session.get_one(BankConnectionAccount, account_id)
    if account.problem_code not in {None, *JUDGED}:
        return
    proofs = _proofs(session, account_id)
    proof = proofs[0] if proofs else BalanceProof(result="unproven", reason="no_balance")
    agrees = AccountResult(account_id=account_id, status="succeeded", code="ok")
    save_problem(session, judge(session, agrees, account, proof, run_id))


def judge_connection_again(session: Session, connection_id: uuid.UUID) -> None:
    """Sum up the problems of a connection after some of its accounts were judged again."""
    save_connection_problem(session, connection_id, problem_of_connection(session, connection_id))


def _mismatch_before(session: Session, account: BankConnectionAccount) -> str | None:
    """Return the last sentence about a balance that did not fit, also where another problem was reported instead."""
    if account.problem_code is None:
        return None
    if account.problem_code == "balance_mismatch":
        return account.problem_message
    latest = next((proof for proof in _proofs(session, account.id) if not proof.says_nothing), None)
    return run_messages.mismatch(latest) if latest is not None and latest.result == "mismatch" else None


def _proofs(session: Session, account_id: int) -> list[BalanceProof]:
    """Return the account's latest proofs, the newest first."""
    return [BalanceProof.from_json(kept) for kept in session.execute(_PROOFS, {"account_id": account_id}).scalars()]
