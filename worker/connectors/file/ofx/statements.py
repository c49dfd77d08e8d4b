"""OFX 1.x, OFX 2.x and QFX: bank, card and investment statements, read tag by tag in bounded memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from worker.connectors.base import Account, AccountType, BalanceKind
from worker.connectors.file.ofx.accounts import ofx_account
from worker.connectors.file.ofx.corrections import why_left_out, why_rejected
from worker.connectors.file.ofx.evidence import OfxReading
from worker.connectors.file.ofx.tags import Token, tokens
from worker.connectors.file.ofx.transactions import contradicts_type, ofx_transaction
from worker.connectors.file.ofx.values import parse_ofx_amount, parse_ofx_day, parse_ofx_moment
from worker.connectors.file.statement.accounting import Part
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.events import BadRow, Closed, Event, Opened, Remark, Row, Skipped, StatedBalance
from worker.connectors.file.statement.reader import StatementReader, bad_row

_STATEMENTS = {"STMTRS": AccountType.CHECKING, "CCSTMTRS": AccountType.CREDIT, "INVSTMTRS": AccountType.INVESTMENT}
_TRANSACTIONS = frozenset({"STMTTRN", "STMTTRNP", "INCOME"})
_BALANCES = frozenset({"LEDGERBAL", "AVAILBAL"})
_LISTS = frozenset({"BANKTRANLIST", "BANKTRANLISTP", "INVTRANLIST"})
_NESTED = frozenset({"PAYEE", "CURRENCY", "ORIGCURRENCY", "BANKACCTTO", "CCACCTTO", "SECID"})
# Fields that only a transaction has: outside of one they are a transaction whose own tag was lost.
_TRANSACTION_FIELDS = frozenset({"TRNTYPE", "DTPOSTED", "TRNAMT", "FITID"})
_STRAY_FIELDS = frozenset({"MEMO", "CHECKNUM", "DTUSER", "BALAMT", "DTASOF", "PAYEE", "REFNUM"})
_STATED_ONCE = frozenset({"TRNTYPE", "DTPOSTED", "TRNAMT", "FITID", "BALAMT", "DTASOF"})
_OF_ONE_ACCOUNT = frozenset({"ACCTID", "CURDEF"})
_ONE_LINE = frozenset({"ACCTID", "BANKID", "CURDEF", "ACCTTYPE", "BRANCHID"})
_OTHER = frozenset(
    {"TRANSFER", "REINVEST", "SPLIT", "RETOFCAP", "JRNLFUND", "JRNLSEC", "MARGININTEREST", "INVEXPENSE", "CLOSUREOPT"}
)
_OTHER_PREFIXES = ("BUY", "SELL", "POS", "OO", "BALLIST", "INVBAL", "INV401K", "INVOO")


@dataclass(slots=True)
class _Statement:
    """The statement being read.

    Attributes:
        kind: Type of account that the statement's tag implies.
        facts: Values of tags outside of transactions and balances.
        trades: Number of trades of securities, which are left out.
        lists_pending: Whether a list of pending transactions has begun, which states its day.
    """

    kind: AccountType
    line: int
    facts: dict[str, str] = field(default_factory=dict)
    account: Account | None = None
    balances: dict[str, dict[str, str]] = field(default_factory=dict)
    trades: int = 0
    lists_pending: bool = False


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


def _is_day_of_list(token: Token, statement: _Statement) -> bool:
    """Whether a day is that of holdings or of a list of pending transactions; others belong to balances."""
    return token.name == "DTASOF" and (statement.kind is AccountType.INVESTMENT or statement.lists_pending)


class OfxReader(StatementReader):
    """Turns the tags of one file into events."""

    def __init__(self, reading: OfxReading | None = None, currency: str | None = None) -> None:
        """Args: reading: what the whole file says. currency: used where the file's own is unknown."""
        super().__init__("tag")
        self._reading = reading or OfxReading()
        self._currency = currency
        self._statement: _Statement | None = None
        self._record: _Record | None = None
        self._nested: list[str] = []
        self._other: str | None = None
        self._facts: dict[str, str] = {}
        self._statements = 0
        self._closed = False
        self._refusal: str | None = None

    def events(self, chunks: Iterable[str]) -> Iterator[Event]:
        """Yield the events of a file that comes in pieces of text.

        Raises: StatementError when there is no statement in it, or it ends in the middle.
        """
        token = None
        for token in tokens(chunks):
            if token.closing:
                yield from self._close(token)
            else:
                self.parts.total += 1
                yield from self._open(token)
        line = token.line if token else None
        if self._statement is not None or self._record is not None:
            raise StatementError("the file ends in the middle of a statement", line=line)
        if not self._statements:
            raise StatementError(self._refusal or "holds no statement (no STMTRS, CCSTMTRS or INVSTMTRS)")
        if "OFX" in self._facts and not self._closed:
            yield self.remark(line or 1, "the file does not end with </OFX>: it may have been cut off")
        yield self.parts.event()

    def _open(self, token: Token) -> Iterator[Event]:
        if token.name in _STATEMENTS:
            yield from self._end_statement()
            self._statement = _Statement(_STATEMENTS[token.name], token.line)
            self._statements += 1
            self.parts.use(Part.HEADER)
        elif self._record is not None and token.name not in _TRANSACTIONS | _BALANCES:
            yield from self._collect(self._record, token)
        elif token.name in _TRANSACTIONS or token.name in _BALANCES:
            yield from self._end_record()
            self._other = None
            self._record = _Record(token.name, token.line)
        elif self._statement is None:
            yield from self._open_outside(token)
        elif self._other is not None:
            self.parts.use(Part.LEFT_OUT)
        else:
            yield from self._open_inside(self._statement, token)

    def _open_outside(self, token: Token) -> Iterator[Event]:
        if self._statements and token.name in _TRANSACTION_FIELDS:
            self._record = _Record("STMTTRN", token.line, damaged="the tag <STMTTRN> is missing", tags=0)
            yield from self._collect(self._record, token)
            return
        self.parts.use(Part.HEADER)
        if token.name == "MESSAGE" and self._facts.get("SEVERITY") == "ERROR":
            self._refusal = f"the bank answered with an error instead of a statement: {token.text[:200]}"
        self._facts[token.name] = token.text

    def _open_inside(self, statement: _Statement, token: Token) -> Iterator[Event]:
        if token.name.startswith(_OTHER_PREFIXES) or token.name in _OTHER:
            statement.trades += token.name.startswith(("BUY", "SELL")) or token.name in _OTHER
            self._other = token.name
            self.parts.use(Part.LEFT_OUT)
        elif token.name in _TRANSACTION_FIELDS:
            self._record = _Record("STMTTRN", token.line, damaged="the tag <STMTTRN> is missing", tags=0)
            yield from self._collect(self._record, token)
        elif token.name in _STRAY_FIELDS and not _is_day_of_list(token, statement):
            yield self.remark(token.line, f"<{token.name}> stands outside of a transaction", token.raw, pieces=1)
        else:
            self.parts.use(Part.HEADER)
            statement.lists_pending = statement.lists_pending or token.name == "BANKTRANLISTP"
            text, _, stray = token.text.partition("\n") if token.name in _ONE_LINE else (token.text, "", "")
            if stray:
                yield self.remark(token.line, f"text behind the {token.name}", stray)
            held = statement.facts.setdefault(token.name, text.strip()) if text else None
            if token.name in _OF_ONE_ACCOUNT and held not in {None, text.strip()}:
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
            yield self.remark(token.line, f"<{key}> is stated twice in one record", token.raw)

    def _close(self, token: Token) -> Iterator[Event]:
        if token.text:
            yield self.remark(token.line, f"text behind </{token.name}>", token.text)
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
            yield self.counted(_bad(record, record.damaged or "stands outside of a statement", None), record.tags)
        elif record.name in _BALANCES:
            yield from self._end_balance(statement, record)
        else:
            account, opening = self._account(statement)
            yield from opening
            event = self._row(account, record)
            yield event
            if isinstance(event, Row) and self._reading.tells_contrary and contradicts_type(event.transaction):
                yield self.remark(record.line, "the sign of the amount contradicts its type (TRNTYPE): the sign counts")

    def _end_balance(self, statement: _Statement, record: _Record) -> Iterator[Event]:
        self.parts.use(Part.BALANCE, record.tags)
        if record.damaged or record.name in statement.balances:
            yield self.remark(record.line, record.damaged or f"{record.name} is stated twice")
        else:
            statement.balances[record.name] = record.values
        if "TRNAMT" in record.values or "DTPOSTED" in record.values:
            yield _bad(record, "the tag <STMTTRN> is missing", statement.account)

    def _account(self, statement: _Statement) -> tuple[Account, list[Event]]:
        """Return the statement's account, and its opening event the first time."""
        if statement.account is None:
            statement.account = ofx_account(
                statement.facts,
                self._facts,
                kind=statement.kind,
                line=statement.line,
                currency=self._currency,
            )
            return statement.account, [Opened(account=statement.account, line=statement.line)]
        return statement.account, []

    def _row(self, account: Account, record: _Record) -> Event:
        if record.damaged:
            return self.counted(_bad(record, record.damaged, account), record.tags)
        if (left_out := why_left_out(record.values, self._reading.corrected)) is not None:
            self.parts.use(Part.LEFT_OUT, record.tags)
            return Skipped(line=record.line, reason=left_out)
        if (missing := why_rejected(record.values, self._reading.corrected)) is not None:
            return self.counted(_bad(record, missing, account), record.tags)
        try:
            pending = record.name == "STMTTRNP"
            transaction = ofx_transaction(account, record.values, self._reading, pending=pending)
        except ValueError as error:
            return self.counted(_bad(record, str(error), account), record.tags)
        return self.counted(Row(line=record.line, transaction=transaction), record.tags)

    def _end_statement(self) -> Iterator[Event]:
        yield from self._end_record()
        statement, self._statement, self._other = self._statement, None, None
        if statement is None:
            return
        account, opening = self._account(statement)
        yield from opening
        if account.currency is None:
            yield self.remark(statement.line, "the statement states no currency (CURDEF): state --currency")
        if statement.kind is AccountType.CHECKING and "BANKID" not in statement.facts:
            yield self.remark(statement.line, "the statement names no bank (BANKID)")
        if statement.trades:
            yield Skipped(line=statement.line, reason=f"{statement.trades} trades of securities: no money spent")
        if "ERROR" in {self._facts.get("SEVERITY", "").upper(), statement.facts.get("SEVERITY", "").upper()}:
            yield self.remark(statement.line, "the bank answered with an error: the statement may be incomplete")
        booked, remarks = self._balance(account, statement, "LEDGERBAL")
        available, _ = self._balance(account, statement, "AVAILBAL")
        yield from remarks
        # DTSTART and DTEND are the days that were asked for, often for years: they prove nothing
        yield Closed(account=account.external_id, closing=booked, available=available)

    def _balance(self, account: Account, statement: _Statement, name: str) -> tuple[StatedBalance | None, list[Event]]:
        values = statement.balances.get(name)
        if values is None:
            return None, []
        kind = BalanceKind.BOOKED if name == "LEDGERBAL" else BalanceKind.AVAILABLE
        try:
            on = parse_ofx_day(values.get("DTASOF", ""))
            amount = parse_ofx_amount(values.get("BALAMT", ""), self._reading.mark, account.currency)
        except ValueError:
            return None, [Remark(line=statement.line, reason=f"the {kind.value} balance cannot be read")]
        at = parse_ofx_moment(values["DTASOF"])
        return StatedBalance(amount=amount, on=on, at=at, currency=account.currency, kind=kind), []


def _bad(record: _Record, reason: str, account: Account | None) -> BadRow:
    raw = " ".join(f"{name}={value}" for name, value in record.values.items())
    return bad_row(record.line, reason, raw, account)
