"""OFX 1.x, OFX 2.x and QFX: bank, card and investment statements, read tag by tag in bounded memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from worker.connectors.base import AccountType, BalanceKind
from worker.connectors.file.ofx.tags import Token, tokens
from worker.connectors.file.ofx.transactions import ofx_transaction
from worker.connectors.file.ofx.values import parse_ofx_amount, parse_ofx_day, parse_ofx_moment
from worker.connectors.file.statement.account_numbers import account_anchor, account_key, account_mask
from worker.connectors.file.statement.amounts import Mark
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

_STATEMENTS = {"STMTRS": AccountType.CHECKING, "CCSTMTRS": AccountType.CREDIT, "INVSTMTRS": AccountType.INVESTMENT}
_ACCOUNT_TYPES = {
    "CHECKING": AccountType.CHECKING,
    "SAVINGS": AccountType.SAVINGS,
    "MONEYMRKT": AccountType.SAVINGS,
    "CD": AccountType.SAVINGS,
    "CREDITLINE": AccountType.CREDIT,
}
_TRANSACTIONS = frozenset({"STMTTRN", "STMTTRNP", "INCOME"})
_BALANCES = frozenset({"LEDGERBAL", "AVAILBAL"})
_LISTS = frozenset({"BANKTRANLIST", "BANKTRANLISTP", "INVTRANLIST"})
_NESTED = frozenset({"PAYEE", "CURRENCY", "ORIGCURRENCY", "BANKACCTTO", "CCACCTTO", "SECID"})
# Fields that only a transaction has: outside of one they are a transaction whose own tag was lost.
_TRANSACTION_FIELDS = frozenset({"TRNTYPE", "DTPOSTED", "TRNAMT", "FITID"})
_STRAY_FIELDS = frozenset({"MEMO", "CHECKNUM", "DTUSER", "BALAMT", "DTASOF", "PAYEE", "REFNUM"})
_STATED_ONCE = frozenset({"TRNTYPE", "DTPOSTED", "TRNAMT", "FITID", "BALAMT", "DTASOF"})
_OF_ONE_ACCOUNT = frozenset({"ACCTID", "CURDEF"})
_OTHER = frozenset(
    {"TRANSFER", "REINVEST", "SPLIT", "RETOFCAP", "JRNLFUND", "JRNLSEC", "MARGININTEREST", "INVEXPENSE", "CLOSUREOPT"}
)
_OTHER_PREFIXES = ("BUY", "SELL", "POS", "OO", "BALLIST", "INVBAL", "INV401K", "INVOO")
_MAX_RAW_CHARACTERS = 500


@dataclass(slots=True)
class _Statement:
    """The statement being read.

    Attributes:
        kind: Type of account that the statement's tag implies.
        facts: Values of tags outside of transactions and balances.
        trades: Number of trades of securities, which are left out.
    """

    kind: AccountType
    line: int
    facts: dict[str, str] = field(default_factory=dict)
    account: StatementAccount | None = None
    balances: dict[str, dict[str, str]] = field(default_factory=dict)
    trades: int = 0


@dataclass(slots=True)
class _Record:
    """A transaction or a balance whose tags are being collected.

    Attributes:
        damaged: Why it is rejected whatever its fields say; None for a sound one.
        tags: Number of opening tags in it.
    """

    name: str
    line: int
    damaged: str | None = None
    values: dict[str, str] = field(default_factory=dict)
    tags: int = 1


class OfxReader:
    """Turns the tags of one file into events."""

    def __init__(self, mark: Mark | None = None, currency: str | None = None) -> None:
        """Args: mark: for amounts that fit both decimal marks. currency: used where the file's own is unknown."""
        self._mark = mark
        self._currency = currency
        self._statement: _Statement | None = None
        self._record: _Record | None = None
        self._nested: list[str] = []
        self._other: str | None = None
        self._facts: dict[str, str] = {}
        self._statements = 0
        self._closed = False
        self._refusal: str | None = None
        self._parts = PartCounter("tag")

    def events(self, chunks: Iterable[str]) -> Iterator[Event]:
        """Yield the events of a file that comes in pieces of text.

        Raises: StatementError when there is no statement in it, or it ends in the middle.
        """
        token = None
        for token in tokens(chunks):
            if token.closing:
                yield from self._close(token)
            else:
                self._parts.total += 1
                yield from self._open(token)
        line = token.line if token else None
        if self._statement is not None or self._record is not None:
            raise StatementError("the file ends in the middle of a statement", line=line)
        if not self._statements:
            raise StatementError(self._refusal or "holds no statement (no STMTRS, CCSTMTRS or INVSTMTRS)")
        if "OFX" in self._facts and not self._closed:
            yield Remark(line=line or 1, reason="the file does not end with </OFX>: it may have been cut off")
        yield self._parts.event()

    def _open(self, token: Token) -> Iterator[Event]:
        if token.name in _STATEMENTS:
            yield from self._end_statement()
            self._statement = _Statement(_STATEMENTS[token.name], token.line)
            self._statements += 1
            self._parts.use(Part.HEADER)
        elif self._record is not None and token.name not in _TRANSACTIONS | _BALANCES:
            yield from self._collect(self._record, token)
        elif token.name in _TRANSACTIONS or token.name in _BALANCES:
            yield from self._end_record()
            self._other = None
            self._record = _Record(token.name, token.line)
        elif self._statement is None:
            yield from self._open_outside(token)
        elif self._other is not None:
            self._parts.use(Part.LEFT_OUT)
        else:
            yield from self._open_inside(self._statement, token)

    def _open_outside(self, token: Token) -> Iterator[Event]:
        if self._statements and token.name in _TRANSACTION_FIELDS:
            self._record = _Record("STMTTRN", token.line, damaged="the tag <STMTTRN> is missing", tags=0)
            yield from self._collect(self._record, token)
            return
        self._parts.use(Part.HEADER)
        if token.name == "MESSAGE" and self._facts.get("SEVERITY") == "ERROR":
            self._refusal = f"the bank answered with an error instead of a statement: {token.text[:200]}"
        self._facts[token.name] = token.text

    def _open_inside(self, statement: _Statement, token: Token) -> Iterator[Event]:
        if token.name.startswith(_OTHER_PREFIXES) or token.name in _OTHER:
            statement.trades += token.name.startswith(("BUY", "SELL")) or token.name in _OTHER
            self._other = token.name
            self._parts.use(Part.LEFT_OUT)
        elif token.name in _TRANSACTION_FIELDS:
            self._record = _Record("STMTTRN", token.line, damaged="the tag <STMTTRN> is missing", tags=0)
            yield from self._collect(self._record, token)
        elif token.name in _STRAY_FIELDS:
            self._parts.use(Part.REMARK)
            yield Remark(line=token.line, reason=f"<{token.name}> stands outside of a transaction", raw=_raw(token))
        else:
            self._parts.use(Part.HEADER)
            held = statement.facts.setdefault(token.name, token.text) if token.text else None
            if token.name in _OF_ONE_ACCOUNT and held not in {None, token.text}:
                raise StatementError(f"one statement states two values of {token.name}", line=token.line)

    def _collect(self, record: _Record, token: Token) -> Iterator[Event]:
        record.tags += 1
        if not token.text:
            if token.name in _NESTED:
                self._nested.append(token.name)
            return
        key = ".".join([*self._nested, token.name])
        held = record.values.setdefault(key, token.text)
        if held == token.text:
            return
        if key in _STATED_ONCE:
            record.damaged = record.damaged or f"states {key} twice: two transactions have run together"
        elif key in {"NAME", "MEMO"}:
            record.values[key] = f"{held} {token.text}"
        else:
            yield Remark(line=token.line, reason=f"<{key}> is stated twice in one record", raw=_raw(token))

    def _close(self, token: Token) -> Iterator[Event]:
        if token.text:
            yield Remark(line=token.line, reason=f"text behind </{token.name}>", raw=token.text[:_MAX_RAW_CHARACTERS])
        if self._nested and token.name == self._nested[-1]:
            self._nested.pop()
        elif token.name == self._other:
            self._other = None
        elif (self._record is not None and token.name == self._record.name) or token.name in _LISTS:
            yield from self._end_record()
        elif token.name in _STATEMENTS or token.name.endswith("TRNRS") or token.name == "OFX":
            yield from self._end_statement()
            self._closed = self._closed or token.name == "OFX"

    def _end_record(self) -> Iterator[Event]:
        record, statement = self._record, self._statement
        self._record, self._nested = None, []
        if record is None:
            return
        if statement is None:
            self._parts.use(Part.REJECTED, record.tags)
            yield _bad(record, record.damaged or "stands outside of a statement", None)
        elif record.name in _BALANCES:
            yield from self._end_balance(statement, record)
        else:
            account, opening = self._account(statement)
            yield from opening
            event = self._row(account, record)
            self._parts.use(Part.TRANSACTION if isinstance(event, Row) else Part.REJECTED, record.tags)
            yield event

    def _end_balance(self, statement: _Statement, record: _Record) -> Iterator[Event]:
        self._parts.use(Part.BALANCE, record.tags)
        if record.damaged or record.name in statement.balances:
            yield Remark(line=record.line, reason=record.damaged or f"{record.name} is stated twice")
        else:
            statement.balances[record.name] = record.values
        if "TRNAMT" in record.values or "DTPOSTED" in record.values:
            yield _bad(record, "the tag <STMTTRN> is missing", statement.account.key if statement.account else None)

    def _account(self, statement: _Statement) -> tuple[StatementAccount, list[Event]]:
        """Return the statement's account, and its opening event the first time."""
        if statement.account is None:
            statement.account = _account_of(statement, self._facts, self._currency)
            return statement.account, [Opened(account=statement.account, line=statement.line)]
        return statement.account, []

    def _row(self, account: StatementAccount, record: _Record) -> Event:
        if record.damaged:
            return _bad(record, record.damaged, account.key)
        try:
            pending = record.name == "STMTTRNP"
            transaction = ofx_transaction(account, record.values, self._mark, pending=pending)
        except ValueError as error:
            return _bad(record, str(error), account.key)
        return Row(line=record.line, transaction=transaction)

    def _end_statement(self) -> Iterator[Event]:
        yield from self._end_record()
        statement, self._statement, self._other = self._statement, None, None
        if statement is None:
            return
        account, opening = self._account(statement)
        yield from opening
        if statement.trades:
            yield Skipped(line=statement.line, reason=f"{statement.trades} trades of securities: no money spent")
        booked, remarks = self._balance(account, statement, "LEDGERBAL")
        available, _ = self._balance(account, statement, "AVAILBAL")
        yield from remarks
        # DTSTART and DTEND are the days that were asked for, often for years: they prove nothing
        yield Closed(account=account.key, closing=booked, available=available)

    def _balance(
        self, account: StatementAccount, statement: _Statement, name: str
    ) -> tuple[StatedBalance | None, list[Event]]:
        values = statement.balances.get(name)
        if values is None:
            return None, []
        kind = BalanceKind.BOOKED if name == "LEDGERBAL" else BalanceKind.AVAILABLE
        try:
            on = parse_ofx_day(values.get("DTASOF", ""))
            amount = parse_ofx_amount(values.get("BALAMT", ""), self._mark, account.currency)
        except ValueError:
            return None, [Remark(line=statement.line, reason=f"the {kind.value} balance cannot be read")]
        at = parse_ofx_moment(values["DTASOF"])
        return StatedBalance(amount=amount, on=on, at=at, currency=account.currency, kind=kind), []


