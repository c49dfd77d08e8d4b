"""Lines and stored rows for tables: a coffee of 3.50 on one day, unless a test says otherwise."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from worker.connectors.base import Transaction, Window
from worker.importer.decide.absent_rows import Coverage
from worker.importer.decide.decisions import RowRules
from worker.importer.decide.expenses.from_line import expense_from_line
from worker.importer.decide.expenses.match import Counterpart
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.identity import content_identity
from worker.importer.decide.read.line import Line, read_transaction
from worker.importer.decide.stored_row import ExpenseState, State, StoredKey, StoredRow
from worker.importer.decide.transfers.evidence import TransferLeg

DAY = date(2026, 6, 15)
JUNE = Window(from_on=date(2026, 6, 1), to_on=date(2026, 6, 30))
COMPLETE = Coverage(window=JUNE)
CUT = Coverage(window=None, days_cut_off=JUNE)
NOTHING_PROVEN = Coverage(window=None)
TRUSTED = ReadContext(zone=ZoneInfo("Europe/Berlin"), today=DAY, currency="EUR", trusted=True)
UNTRUSTED = replace(TRUSTED, trusted=False)


def rules(**more: Any) -> RowRules:
    return RowRules(pending_grace_days=7, **more)


def day(offset: int) -> date:
    """So many days after the day of the table."""
    return date.fromordinal(DAY.toordinal() + offset)


def transaction(amount: str = "-3.50", text: str = "Coffee Bar", **more: Any) -> Transaction:
    values: dict[str, Any] = {"account_id": "A", "booking_on": DAY, "currency": "EUR"} | more
    if values["booking_on"] is None:
        del values["booking_on"]
    return Transaction(amount=Decimal(amount), description=text, **values)


def line(amount: str = "-3.50", text: str = "Coffee Bar", context: ReadContext = TRUSTED, **more: Any) -> Line:
    read = read_transaction(transaction(amount, text, **more), context)
    assert isinstance(read, Line)
    return read


def row(amount: str = "-3.50", text: str = "Coffee Bar", *, id: int = 1, **more: Any) -> StoredRow:  # noqa: A002
    """The row that was stored for such a line; `stored` fields may be given by their names."""
    fields = {
        name: more.pop(name)
        for name in list(more)
        if name in StoredRow.__dataclass_fields__ and name not in {"external_id", "counterparty", "reference"}
    }
    seen_on = more.pop("effective_on", None)
    said = line(amount, text, **more)
    said = said if seen_on is None else said._replace(effective_on=seen_on)
    expense = expense_from_line(said, pending_hidden=False)
    values = {
        "id": id,
        "identity": said.identity or content_identity(said.content_key, 0),
        "external_id": said.external_id,
        "content_key": said.content_key,
        "occurrence": 0,
        "fingerprint": said.fingerprint,
        "state": State.PENDING if said.pending else State.POSTED,
        "days": said.days,
        "amount": said.amount,
        "currency": said.currency,
        "description": said.description,
        "counterparty": said.counterparty,
        "reference": said.reference,
        "absent_days": None,
        "expense_id": id + 100,
        "expense_state": ExpenseState.OWN,
        "base": expense,
        "expense": expense,
    }
    return StoredRow(**(values | fields))


def key(stored: StoredRow, **more: Any) -> StoredKey:
    """What is read of every stored row."""
    values = {
        name: getattr(stored, name)
        for name in ("id", "identity", "external_id", "content_key", "occurrence", "fingerprint", "state", "days")
    }
    return StoredKey(**(values | {"absent": stored.absent_days is not None} | more))


def counterpart(notes: str = "Coffee Bar", on: date = DAY, **more: Any) -> Counterpart:
    values: dict[str, Any] = {
        "expense_id": 7, "amount": Decimal("3.50"), "currency": "EUR", "expense_type": "EXPENSE",
    }  # fmt: skip
    return Counterpart(notes=notes, spent_on=on, **(values | more))


def leg(amount: str, words: str = "", *, id: int = 1, **more: Any) -> TransferLeg:  # noqa: A002
    values: dict[str, Any] = {
        "account_id": 1 if amount.startswith("-") else 2, "bank_account_id": None, "currency": "EUR",
        "on": DAY, "kind": None,
        "counterparty_account": None, "anchor": None, "mask": None, "name": "Checking", "account_type": "checking",
    }  # fmt: skip
    return TransferLeg(id=id, amount=Decimal(amount), words=words, **(values | more))
