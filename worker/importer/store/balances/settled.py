"""Asks whether a balance that never fits is right from a day on, and opens the account by it if a user says so.

A first balance that was wrong, and one that counts rows as nothing recognises, differ from the rows for ever. Only the
user can say that the rows are right: from then on later balances are compared with that day's.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.errors import ConflictError
from worker.importer.decide.balances.proof import OTHER_AMOUNT_OWED, BalanceProof, lasts
from worker.importer.decide.reasons import Reason
from worker.importer.store.balances.proof import book_sums
from worker.importer.store.suggestions.obsolete import CLOSED_AS_OBSOLETE
from worker.models import BankConnectionAccount, BankImportRunAccount

SETTLED = "balance_settled"
"""Reason of the proof of an answer: the opening amount is a balance that a user took for right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The opening amount of an account, and what it was taken from; the columns of these names of its source."""

    opening_amount: Decimal | None
    opening_on: date | None
    opening_balance: Decimal | None
    opening_balance_on: date | None
    opening_pending: Decimal
    opening_last_days: list[Decimal] | None

    @classmethod
    def of(cls, account: BankConnectionAccount) -> "Opening":
        """Return the one that an account has."""
        return cls(**{one.name: getattr(account, one.name) for one in fields(cls)})

    @classmethod
    def from_json(cls, kept: Any) -> "Opening | None":  # noqa: ANN401 - whatever a question keeps
        """Return the one that `as_json` wrote; None of nothing."""
        return kept and _AS_JSON.validate_python(kept)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON, with amounts as text."""
        written: dict[str, Any] = _AS_JSON.dump_python(self, mode="json")
        return written

    def give_to(self, account: BankConnectionAccount) -> None:
        """Set the columns of an account."""
        for one in fields(self):
            setattr(account, one.name, getattr(self, one.name))


_AS_JSON = TypeAdapter(Opening)
_ASK = text(
    """INSERT INTO bank_match_suggestions (user_id, kind, account_id, run_id, reason, detail)
    VALUES (:user_id, 'balance', :account_id, :run_id, :reason, CAST(:detail AS jsonb))
    ON CONFLICT ON CONSTRAINT uq_bank_match_suggestions
    DO UPDATE SET status = 'open', decided_at = NULL, run_id = EXCLUDED.run_id, detail = EXCLUDED.detail
    WHERE bank_match_suggestions.status <> 'declined'"""
)
_CLOSE = text(
    f"""UPDATE bank_match_suggestions s SET {CLOSED_AS_OBSOLETE}
    WHERE s.kind = 'balance' AND s.account_id = :account_id AND s.status = 'open'"""  # noqa: S608 - a constant
)


def ask_about_balance(
    session: Session,
    account: BankConnectionAccount,
    proof: BalanceProof,
    earlier: Iterable[BalanceProof],
    run_id: uuid.UUID,
) -> None:
    """Ask whether a balance that has differed for some days is right from now on; close the question once it fits.

    Args:
        proof: What this run's balance says.
        earlier: The proofs of earlier runs, the newest first.
    """
    if proof.result != "mismatch":
        if not proof.says_nothing:
            session.execute(_CLOSE, {"account_id": account.id, "settled_by": str(run_id)})
        return
    if not lasts(proof, earlier) or account.opening_amount is None or proof.difference is None:
        return
    posted = book_sums(session, account, account.opening_on or date.min, proof.balance_on or date.max).posted
    balance = account.opening_amount + posted + proof.difference
    if proof.rests_on == OTHER_AMOUNT_OWED and account.opening_balance is not None:
        balance = 2 * account.opening_balance - balance  # what is owed goes the other way
    detail = {
        "difference": str(proof.difference),
        "balance": str(balance),
        "balance_on": proof.balance_on and proof.balance_on.isoformat(),
        "proof": proof.as_json(),
        "opening": Opening.of(account).as_json(),
    }
    values = {"user_id": account.user_id, "account_id": account.id, "run_id": run_id}
    session.execute(_ASK, values | {"reason": Reason.BALANCE_DIFFERS, "detail": json.dumps(detail)})


def take_balance(session: Session, account: BankConnectionAccount, asked: Mapping[str, Any]) -> BalanceProof:
    """Take the opening amount anew from the balance of a question; return what is proven by that.

    Rows after its day are compared with later balances. One that the bank states for the end of a past day is where
    the rows begin to be added.

    Raises: ConflictError when the opening amount is another one since the question.
    """
    if Opening.of(account) != Opening.from_json(asked["opening"]):
        raise ConflictError("the balances were compared anew since the question: the next run asks again")
    proof = BalanceProof.from_json(asked["proof"])
    assert account.opening_amount is not None
    assert proof.balance_on is not None
    assert proof.difference is not None
    sums = book_sums(session, account, date.min, proof.balance_on)
    before = account.opening_balance
    account.opening_balance, account.opening_balance_on = Decimal(asked["balance"]), proof.balance_on
    account.opening_pending, account.opening_last_days = sums.pending, sums.last
    if proof.rests_on == OTHER_AMOUNT_OWED and before is not None:
        account.opening_amount += proof.difference + 2 * (account.opening_balance - before)
    elif proof.rests_on is None:
        account.opening_amount += proof.difference
    else:
        account.opening_amount, account.opening_on = account.opening_balance, proof.balance_on + timedelta(days=1)
    session.flush()
    return BalanceProof(result="unproven", reason=SETTLED, balance_on=proof.balance_on)


def give_balance_back(session: Session, account: BankConnectionAccount, answered: Mapping[str, Any]) -> BalanceProof:
    """Take the opening amount that was before an answer; return what the balance said then.

    Raises: ConflictError when the opening amount is another one since the answer.
    """
    before, after = (Opening.from_json(answered.get(name)) for name in ("opening", "opening_after"))
    if before is None or Opening.of(account) != after:
        raise ConflictError("the opening amount was taken anew since that answer")
    before.give_to(account)
    session.flush()
    return BalanceProof.from_json(answered["proof"])


def save_proof(session: Session, account_id: int, run_id: uuid.UUID, proof: BalanceProof) -> None:
    """Write what an act of a user makes of an account's balance, as a run of an import does."""
    session.add(
        BankImportRunAccount(
            run_id=run_id, account_id=account_id, status="succeeded", code="ok", balance_proof=proof.as_json()
        )
    )
    session.flush()
