"""The made-up bank behind the contract: pages, modes and normalisation."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from worker.connectors.base import (
    Account,
    AccountType,
    AuthState,
    AuthStatus,
    Balance,
    BalanceKind,
    BankConnector,
    Capabilities,
    ConnectorContext,
    IdClass,
    Page,
    Transaction,
    TransactionKind,
    Window,
)
from worker.connectors.errors import (
    AccountNotFoundError,
    AuthenticationError,
    ConnectorError,
    InvalidDataError,
    ProviderUnavailableError,
    RateLimitError,
)
from worker.connectors.mock.bank import MockBank, Record
from worker.connectors.mock.config import MockConfig, MockFault, MockMode

_FAULTS: dict[MockFault, type[ConnectorError]] = {
    MockFault.CONNECTOR_ERROR: ConnectorError,
    MockFault.PROVIDER_DOWN: ProviderUnavailableError,
    MockFault.BAD_DATA: InvalidDataError,
    MockFault.ACCOUNT_NOT_FOUND: AccountNotFoundError,
}


class MockConnector(BankConnector):
    """A bank that exists only here."""

    name: ClassVar[str] = "mock"
    display_name: ClassVar[str] = "Mock bank"
    Config: ClassVar[type[MockConfig]] = MockConfig
    capabilities: ClassVar[Capabilities] = Capabilities(
        id_class=IdClass.STABLE, pending=True, windows_complete=True, balances=True
    )
    config: MockConfig

    def __init__(self, config: MockConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self._calls = _Calls(config.state_path)

    def get_auth_status(self) -> AuthStatus:
        """Say that the login works, except in `auth_expired` mode."""
        if self.config.mode is MockMode.AUTH_EXPIRED:
            return AuthStatus(state=AuthState.NEEDS_USER, reason="expired")
        return AuthStatus()

    def list_accounts(self) -> Sequence[Account]:
        """Return the made-up accounts with their booked balances."""
        self._refuse()
        bank = self._bank()
        return [self._account(bank, index) for index in range(self.config.accounts)]

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        """Yield the days' transactions, `page_size` at a time; the first page carries the account."""
        self._refuse()
        bank = self._bank()
        index = self._index(bank, account_id)
        self._fail(bank.account_id(index))
        breaks_off = self.config.mode is MockMode.FLAKY and self._calls.count("flaky") % 2 == 1
        known = bank.history
        window = Window(from_on=max(from_date, known.from_on), to_on=min(to_date, known.to_on))
        accounts: tuple[Account, ...] = (self._account(bank, index),)
        for records in self._pages(bank, index, window):
            if self.config.mode is MockMode.SLOW:
                self.context.wait(self.config.delay_s)  # the bank's own slowness: there is no network to be slow
            covers = window if window.from_on <= window.to_on else None
            yield Page(transactions=tuple(self.normalize_transactions(records)), accounts=accounts, covers=covers)
            accounts = ()
            if breaks_off:
                raise ProviderUnavailableError("the mock bank broke off; it works again next time", everyone=False)

    def normalize_transactions(self, raw: Iterable[Record]) -> Sequence[Transaction]:
        """Turn the bank's records into transactions."""
        try:
            return [_transaction(record) for record in raw]
        except (KeyError, ValueError, InvalidOperation) as error:
            raise InvalidDataError(
                f"the mock bank sent a record that cannot be read ({type(error).__name__})"
            ) from None

    def _bank(self) -> MockBank:
        today = self.context.now().astimezone(ZoneInfo(self.context.timezone)).date()
        return MockBank(self.config, today)

    def _pages(self, bank: MockBank, index: int, window: Window) -> Iterator[list[Record]]:
        """Cut the records into pages; an account without any has one empty page."""
        records = bank.records(index, window)
        page = list(islice(records, self.config.page_size))
        yield page
        while page := list(islice(records, self.config.page_size)):
            yield page

    def _index(self, bank: MockBank, account_id: str | None) -> int:
        for index in range(self.config.accounts):
            if bank.account_id(index) == account_id:
                return index
        raise AccountNotFoundError(f"the mock bank has no account {account_id}")

    def _refuse(self) -> None:
        """Raise the error of the mode, at every call. Raises: AuthenticationError, RateLimitError."""
        config = self.config
        if config.mode is MockMode.AUTH_EXPIRED:
            raise AuthenticationError("the login at the mock bank has expired", reason="expired")
        if config.mode is MockMode.RATE_LIMITED and self._calls.count("limited") <= config.limited_calls:
            raise RateLimitError(
                "the mock bank asks to wait", retry_after_s=config.retry_after_s, scope=config.limit_scope
            )

    def _fail(self, account_id: str) -> None:
        if self.config.mode is MockMode.ERROR and self.config.fault_account in {None, account_id}:
            raise _FAULTS[self.config.fault](f"the mock bank fails for account {account_id}, as it was told to")

    def _account(self, bank: MockBank, index: int) -> Account:
        savings = bool(index % 2)
        return Account(
            external_id=bank.account_id(index),
            name=f"{'Savings' if savings else 'Everyday'} {index + 1}",
            account_type=AccountType.SAVINGS if savings else AccountType.CHECKING,
            currency=self.config.currency,
            mask=f"{index + 1:04}",
            anchor=f"hash:{self.config.seed}-{index + 1}",
            institution_name="Mock Bank",
            balance=Balance(amount=bank.balance(index), kind=BalanceKind.BOOKED, at=self.context.now()),
        )


class _Calls:
    """Counts calls by kind: in memory, or in a file where several processes count together."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._counts: Counter[str] = Counter()

    def count(self, kind: str) -> int:
        """Return how many calls of this kind there were, this one included."""
        if self._path is None:
            self._counts[kind] += 1
            return self._counts[kind]
        with self._path.with_suffix(f".{kind}").open("ab") as file:
            file.write(b".")  # one byte appended is one call, also with many writers
            file.flush()
            return file.tell()


def _transaction(record: Record) -> Transaction:
    booked: Any = record.get("booked")
    kind = record.get("kind")
    return Transaction(
        account_id=record["account"],
        amount=Decimal(record["amount"]),
        description=record["text"],
        currency=record["currency"],
        external_id=record["id"] or None,
        pending=booked is None,
        booking_on=booked and date.fromisoformat(booked),
        transaction_on=date.fromisoformat(record["made"]),
        counterparty=record["payee"],
        kind=kind and TransactionKind(kind),
        pending_external_id=record.get("replaces"),
        raw=record,
    )