def _raw(token: Token) -> str:
    return f"<{token.name}>{token.text}"[:_MAX_RAW_CHARACTERS]


def _bad(record: _Record, reason: str, account: str | None) -> BadRow:
    raw = " ".join(f"{name}={value}" for name, value in record.values.items())
    return BadRow(line=record.line, reason=reason, raw=raw, account=account)


def _account_of(statement: _Statement, facts: dict[str, str], stated: str | None) -> StatementAccount:
    number = statement.facts.get("ACCTID")
    if not number:
        raise StatementError("the statement names no account (ACCTID)", line=statement.line)
    bank = statement.facts.get("BANKID") or statement.facts.get("BROKERID") or ""
    anchor = account_anchor(number, bank)
    kind = _ACCOUNT_TYPES.get(statement.facts.get("ACCTTYPE", "").upper(), statement.kind)
    institution = facts.get("ORG")
    mask = account_mask(number)
    try:
        currency = account_currency(statement.facts.get("CURDEF"), stated)
    except ValueError as error:
        raise StatementError(str(error), line=statement.line) from None
    return StatementAccount(
        key=account_key(anchor),
        name=" ".join(part for part in (institution, kind.value, mask) if part),
        anchor=anchor,
        mask=mask,
        account_type=kind,
        currency=currency,
        institution_name=institution,
        has_ids=True,
        ids_may_restart=True,
    )
