"""Does what a user says of a balance that never fits: it is right from a day on; and takes that back."""

import uuid

from sqlalchemy.orm import Session

from worker.audit import current_actor
from worker.errors import ConflictError
from worker.importer.actions.action_runs import begin_action, end_action
from worker.importer.decide.balances.proof import BalanceProof
from worker.importer.store.balances.settled import Opening, give_balance_back, save_proof, take_balance
from worker.importer.store.results.judgement import judge_again, judge_connection_again
from worker.models import BankConnectionAccount, BankMatchSuggestion
from worker.runs.states import RunKind


def settle_balance(session: Session, suggestion: BankMatchSuggestion) -> set[str]:
    """Let the balance of a question be right: later ones are compared with it, and no expense changes.

    Raises: ConflictError when the balances were compared anew since.
    """
    account = _account(session, suggestion)
    run_id = _begin(session, account, RunKind.ANSWER)
    proof = take_balance(session, account, suggestion.detail)
    suggestion.detail = suggestion.detail | {"opening_after": Opening.of(account).as_json()}
    _end(session, suggestion, account, run_id, proof)
    return set()


def unsettle_balance(session: Session, suggestion: BankMatchSuggestion) -> set[str]:
    """Take that back: the balance differs as before. Raises: ConflictError when the opening amount is another one."""
    account = _account(session, suggestion)
    run_id = _begin(session, account, RunKind.UNMATCH)
    proof = give_balance_back(session, account, suggestion.detail)
    _end(session, suggestion, account, run_id, proof)
    return set()


def _account(session: Session, suggestion: BankMatchSuggestion) -> BankConnectionAccount:
    account = session.get(BankConnectionAccount, suggestion.account_id, with_for_update=True)
    if account is None:
        raise ConflictError("the account of the question is gone")
    return account


def _begin(session: Session, account: BankConnectionAccount, kind: RunKind) -> uuid.UUID:
    return begin_action(session, connection_id=account.connection_id, user_id=account.user_id, kind=kind)


def _end(
    session: Session,
    suggestion: BankMatchSuggestion,
    account: BankConnectionAccount,
    run_id: uuid.UUID,
    proof: BalanceProof,
) -> None:
    """Keep the act as a run with its proof, and judge the account by that."""
    suggestion.status = "accepted"  # no question that this judgement closes
    save_proof(session, account.id, run_id, proof)
    judge_again(session, account.id, run_id)
    judge_connection_again(session, account.connection_id)
    report = {"match": suggestion.kind, "account_id": account.id, "suggestion_id": suggestion.id}
    end_action(session, run_id, report=report | {"by": current_actor()})
