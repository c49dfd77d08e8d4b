"""CAMT.052, 053 and (asked for) 054 of any version: bank statements in XML, namespace-blind, one entry at a time."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import IO

from worker.connectors.base import BalanceKind, Window
from worker.connectors.file.camt.entries import (
    CamtEntry,
    entry_amount,
    entry_fault,
    entry_transactions,
    is_reversal,
    payments_fit,
    stated,
)
from worker.connectors.file.camt.xml_stream import Node, branches
from worker.connectors.file.statement.account_numbers import account_anchor, account_key, account_mask, find_iban
from worker.connectors.file.statement.currencies import account_currency
from worker.connectors.file.statement.events import (
    BadRow,
    Closed,
    Event,
    Opened,
    Part,
    PartCounter,
    Remark,
    Row,
    Skipped,
    StatedBalance,
    StatementAccount,
    StatementError,
)

_STATEMENTS = frozenset({"Stmt", "Rpt", "Ntfctn"})
_WATCHED = frozenset({"Ntry"})
_MARKS = _STATEMENTS | {"GrpHdr"}
_HEADERS = frozenset(
    {
        *("Id", "ElctrncSeqNb", "RptgSeq", "LglSeqNb", "CreDtTm", "CpyDplctInd", "RptgSrc", "RltdAcct", "Intrst"),
        *("AddtlStmtInf", "AddtlRptInf", "AddtlNtfctnInf", "SplmtryData"),
        *("FrToDt", "StmtPgntn", "RptPgntn", "NtfctnPgntn", "TxsSummry", "Acct"),
    }
)
_KINDS = {
    "OPBD": ("opening", BalanceKind.BOOKED),
    "PRCD": ("opening", BalanceKind.BOOKED),
    "CLBD": ("closing", BalanceKind.BOOKED),
    "CLAV": ("available", BalanceKind.AVAILABLE),
    "ITBD": ("interim", BalanceKind.BOOKED),
    "ITAV": ("available", BalanceKind.AVAILABLE),
}
_NOT_BOOKED = {"INFO": "an announcement, not booked", "FUTR": "announced for the future, not booked"}
_BOOKED = frozenset({"BOOK", "BOOKED", "POSTED", "POST"})
_PENDING = frozenset({"PDNG", "PENDING", "PEND"})
_MAX_RAW_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class CamtOptions:
    """How a CAMT file is read.

    Attributes:
        notifications: Also read camt.054, whose lines a camt.053 repeats.
        split_batches: Book the payments of a collective entry one by one where they add up to it.
        currency: Of accounts whose own is missing or not understood.
        turned: Numbers of the statements, from 0, whose reversals keep the direction of the original booking.
    """

    notifications: bool = False
    split_batches: bool = True
    currency: str | None = None
    turned: frozenset[int] = frozenset()


@dataclass(slots=True)
class _Counted:
    """Entries of a statement, for comparison with the numbers that the statement states about itself."""

    number: int = 0
    sums: Counter[str] = field(default_factory=Counter)
    numbers: Counter[str] = field(default_factory=Counter)
    unread: int = 0


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
    last_page: bool = True
    sequence: int | None = None
    stated_numbers: Node | None = None
    entries: _Counted = field(default_factory=_Counted)

    @property
    def day(self) -> date | None:
        """The day of entries that state none: the end of the period, else the day the bank wrote the statement."""
        return self.period.to_on if self.period else self.created_on


def read_camt(stream: IO[bytes], options: CamtOptions | None = None) -> Iterator[Event]:
    """Yield the events of a CAMT file.

    Raises: StatementError for XML that is broken or dangerous, and for files that hold no statement.
    """
    reader = _Reader(options or CamtOptions())
    for kind, node in branches(stream, watched=_WATCHED, marks=_MARKS, containers=_STATEMENTS):
        yield from reader.take(kind, node)
    if not reader.statements:
        raise StatementError("holds no statement (no Stmt, Rpt or Ntfctn)")
    yield from reader.finish()


class _Reader:
    def __init__(self, options: CamtOptions) -> None:
        self.statements = 0
        self._options = options
        self._statement: _Statement | None = None
        self._in_header = False
        self._parts = PartCounter("element")
        self._unfinished: dict[str, int] = {}
        self._sequences: dict[str, int] = {}

    def take(self, kind: str, node: Node) -> Iterator[Event]:
        if kind == "total":
            self._parts.total = node.size
        elif node.name == "GrpHdr":
            self._in_header = kind == "start"
        elif kind == "start":
            self._begin(node)
        elif kind == "end":
            yield from self._end()
        elif self._statement is None or self._in_header:
            self._parts.use(Part.REJECTED, node.size)
            yield BadRow(line=node.line, reason="an entry stands outside of a statement", raw=_raw(node))
        else:
            yield from self._branch(self._statement, node)

    def finish(self) -> Iterator[Event]:
        """Yield what only the whole file can tell."""
        for line in self._unfinished.values():
            yield Remark(line=line, reason="the statement is not on its last page: a page may be missing")
        # elements outside of statements, with the group header, belong to the message
        self._parts.use(Part.HEADER, max(0, self._parts.total - sum(self._parts.parts.values())))
        yield self._parts.event()

    def _begin(self, node: Node) -> None:
        if node.name == "Ntfctn" and not self._options.notifications:
            raise StatementError(
                "is a camt.054, a notification of payments that the statement repeats: use the bank's camt.053"
                " (or set notifications = true where there is none)",
                line=node.line,
            )
        self.statements += 1
        self._statement = _Statement(node.name, node.line)

    def _branch(self, statement: _Statement, node: Node) -> Iterator[Event]:
        if node.name == "Ntry":
            yield from self._entry(statement, node)
        elif node.name == "Bal":
            yield from self._balance(statement, node)
        elif node.name in _HEADERS:
            self._parts.use(Part.HEADER, node.size)
            yield from self._header(statement, node)
        elif _like_booking(node):
            self._parts.use(Part.REJECTED, node.size)
            reason = f"<{node.name}> looks like an entry, but is none"
            account = statement.account.key if statement.account else None
            yield BadRow(line=node.line, reason=reason, raw=_raw(node), account=account)
        else:
            self._parts.use(Part.REMARK, node.size)
            yield Remark(line=node.line, reason=f"<{node.name}> is not known in a statement", raw=_raw(node))

    def _header(self, statement: _Statement, node: Node) -> Iterator[Event]:
        if node.name == "Acct":
            yield from self._account(statement, node)
        elif node.name == "FrToDt":
            statement.period = _period(node)
        elif node.name == "CreDtTm":
            statement.created_on = _day(node.text.strip())
        elif node.name == "ElctrncSeqNb":
            statement.sequence = int(node.text) if node.text.strip().isdecimal() else None
        elif node.name == "TxsSummry":
            statement.stated_numbers = node
        elif node.name.endswith("Pgntn"):
            statement.last_page = node.get("LastPgInd") != "false"
            statement.partial = not statement.last_page or node.get("PgNb") not in {"1", None}

    def _account(self, statement: _Statement, node: Node) -> Iterator[Event]:
        account = _account(node, self._options.currency)
        if statement.account is not None and statement.account.key != account.key:
            raise StatementError("one statement names two accounts", line=node.line)
        if statement.account is None:
            statement.account = account
            yield Opened(account=account, line=statement.line)

    def _balance(self, statement: _Statement, node: Node) -> Iterator[Event]:
        self._parts.use(Part.BALANCE, node.size)
        code = node.get("Tp/CdOrPrtry/Cd", "Tp/Cd")
        name, kind = _KINDS.get(code or "", (None, BalanceKind.BOOKED))
        if name is None or (code == "PRCD" and name in statement.balances):
            return
        try:
            balance = _stated_balance(node, kind)
        except ValueError as error:
            yield Remark(line=node.line, reason=f"a balance ({code}) cannot be read: {error}", raw=_raw(node))
            return
        held = statement.balances.get(name)
        if held is not None and held.amount != balance.amount and kind is BalanceKind.BOOKED and name != "opening":
            yield Remark(line=node.line, reason=f"two different balances of one kind ({code})", raw=_raw(node))
        statement.balances[name] = balance

    def _entry(self, statement: _Statement, node: Node) -> Iterator[Event]:
        account = statement.account
        if account is None:
            raise StatementError("an entry comes before the account", line=node.line)
        _count(statement.entries, node)
        status = (node.get("Sts/Cd", "Sts/Prtry", "Sts") or "BOOK").upper()
        if status in _NOT_BOOKED:
            self._parts.use(Part.LEFT_OUT, node.size)
            yield Skipped(line=node.line, reason=_NOT_BOOKED[status])
            return
        try:
            yield from self._rows(statement, account, node, status)
        except ValueError as error:
            self._parts.use(Part.REJECTED, node.size)
            yield BadRow(line=node.line, reason=str(error), raw=_raw(node), account=account.key)
        yield from _nested(node, account)

    def _rows(self, statement: _Statement, account: StatementAccount, node: Node, status: str) -> Iterator[Event]:
        if (fault := entry_fault(node)) is not None:
            raise ValueError(fault)
        if status not in _BOOKED | _PENDING:
            raise ValueError(f"status '{status[:40]}' is neither booked nor pending")
        turned = self.statements - 1 in self._options.turned
        entry = CamtEntry(
            account=account,
            node=node,
            pending=status in _PENDING,
            split=self._options.split_batches,
            day=statement.day,
            turned=turned,
        )
        transactions = entry_transactions(entry)
        self._parts.use(Part.TRANSACTION, node.size)
        yield from (Row(line=node.line, transaction=transaction) for transaction in transactions)
        if is_reversal(node) and not turned and not {"opening", "closing"} <= statement.balances.keys():
            yield Remark(line=node.line, reason="a reversal, read as ISO 20022 says; no balances prove its direction")
        if self._options.split_batches and len(transactions) == 1 and not payments_fit(node, transactions[0]):
            yield Remark(line=node.line, reason="the payments of a collective entry do not add up to it")

    def _end(self) -> Iterator[Event]:
        statement, self._statement = self._statement, None
        if statement is None or statement.account is None:
            return
        key = statement.account.key
        self._parts.use(Part.HEADER)
        balances = statement.balances
        # a camt.052 is a look into the day, not the end of it: it proves no period
        complete = statement.kind == "Stmt" and not statement.partial
        yield Closed(
            account=key,
            opening=balances.get("opening"),
            closing=balances.get("closing") or balances.get("interim"),
            available=balances.get("available"),
            period=statement.period if complete else None,
            line=statement.line,
        )
        yield from _compare_numbers(statement)
        before = self._sequences.get(key)
        if statement.sequence is not None:
            if before is not None and statement.sequence > before + 1:
                reason = f"statement {statement.sequence} follows {before}: one may be missing between them"
                yield Remark(line=statement.line, reason=reason)
            self._sequences[key] = statement.sequence
        self._unfinished.pop(key, None)
        if not statement.last_page:
            self._unfinished[key] = statement.line


def _stated_balance(node: Node, kind: BalanceKind) -> StatedBalance:
    """Read a balance. Raises: ValueError saying what is missing or wrong."""
    amount, currency = entry_amount(node)
    stated_on = stated(node.find("Dt"))
    if stated_on is None:
        raise ValueError("has no date")
    on = stated_on.date() if isinstance(stated_on, datetime) else stated_on
    at = stated_on if isinstance(stated_on, datetime) else None
    return StatedBalance(amount=amount, on=on, at=at, currency=currency, kind=kind)


def _nested(node: Node, account: StatementAccount) -> Iterator[Event]:
    """Reject entries inside of an entry: the tags between them were lost."""
    for child in node.children:
        if child.name == "Ntry":
            yield BadRow(line=child.line, reason="an entry inside of an entry", raw=_raw(child), account=account.key)
        yield from _nested(child, account)


def _like_booking(node: Node) -> bool:
    names = {child.name for child in node.children} | {node.name}
    return bool(names & {"CdtDbtInd", "BookgDt", "NtryRef", "NtryDtls"}) or node.name == "Amt"


def _count(entries: _Counted, node: Node) -> None:
    entries.number += 1
    try:
        amount, _ = entry_amount(node)
    except ValueError:
        entries.unread += 1
        return
    name = "TtlCdtNtries" if amount > 0 else "TtlDbtNtries"
    entries.sums[name] += abs(amount)  # type: ignore[assignment] # a Counter of Decimals
    entries.numbers[name] += 1


def _compare_numbers(statement: _Statement) -> Iterator[Event]:
    """Compare the entries with the numbers and sums that the statement states about them."""
    if statement.stated_numbers is None:
        return
    node, entries = statement.stated_numbers, statement.entries
    expected = {"TtlNtries": entries.number, **entries.numbers} if not entries.unread else {"TtlNtries": entries.number}
    for name in ("TtlNtries", "TtlCdtNtries", "TtlDbtNtries"):
        told = node.get(f"{name}/NbOfNtries")
        if told and told.isdecimal() and name in {"TtlNtries", *expected} and int(told) != expected.get(name, 0):
            reason = f"the statement says {told} entries ({name}) and holds {expected.get(name, 0)}"
            yield Remark(line=node.line, reason=reason)
        told = node.get(f"{name}/Sum")
        if told and name != "TtlNtries" and not entries.unread and Decimal(told) != entries.sums.get(name, 0):
            yield Remark(line=node.line, reason=f"the statement says entries of {told} ({name}), they sum to another")


def _raw(node: Node) -> str:
    """Write an entry as one line of `path=text` for the list of rejected rows."""
    texts = (f"{child.name}={child.get('Cd') or ' '.join(child.text.split())}" for child in node.children)
    return " ".join(text for text in texts if not text.endswith("="))[:_MAX_RAW_CHARACTERS] or node.text.strip()


def _account(node: Node, stated_currency: str | None) -> StatementAccount:
    number = node.get("Id/IBAN", "Id/Othr/Id", "Id/PrtryAcct/Id", "Id/BBAN", "Id/UPIC")
    if number is None:
        raise StatementError("the statement names no account", line=node.line)
    bank = node.get("Svcr/FinInstnId/BICFI", "Svcr/FinInstnId/BIC", "Svcr/FinInstnId/ClrSysMmbId/MmbId") or ""
    institution = node.get("Svcr/FinInstnId/Nm", "Svcr/FinInstnId/NmAndAdr/Nm")
    anchor = account_anchor(find_iban(number) or number, bank)
    try:
        currency = account_currency(node.get("Ccy"), stated_currency)
    except ValueError as error:
        raise StatementError(str(error), line=node.line) from None
    mask = account_mask(number)
    return StatementAccount(
        key=account_key(anchor),
        name=node.get("Nm") or " ".join(part for part in (institution or bank, mask) if part) or "account",
        anchor=anchor,
        mask=mask,
        currency=currency,
        institution_name=institution,
    )


def _period(node: Node) -> Window | None:
    start, end = (_day(node.get(f"{edge}DtTm", f"{edge}Dt")) for edge in ("Fr", "To"))
    return Window(from_on=start, to_on=end) if start and end and start <= end else None


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None
