"""Judges whether an account's ledger agrees with the bank: by a run's new proof, or anew by what is on record.

The rule is `outcome.judge_account`; here is what it needs to know.
"""

import uuid
from collections.abc import Iterator
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer import run_messages
from worker.importer.decide.balances.proof import BalanceProof
from worker.importer.decide.reasons import Reason
from worker.importer.outcome import AccountResult, DoubtfulRows, judge_account
from worker.importer.store.balances.settled import ask_about_balance
from worker.importer.store.rejections import resolve_repeated_ids, standing_rejections
from worker.importer.store.results.problems import save_connection_problem, save_problem
from worker.importer.store.suggestions.ask import ASK_AGAIN_OF_ROW
from worker.importer.store.suggestions.obsolete import close_obsolete_questions
from worker.models import BankConnectionAccount
from worker.runs.imported_accounts import STANDS_WITHDRAWN

JUDGED = frozenset({"rows_rejected", "balance_mismatch", "rows_withdrawn", "still_pending", "currency_was_assumed"})
"""Codes that follow from what is on record; any other problem ends with a run alone."""

_PROOFS = text(
    """SELECT p.balance_proof FROM bank_import_run_accounts p
    JOIN bank_import_runs r ON r.id = p.run_id AND NOT r.dry_run
    WHERE p.account_id = :account_id AND p.balance_proof IS NOT NULL ORDER BY p.id DESC LIMIT 100"""
)
# A row that the user keeps is not asked about again. Of very many rows the first ones are asked about. An empty answer
# alone asks nothing for a day: providers give one when they fail.
_ASK_ABOUT_WITHDRAWN = text(
    f"""WITH withdrawn AS (
      SELECT t.id, t.absent_since_at, count(*) OVER () AS rows FROM bank_transactions t
      WHERE t.account_id = :account_id AND {STANDS_WITHDRAWN}
        AND NOT coalesce(coalesce(t.stated_on, t.effective_on) > CAST(:fits_after_on AS date), FALSE)
      ORDER BY t.id LIMIT 100
    ), asked AS (
      INSERT INTO bank_match_suggestions (user_id, kind, transaction_id, run_id, reason)
      SELECT :user_id, 'withdrawn', id, :run_id, :reason FROM withdrawn
      WHERE :told OR absent_since_at < now() - INTERVAL '1 day'
      {ASK_AGAIN_OF_ROW}
    )
    SELECT coalesce(max(rows), 0) FROM withdrawn"""  # noqa: S608 - a constant
)
# Rows of days that the bank gives no more; the user may have corrected what they see, and knows what they typed in.
_IN_ASSUMED_CURRENCY = text(
    """SELECT count(*) FROM bank_transactions t JOIN expenses e ON e.id = t.expense_id
    WHERE t.account_id = :account_id AND t.state <> 'removed' AND t.effective_on < :read_from_on
      AND t.currency = :assumed AND e.currency = :assumed AND t.expense_state = 'own'"""
)
_ASKED = text(
    """SELECT count(*) FILTER (WHERE s.reason = 'still_pending') AS still_pending,
      count(*) FILTER (WHERE s.kind = 'takeover') AS told_otherwise
    FROM bank_match_suggestions s JOIN bank_transactions t ON t.id = s.transaction_id
    WHERE s.user_id = :user_id AND s.status = 'open' AND t.account_id = :account_id"""
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
        run_id: The run that asks about rows the bank comes without.
        told_again: Rows of this run that may be known ones or more equal purchases.
    """
    was_asked = close_obsolete_questions(session, account.user_id, run_id)
    ask_about_balance(session, account, proof, _proofs(session, account.id), run_id)
    if proof.fits_after_on is not None and proof.balance_on is not None:
        which = {"run_id": run_id, "connection_id": account.connection_id, "account_id": account.id}
        resolve_repeated_ids(session, which, proof.fits_after_on, proof.balance_on)
    told_otherwise, still_pending = _open_questions(session, account) if was_asked else (0, 0)
    return judge_account(
        counted,
        rejections=standing_rejections(session, account.connection_id, account.id),
        doubtful=DoubtfulRows(
            withdrawn=_ask_about_withdrawn(
                session, account, proof.fits_after_on, run_id, told=counted.counts.delivered > 0
            )
            + told_otherwise,
            still_pending=still_pending,
            in_assumed_currency=_in_assumed_currency(session, account),
            told_again=told_again,
        ),
        proof=proof,
        mismatch_before=_mismatch_before(session, account),
    )


def _open_questions(session: Session, account: BankConnectionAccount) -> tuple[int, int]:
    """Return how many open questions are about rows that are told otherwise, and about pending ones."""
    found = session.execute(_ASKED, {"account_id": account.id, "user_id": account.user_id}).one()
    return found.told_otherwise, found.still_pending


def _in_assumed_currency(session: Session, account: BankConnectionAccount) -> int:
    """Return how many rows have an expense in a currency that was assumed before the bank stated another one."""
    if account.currency is None or account.currency_assumed in (None, account.currency):
        return 0
    values = {"account_id": account.id, "read_from_on": account.history_from_on, "assumed": account.currency_assumed}
    return int(session.execute(_IN_ASSUMED_CURRENCY, values).scalar_one())


def judge_again(session: Session, account_id: int, run_id: uuid.UUID) -> None:
    """Judge an account by what is on record, after a person decided something about its rejected rows."""
    account = session.get_one(BankConnectionAccount, account_id)
    if account.problem_code not in {None, *JUDGED}:
        return
    proof = next(_proofs(session, account_id), BalanceProof(result="unproven", reason="no_balance"))
    agrees = AccountResult(account_id=account_id, status="succeeded", code="ok")
    save_problem(session, judge(session, agrees, account, proof, run_id))


def problem_of_connection(session: Session, connection_id: uuid.UUID) -> AccountResult | None:
    """Return the problem of rejected rows that belong to no stored account."""
    waiting = standing_rejections(session, connection_id, None).open
    if not waiting:
        return None
    message = run_messages.of_no_account(waiting)
    return AccountResult(account_id=None, status="partial", code="rows_rejected", message=message)


def judge_connection_again(session: Session, connection_id: uuid.UUID) -> None:
    """Sum up the problems of a connection after some of its accounts were judged again."""
    save_connection_problem(session, connection_id, problem_of_connection(session, connection_id))


def _ask_about_withdrawn(
    session: Session, account: BankConnectionAccount, fits_after_on: date | None, run_id: uuid.UUID, *, told: bool
) -> int:
    """Return how many posted rows stand of which the bank's answers come without, and ask the user about each.

    Args:
        fits_after_on: Rows after this day are what the bank's balance says; None when nothing says so.
        told: The bank told some row of the account.
    """
    values = {"account_id": account.id, "user_id": account.user_id, "fits_after_on": fits_after_on, "told": told}
    asked = session.execute(_ASK_ABOUT_WITHDRAWN, values | {"run_id": run_id, "reason": Reason.WITHDRAWN})
    return int(asked.scalar_one())


def _mismatch_before(session: Session, account: BankConnectionAccount) -> str | None:
    """Return the last sentence about a balance that did not fit, also where another problem was reported instead."""
    if account.problem_code is None:
        return None
    if account.problem_code == "balance_mismatch":
        return account.problem_message
    latest = next((proof for proof in _proofs(session, account.id) if not proof.says_nothing), None)
    return run_messages.mismatch(latest) if latest is not None and latest.result == "mismatch" else None


def _proofs(session: Session, account_id: int) -> Iterator[BalanceProof]:
    """Yield the account's latest proofs, the newest first; read once somebody looks at them."""
    yield from map(BalanceProof.from_json, session.execute(_PROOFS, {"account_id": account_id}).scalars())
