"""OFX 1.x, OFX 2.x and QFX: bank, card and investment statements, read tag by tag in bounded memory."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from worker.connectors.base import AccountType, BalanceKind, Transaction, TransactionKind
from worker.connectors.file.ofx.tags import Token, tokens
from worker.connectors.file.statement.account_numbers import account_anchor, account_key, account_mask
from worker.connectors.file.statement.amounts import Mark, decimal_evidence, parse_amount
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

_STATEMENTS = {"STMTRS": AccountType.CHECKING, "CCSTMTRS": AccountType.CREDIT, "INVSTMTRS": AccountType.INVESTMENT}
_ACCOUNT_TYPES = {
    "CHECKING": AccountType.CHECKING,
    "SAVINGS": AccountType.SAVINGS,
    "MONEYMRKT": AccountType.SAVINGS,
    "CD": AccountType.SAVINGS,
    "CREDITLINE": AccountType.CREDIT,
}
_KINDS = {
    "POS": TransactionKind.PURCHASE,
    "FEE": TransactionKind.FEE,
    "SRVCHG": TransactionKind.FEE,
    "INT": TransactionKind.INTEREST,
    "DIV": TransactionKind.INCOME,
    "XFER": TransactionKind.TRANSFER,
    "ATM": TransactionKind.CASH,
    "CASH": TransactionKind.CASH,
}
_TRADES = {"TRANSFER", "REINVEST", "SPLIT", "RETOFCAP", "JRNLFUND", "JRNLSEC", "MARGININTEREST", "INVEXPENSE"}
_MOMENT = re.compile(
    r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?(?:\.\d+)?)?\s*(?:\[\s*([+-]?\d+(?:\.\d+)?)?[^\]]*\]?)?.*"
)
_RECORDS = {"STMTTRN", "LEDGERBAL", "AVAILBAL", "INCOME"}
_LINE_NUMBER_DIGITS = 4
_GUARDED_IDS = 200_000


@dataclass(slots=True)
class _Statement:
    """The statement being read. Values of a tag are kept under its name; a nested one as `OUTER.TAG`."""

    kind: AccountType
    line: int
    facts: dict[str, str] = field(default_factory=dict)
    account: StatementAccount | None = None
    opened: bool = False
    balances: dict[str, dict[str, str]] = field(default_factory=dict)
    trades: int = 0


@dataclass(slots=True)
class _Record:
    """One aggregate being collected: a transaction or a balance."""

    name: str
    line: int
    values: dict[str, str] = field(default_factory=dict)


def parse_ofx_day(text: str) -> date:
    """Return the day an OFX moment is written with: the bank's own day, whatever zone is stated behind it.

    Raises: ValueError when it is none.
    """
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise ValueError("is not a date")
    return date(int(found[1]), int(found[2]), int(found[3]))


def parse_ofx_moment(text: str) -> datetime | None:
    """Return the moment (UTC) of an OFX time that states its offset in hours; None for a day or an unstated zone."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None or found[4] is None or found[7] is None:
        return None
    try:
        local = datetime(int(found[1]), int(found[2]), int(found[3]), int(found[4]), int(found[5]), tzinfo=UTC)
    except ValueError:
        return None
    return local - timedelta(hours=float(found[7]))


class OfxReader:
    """Turns the tags of one file into events."""

    def __init__(self) -> None:
        self._statement: _Statement | None = None
        self._record: _Record | None = None
        self._nested: list[str] = []
        self._facts: dict[str, str] = {}
        self._statements = 0
        self._refusal: str | None = None

    def events(self, chunks: Iterable[str]) -> Iterator[Event]:
        """Yield the events of a file that comes in pieces of text.

        Raises: StatementError when there is no statement in it, or it ends in the middle.
        """
        token = None
        for token in tokens(chunks):
            yield from self._close(token) if token.closing else self._open(token)
        if self._statement is not None or self._record is not None:
            raise StatementError("the file ends in the middle of a statement", line=token.line if token else None)
        if not self._statements:
            raise StatementError(self._refusal or "holds no statement (no STMTRS, CCSTMTRS or INVSTMTRS)")

    def _open(self, token: Token) -> Iterator[Event]:
        if token.name in _STATEMENTS:
            yield from self._end_statement()
            self._statement = _Statement(_STATEMENTS[token.name], token.line)
            self._statements += 1
        elif self._record is None and token.name == "MESSAGE" and self._facts.get("SEVERITY") == "ERROR":
            self._refusal = f"the bank answered with an error instead of a statement: {token.text[:200]}"
        elif self._statement is None:
            self._facts[token.name] = token.text
        else:
            yield from self._open_inside(self._statement, token)

    def _open_inside(self, statement: _Statement, token: Token) -> Iterator[Event]:
        if token.name in _RECORDS:
            yield from self._end_record()
            self._record = _Record(token.name, token.line)
            self._nested = []
        elif self._record is not None:
            self._collect(self._record, token)
        elif token.text:
            statement.facts.setdefault(token.name, token.text)
        elif token.name.startswith(("BUY", "SELL")) or token.name in _TRADES:
            statement.trades += 1

    def _collect(self, record: _Record, token: Token) -> None:
        if token.text:
            key = ".".join([*self._nested, token.name])
            record.values.setdefault(key, token.text)
        elif token.name in {"PAYEE", "CURRENCY", "ORIGCURRENCY", "BANKACCTTO", "CCACCTTO", "SECID"}:
            self._nested.append(token.name)

    def _close(self, token: Token) -> Iterator[Event]:
        if self._nested and token.name == self._nested[-1]:
            self._nested.pop()
        elif (self._record is not None and token.name == self._record.name) or token.name in {
            "BANKTRANLIST",
            "INVTRANLIST",
        }:
            yield from self._end_record()
        elif token.name in _STATEMENTS or token.name.endswith("TRNRS") or token.name == "OFX":
            yield from self._end_statement()

    def _end_record(self) -> Iterator[Event]:
        record, statement = self._record, self._statement
        self._record, self._nested = None, []
        if record is None or statement is None:
            return
        if record.name in {"LEDGERBAL", "AVAILBAL"}:
            statement.balances[record.name] = record.values
        else:
            account, opening = self._account(statement)
            yield from opening
            yield self._row(account, record)

    def _account(self, statement: _Statement) -> tuple[StatementAccount, list[Event]]:
        """Return the statement's account, and its opening event the first time."""
        if statement.account is None:
            statement.account = _account_of(statement, self._facts)
            return statement.account, [Opened(account=statement.account, line=statement.line)]
        return statement.account, []

    def _row(self, account: StatementAccount, record: _Record) -> Event:
        try:
            return Row(line=record.line, transaction=_transaction(account, record.values))
        except ValueError as error:
            raw = " ".join(f"{name}={value}" for name, value in record.values.items())
            return BadRow(line=record.line, reason=str(error), raw=raw, account=account.key)

    def _end_statement(self) -> Iterator[Event]:
        yield from self._end_record()
        statement, self._statement = self._statement, None
        if statement is None:
            return
        account, opening = self._account(statement)
        yield from opening
        if statement.trades:
            yield Skipped(line=statement.line, reason=f"{statement.trades} trades of securities: no money spent")
        closing, notes = _balance(account, statement, "LEDGERBAL")
        available, _ = _balance(account, statement, "AVAILBAL")
        yield from notes
        # DTSTART and DTEND are the days that were asked for, often for years: they prove nothing
        yield Closed(account=account.key, closing=closing, available=available)


