"""CAMT.052, 053 and (asked for) 054 of any version: bank statements in XML, namespace-blind, one entry at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import IO

from worker.connectors.base import BalanceKind, Window
from worker.connectors.file.camt.entries import CamtEntry, entry_amount, entry_transactions, stated
from worker.connectors.file.camt.xml_stream import Node, branches
from worker.connectors.file.statement.account_numbers import account_anchor, account_key, account_mask, find_iban
from worker.connectors.file.statement.events import (
    BadRow,
    Closed,
    Event,
    Note,
    Opened,
    Row,
    Skipped,
    StatedBalance,
    StatementAccount,
    StatementError,
)

_WATCHED = frozenset({"Acct", "Bal", "Ntry", "FrToDt", "StmtPgntn", "RptPgntn", "NtfctnPgntn", "CreDtTm"})
_STATEMENTS = frozenset({"Stmt", "Rpt", "Ntfctn"})
_MARKS = _STATEMENTS | {"GrpHdr"}
_KINDS = {
    "OPBD": ("opening", BalanceKind.BOOKED),
    "PRCD": ("opening", BalanceKind.BOOKED),
    "CLBD": ("closing", BalanceKind.BOOKED),
    "CLAV": ("available", BalanceKind.AVAILABLE),
    "ITBD": ("interim", BalanceKind.BOOKED),
    "ITAV": ("available", BalanceKind.AVAILABLE),
}
_NOT_BOOKED = {"INFO": "an announcement, not booked", "FUTR": "announced for the future, not booked"}


@dataclass(slots=True)
class _Statement:
    """The statement being read."""

    kind: str
    line: int
    account: StatementAccount | None = None
    balances: dict[str, StatedBalance] = field(default_factory=dict)
    period: Window | None = None
    created_on: date | None = None
    partial: bool = False

    @property
    def day(self) -> date | None:
        """The day of entries that state none: the end of the period, else the day the bank wrote the statement."""
        return self.period.to_on if self.period else self.created_on


def read_camt(stream: IO[bytes], *, notifications: bool = False, split_batches: bool = False) -> Iterator[Event]:
    """Yield the events of a CAMT file.

    notifications: also read camt.054, whose lines a camt.053 repeats. split_batches: book the payments of a collective
    entry one by one where they add up to it; by default the entry is one line, as on every other statement.

    Raises: StatementError for XML that is broken or dangerous, and for files that hold no statement.
    """
    reader = _Reader(notifications=notifications, split_batches=split_batches)
    for kind, node in branches(stream, watched=_WATCHED, marks=_MARKS):
        yield from reader.take(kind, node)
    if not reader.statements:
        raise StatementError("holds no statement (no Stmt, Rpt or Ntfctn)")


class _Reader:
    def __init__(self, *, notifications: bool, split_batches: bool) -> None:
        self.statements = 0
        self._notifications = notifications
        self._split = split_batches
        self._statement: _Statement | None = None
        self._in_header = False

    def take(self, kind: str, node: Node) -> Iterator[Event]:
        if node.name == "GrpHdr":
            self._in_header = kind == "start"
        elif kind == "start":
            self._begin(node)
        elif kind == "end":
            yield from self._end()
        elif self._statement is not None and not self._in_header:
            yield from self._branch(self._statement, node)

    def _begin(self, node: Node) -> None:
        if node.name == "Ntfctn" and not self._notifications:
            raise StatementError(
                "is a camt.054, a notification of payments that the statement repeats: use the bank's camt.053"
                " (or set notifications = true where there is none)",
                line=node.line,
            )
        self.statements += 1
        self._statement = _Statement(node.name, node.line)

    def _branch(self, statement: _Statement, node: Node) -> Iterator[Event]:
        if node.name == "Acct":
            statement.account = _account(node)
            yield Opened(account=statement.account, line=statement.line)
        elif node.name == "Bal":
            yield from _take_balance(statement, node)
        elif node.name == "FrToDt":
            statement.period = _period(node)
        elif node.name == "CreDtTm":
            statement.created_on = _day(node.text.strip())
        elif node.name.endswith("Pgntn"):
            statement.partial = node.get("LastPgInd") == "false" or node.get("PgNb") not in {"1", None}
        elif node.name == "Ntry":
            yield from self._entry(statement, node)

    def _entry(self, statement: _Statement, node: Node) -> Iterator[Event]:
        account = statement.account
        if account is None:
            raise StatementError("an entry comes before the account", line=node.line)
        status = node.get("Sts/Cd", "Sts/Prtry", "Sts") or "BOOK"
        if status in _NOT_BOOKED:
            yield Skipped(line=node.line, reason=_NOT_BOOKED[status])
            return
        try:
            entry = CamtEntry(
                account=account, node=node, pending=status == "PDNG", split=self._split, day=statement.day
            )
            for transaction in entry_transactions(entry):
                yield Row(line=node.line, transaction=transaction)
        except ValueError as error:
            yield BadRow(line=node.line, reason=str(error), raw=_raw(node), account=account.key)

    def _end(self) -> Iterator[Event]:
        statement, self._statement = self._statement, None
        if statement is None or statement.account is None:
            return
        balances = statement.balances
        # a camt.052 is a look into the day, not the end of it: it proves no period
        complete = statement.kind == "Stmt" and not statement.partial
        yield Closed(
            account=statement.account.key,
            opening=balances.get("opening"),
            closing=balances.get("closing") or balances.get("interim"),
            available=balances.get("available"),
            period=statement.period if complete else None,
        )


def _raw(node: Node) -> str:
    """Write an entry as one line of `path=text` for the list of rejected rows."""
    texts = (f"{child.name}={child.get('Cd') or ' '.join(child.text.split())}" for child in node.children)
    return " ".join(text for text in texts if not text.endswith("="))


def _account(node: Node) -> StatementAccount:
    number = node.get("Id/IBAN", "Id/Othr/Id", "Id/PrtryAcct/Id", "Id/BBAN", "Id/UPIC")
    if number is None:
        raise StatementError("the statement names no account", line=node.line)
    bank = node.get("Svcr/FinInstnId/BICFI", "Svcr/FinInstnId/BIC", "Svcr/FinInstnId/ClrSysMmbId/MmbId") or ""
    institution = node.get("Svcr/FinInstnId/Nm", "Svcr/FinInstnId/NmAndAdr/Nm")
    anchor = account_anchor(find_iban(number) or number, bank)
    mask = account_mask(number)
    return StatementAccount(
        key=account_key(anchor),
        name=node.get("Nm") or " ".join(part for part in (institution or bank, mask) if part) or "account",
        anchor=anchor,
        mask=mask,
        currency=node.get("Ccy"),
        institution_name=institution,
    )


def _take_balance(statement: _Statement, node: Node) -> Iterator[Event]:
    code = node.get("Tp/CdOrPrtry/Cd", "Tp/Cd")
    if code not in _KINDS:
        return
    name, kind = _KINDS[code]
    if name == "opening" and "opening" in statement.balances and code == "PRCD":
        return
    try:
        amount, currency = entry_amount(node)
        stated_on = stated(node.find("Dt"))
    except ValueError as error:
        yield Note(message=f"a balance cannot be read: {error}")
        return
    if stated_on is None:
        return
    on = stated_on.date() if isinstance(stated_on, datetime) else stated_on
    at = stated_on if isinstance(stated_on, datetime) else None
    statement.balances[name] = StatedBalance(amount=amount, on=on, at=at, currency=currency, kind=kind)


def _period(node: Node) -> Window | None:
    start, end = (_day(node.get(f"{edge}DtTm", f"{edge}Dt")) for edge in ("Fr", "To"))
    return Window(from_on=start, to_on=end) if start and end and start <= end else None


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None
