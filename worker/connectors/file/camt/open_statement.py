"""Keeps what the headers of a CAMT statement say while it is read."""

from dataclasses import dataclass, field
from datetime import date, datetime

from worker.connectors.base import Account, Window
from worker.connectors.file.camt.headers import (
    CamtBalances,
    stated_account,
    stated_day,
    stated_moments,
    stated_number,
    stated_period,
)
from worker.connectors.file.camt.totals import EntryTotals
from worker.connectors.file.camt.xml_stream import Node
from worker.connectors.file.statement.errors import StatementError

HEADERS = frozenset(
    {
        *("Id", "ElctrncSeqNb", "RptgSeq", "LglSeqNb", "CreDtTm", "CpyDplctInd", "RptgSrc", "RltdAcct", "Intrst"),
        *("AddtlStmtInf", "AddtlRptInf", "AddtlNtfctnInf", "SplmtryData"),
        *("FrToDt", "StmtPgntn", "RptPgntn", "NtfctnPgntn", "TxsSummry", "Acct"),
    }
)
"""The elements of a statement that are neither entries nor balances."""


@dataclass(slots=True)
class OpenStatement:
    """The statement being read.

    Attributes:
        named: The element that names its account.
        account: From the first entry on: balances and entries may tell its currency.
        message: Its id, which the entries of another message may name.
    """

    kind: str
    line: int
    named: Node | None = None
    account: Account | None = None
    balances: CamtBalances = field(default_factory=CamtBalances)
    period: Window | None = None
    moments: tuple[datetime, datetime] | None = None
    created_on: date | None = None
    message: str | None = None
    partial: bool = False
    last_page: bool = True
    sequence: int | None = None
    stated_totals: Node | None = None
    totals: EntryTotals = field(default_factory=EntryTotals)

    @property
    def day(self) -> date | None:
        """The day of entries that state none: the end of the period, else the day the bank wrote the statement."""
        return self.period.to_on if self.period else self.created_on

    def keep(self, node: Node, currency: str | None) -> None:
        """Keep what a header says.

        Args:
            node: One of `HEADERS`.
            currency: Of accounts whose own is missing or not understood.

        Raises: StatementError when it names another account.
        """
        text = node.text.strip()
        if node.name == "Acct":
            self._name(node, currency)
        elif node.name == "FrToDt":
            self.period, self.moments = stated_period(node), stated_moments(node)
        elif node.name == "CreDtTm":
            self.created_on = stated_day(text)
        elif node.name == "Id":
            self.message = text or None
        elif node.name == "ElctrncSeqNb":
            self.sequence = stated_number(text)
        elif node.name == "TxsSummry":
            self.stated_totals = node
        elif node.name.endswith("Pgntn"):
            self.last_page = node.get("LastPgInd") != "false"
            self.partial = not self.last_page or node.get("PgNb") not in {"1", None}

    def _name(self, node: Node, currency: str | None) -> None:
        names = {stated_account(one, currency).external_id for one in (self.named or node, node)}
        if len(names) > 1:
            raise StatementError("one statement names two accounts", line=node.line)
        self.named = self.named or node