def _account_of(statement: _Statement, facts: dict[str, str]) -> StatementAccount:
    number = statement.facts.get("ACCTID")
    if not number:
        raise StatementError("the statement names no account (ACCTID)", line=statement.line)
    bank = statement.facts.get("BANKID") or statement.facts.get("BROKERID") or ""
    anchor = account_anchor(number, bank)
    kind = _ACCOUNT_TYPES.get(statement.facts.get("ACCTTYPE", "").upper(), statement.kind)
    institution = facts.get("ORG")
    mask = account_mask(number)
    currency = statement.facts.get("CURDEF", "").upper() or None
    return StatementAccount(
        key=account_key(anchor),
        name=" ".join(part for part in (institution, kind.value, mask) if part),
        anchor=anchor,
        mask=mask,
        account_type=kind,
        currency=currency,
        institution_name=institution,
        stable_ids=True,
    )


def _mark(text: str) -> Mark:
    """OFX allows comma or point, and some banks use thousands separators against it."""
    return decimal_evidence(text) or ("," if "," in text and "." not in text else ".")


def _amount(text: str) -> Decimal:
    if any(character in text for character in "$€£"):
        raise ValueError("TRNAMT is not a number")
    try:
        return parse_amount(text, _mark(text))
    except ValueError as error:
        raise ValueError(f"TRNAMT {error}") from None


def _description(values: dict[str, str]) -> str:
    """Join name and memo; banks repeat the (cut) name at the beginning of the memo."""
    name = values.get("NAME") or values.get("PAYEE.NAME") or ""
    memo = values.get("MEMO", "")
    if name and memo.casefold().startswith(name.casefold()):
        return memo
    return " ".join(part for part in (name, memo) if part) or values.get("TRNTYPE", "")


def _transaction(account: StatementAccount, values: dict[str, str]) -> Transaction:
    if "TRNAMT" not in values and "TOTAL" not in values:
        raise ValueError("has no amount (TRNAMT)")
    posted = values.get("DTPOSTED") or values.get("DTTRADE") or values.get("DTSETTLE")
    if not posted:
        raise ValueError("has no date (DTPOSTED)")
    try:
        booked_on = parse_ofx_day(posted)
        user_on = parse_ofx_day(values["DTUSER"]) if "DTUSER" in values else None
    except ValueError as error:
        raise ValueError(f"date {error}") from None
    return Transaction(
        account_id=account.key,
        amount=_amount(values.get("TRNAMT") or values["TOTAL"]),
        currency=values.get("CURRENCY.CURSYM", account.currency or "").upper() or account.currency,
        description=_description(values),
        external_id=values.get("FITID"),
        booking_on=booked_on,
        transaction_on=user_on,
        counterparty=values.get("NAME") or values.get("PAYEE.NAME"),
        kind=_KINDS.get(values.get("TRNTYPE", "").upper()),
        reference=values.get("REFNUM") or values.get("CHECKNUM"),
        raw=values,
    )


def _balance(account: StatementAccount, statement: _Statement, name: str) -> tuple[StatedBalance | None, list[Event]]:
    values = statement.balances.get(name)
    if values is None:
        return None, []
    try:
        on = parse_ofx_day(values.get("DTASOF", ""))
        amount = _amount(values.get("BALAMT", ""))
    except ValueError:
        return None, [Note(message=f"the {'booked' if name == 'LEDGERBAL' else 'available'} balance cannot be read")]
    kind = BalanceKind.BOOKED if name == "LEDGERBAL" else BalanceKind.AVAILABLE
    at = parse_ofx_moment(values["DTASOF"])
    return StatedBalance(amount=amount, on=on, at=at, currency=account.currency, kind=kind), []
