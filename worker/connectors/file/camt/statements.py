"""CAMT.052, 053 and 054 of any version: bank statements in XML, namespace-blind, one entry at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from worker.connectors.base import Account
from worker.connectors.file.camt.entries import (
    CamtEntry,
    awaits_details,
    entry_currency,
    entry_fault,
    entry_reference,
    entry_transactions,
    is_reversal,
    lists_payments,
    looks_like_entry,
    payments_fit,
    whole_transaction,
)
from worker.connectors.file.camt.headers import stated_account
from worker.connectors.file.camt.open_statement import HEADERS, OpenStatement
from worker.connectors.file.camt.totals import batch_differences
from worker.connectors.file.camt.xml_stream import Node, branches
from worker.connectors.file.statement.account_numbers import is_broken_iban
from worker.connectors.file.statement.accounting import Part
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.events import Closed, Details, Event, Note, Opened, Row, Skipped
from worker.connectors.file.statement.notification_details import entries
from worker.connectors.file.statement.reader import StatementReader, bad_row

_STATEMENTS = frozenset({"Stmt", "Rpt", "Ntfctn"})
_WATCHED = frozenset({"Ntry", "MsgId"})
_MARKS = _STATEMENTS | {"GrpHdr"}
_NOT_BOOKED = {"INFO": "an announcement, not booked", "FUTR": "announced for the future, not booked"}
_BOOKED = frozenset({"BOOK", "BOOKED", "POSTED", "POST"})
_PENDING = frozenset({"PDNG", "PENDING", "PEND"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CamtOptions:
    """How a CAMT file is read.

    Attributes:
        notifications: Read a camt.054 as rows of its own, not as details of what a camt.053 books.
        split_batches: Book the payments of a collective entry one by one where they add up to it.
        currency: Of accounts whose own is missing or not understood.
        turned: Numbers of the statements, from 0, whose reversals keep the direction of the original booking.
    """

    notifications: bool = False
    split_batches: bool = True
    currency: str | None = None
    turned: frozenset[int] = frozenset()


def read_camt(stream: IO[bytes], options: CamtOptions | None = None) -> Iterator[Event]:
    """Yield the events of a CAMT file.

    Raises: StatementError for XML that is broken or dangerous, and for files that hold no statement.
    """
    reader = _CamtReader(options or CamtOptions())
    for kind, node in branches(stream, watched=_WATCHED, marks=_MARKS, containers=_STATEMENTS):
        yield from reader.take(kind, node)
    if not reader.statements:
        raise StatementError("holds no statement (no Stmt, Rpt or Ntfctn)")
    yield from reader.finish()


class _CamtReader(StatementReader):
    def __init__(self, options: CamtOptions) -> None:
        super().__init__("element")
        self.statements = self._notified = 0
        self._options = options
        self._statement: OpenStatement | None = None
        self._in_header = False
        self._message: str | None = None
        self._unfinished: dict[str, int] = {}
        self._sequences: dict[str, int] = {}
        self._doubted: set[str] = set()

    def take(self, kind: str, node: Node) -> Iterator[Event]:
        if kind == "total":
            self.parts.total = node.size
        elif node.name == "GrpHdr":
            self._in_header = kind == "start"
        elif node.name == "MsgId" and self._in_header:
            self._message = node.text.strip() or None
        elif kind == "start":
            self.statements += 1
            self._statement = OpenStatement(node.name, node.line)
        elif kind == "end":
            yield from self._end()
        elif self._statement is None or self._in_header:
            yield self.reject(node.line, "an entry stands outside of a statement", node.as_line(), pieces=node.size)
        else:
            yield from self._branch(self._statement, node)

    def finish(self) -> Iterator[Event]:
        """Yield what only the whole file can tell."""
        for line in self._unfinished.values():
            yield self.remark(line, "the statement is not on its last page: a page may be missing")
        if self._notified:
            message = f"a camt.054: details of {entries(self._notified)}, for the lines of a camt.053 that book them"
            yield Note(message=f"{message} (--notifications reads them as rows of their own)")
        # elements outside of statements, with the group header, belong to the message
        self.parts.use(Part.HEADER, max(0, self.parts.total - sum(self.parts.parts.values())))
        yield self.parts.event()

    def _branch(self, statement: OpenStatement, node: Node) -> Iterator[Event]:
        if node.name == "Ntry":
            yield from self._entry(statement, node)
        elif node.name == "Bal":
            self.parts.use(Part.BALANCE, node.size)
            if (fault := statement.balances.keep(node)) is not None:
                yield self.remark(node.line, fault, node.as_line())
        elif node.name in HEADERS:
            self.parts.use(Part.HEADER, node.size)
            statement.keep(node, self._options.currency)
        elif looks_like_entry(node):
            reason = f"<{node.name}> looks like an entry, but is none"
            yield self.reject(node.line, reason, node.as_line(), account=statement.account, pieces=node.size)
        else:
            yield self.remark(node.line, f"<{node.name}> is not known in a statement", node.as_line(), pieces=node.size)

    def _opened(self, statement: OpenStatement, entry: Node | None = None) -> Iterator[Event]:
        """Yield the opening event of a statement whose account is named, once."""
        named = statement.named
        if statement.account is not None or named is None:
            return
        told = statement.balances.currency or (entry_currency(entry) if entry is not None else None)
        statement.account = stated_account(named, told or self._options.currency)
        yield Opened(account=statement.account, line=statement.line)
        if is_broken_iban(number := named.get("Id/IBAN") or "") and number not in self._doubted:
            self._doubted.add(number)
            yield self.remark(named.line, "the account number is no IBAN: its check digits are wrong")

    def _entry(self, statement: OpenStatement, node: Node) -> Iterator[Event]:
        yield from self._opened(statement, node)
        account = statement.account
        if account is None:
            raise StatementError("an entry comes before the account", line=node.line)
        statement.totals.count(node)
        if (status := (node.get("Sts/Cd", "Sts/Prtry", "Sts") or "BOOK").upper()) in _NOT_BOOKED:
            self.parts.use(Part.LEFT_OUT, node.size)
            yield Skipped(line=node.line, reason=_NOT_BOOKED[status])
            return
        try:
            yield from self._rows(statement, account, node, status)
        except ValueError as error:
            yield self.reject(node.line, str(error), node.as_line(), account=account, pieces=node.size)
        yield from _nested(node, account)

    def _rows(self, statement: OpenStatement, account: Account, node: Node, status: str) -> Iterator[Event]:
        """Yield an entry as rows, or as details. Raises: ValueError saying what cannot be read."""
        if (fault := entry_fault(node)) is not None:
            raise ValueError(fault)
        if status not in _BOOKED | _PENDING:
            raise ValueError(f"status '{status[:40]}' is neither booked nor pending")
        is_notice = statement.kind == "Ntfctn" and not self._options.notifications
        entry = CamtEntry(
            account=account,
            node=node,
            pending=status in _PENDING,
            split=self._options.split_batches or is_notice,
            day=statement.day,
            turned=self.statements - 1 in self._options.turned,
        )
        if is_notice:
            yield from self._notice(statement, entry)
            return
        transactions = entry_transactions(entry)
        self.parts.use(Part.TRANSACTION, node.size)
        open_entry = self._options.split_batches and awaits_details(node, transactions)
        reference = entry_reference(node, transactions[0], frozenset()) if open_entry else None
        yield from (Row(line=node.line, transaction=one, entry=reference) for one in transactions)
        if not (node.find("BookgDt") or node.find("ValDt") or entry.pending):
            yield self.remark(node.line, "an entry without a day: read as of the last day of the statement")
        if is_reversal(node) and not entry.turned and not statement.balances.prove_entries:
            yield self.remark(node.line, "a reversal, read as ISO 20022 says; no balances prove its direction")
        for difference in batch_differences(node):
            yield self.remark(node.line, difference)
        if self._options.split_batches and len(transactions) == 1 and not payments_fit(node, transactions[0]):
            yield self.remark(node.line, "the payments of a collective entry do not add up to it")

    def _notice(self, statement: OpenStatement, entry: CamtEntry) -> Iterator[Event]:
        """Yield an entry of a notification: its payments, if it lists any, for the statement that books it."""
        self.parts.use(Part.LEFT_OUT, entry.node.size)
        self._notified += 1
        messages = frozenset(text for text in (self._message, statement.message) if text)
        reference = entry_reference(entry.node, whole_transaction(entry), messages)
        payments = entry_transactions(entry) if lists_payments(entry.node) else ()
        yield Details(line=entry.node.line, entry=reference, payments=tuple(payments))

    def _end(self) -> Iterator[Event]:
        statement, self._statement = self._statement, None
        if statement is None:
            return
        yield from self._opened(statement)
        if statement.account is None:
            return
        key = statement.account.external_id
        self.parts.use(Part.HEADER)
        # a camt.052 is a look into the day, not the end of it: it proves no period
        complete = statement.kind == "Stmt" and not statement.partial
        yield Closed(
            account=key,
            opening=statement.balances.opening,
            closing=statement.balances.closing,
            available=statement.balances.available,
            period=statement.period if complete else None,
            moments=statement.moments if statement.kind == "Rpt" else None,
            line=statement.line,
        )
        if statement.stated_totals is not None:
            for difference in statement.totals.differences(statement.stated_totals):
                yield self.remark(statement.stated_totals.line, difference)
        if statement.sequence is not None:
            before = self._sequences.get(key)
            if before is not None and statement.sequence > before + 1:
                reason = f"statement {statement.sequence} follows {before}: one may be missing between them"
                yield self.remark(statement.line, reason)
            self._sequences[key] = statement.sequence
        self._unfinished.pop(key, None)
        if not statement.last_page:
            self._unfinished[key] = statement.line


def _nested(node: Node, account: Account) -> Iterator[Event]:
    """Reject entries inside of an entry: the tags between them were lost."""
    for child in node.children:
        if child.name == "Ntry":
            yield bad_row(child.line, "an entry inside of an entry", child.as_line(), account)
        yield from _nested(child, account)
