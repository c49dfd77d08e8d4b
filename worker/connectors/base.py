"""The contract between banks and the importer: everything an author of a connector needs comes from here.

A connector fetches (I/O, through the HTTP client it is given) and normalises (pure). It never sleeps, retries, reads
the environment or a clock, touches the database, or logs payloads; the importer does all of that around it.
"""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

import httpx2
from pydantic import BaseModel

from worker.connectors.records import (
    Account,
    AccountFailure,
    AccountType,
    AuthState,
    AuthStatus,
    Balance,
    BalanceKind,
    Burst,
    Capabilities,
    IdClass,
    Page,
    Quota,
    QuotaReading,
    RejectedRow,
    RemovedTransaction,
    Scope,
    SyncState,
    Transaction,
    TransactionKind,
    Window,
)

__all__ = [
    "Account",
    "AccountFailure",
    "AccountType",
    "AuthState",
    "AuthStatus",
    "Balance",
    "BalanceKind",
    "BankConnector",
    "Burst",
    "Capabilities",
    "ConnectorContext",
    "IdClass",
    "Page",
    "Quota",
    "QuotaReading",
    "RejectedRow",
    "RemovedTransaction",
    "Scope",
    "SyncState",
    "Transaction",
    "TransactionKind",
    "Window",
]


def _discard(_config: BaseModel) -> None:
    """Discard renewed credentials: the default of `save_config`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorContext:
    """What a connector is given besides its config.

    Attributes:
        http: Client with explicit timeouts; redirects are off.
        now: The current moment (UTC).
        save_config: Call it at once with renewed credentials; they are sealed and stored before it returns.
        timezone: IANA zone of the bank's days for this connection.
        wait: Sleeps, or raises when the run is to end; only for a made-up bank that plays a slow one.
    """

    http: httpx2.Client
    now: Callable[[], datetime]
    save_config: Callable[[BaseModel], None] = field(default=_discard)
    timezone: str = "UTC"
    wait: Callable[[float], None] = time.sleep


class BankConnector(ABC):
    """One bank or aggregator. Create one per run; it is not shared between threads.

    Config: a subclass of `worker.connectors.config.ConnectorConfig`, which keeps secrets out of reprs and pickles.
    """

    name: ClassVar[str]
    display_name: ClassVar[str]
    Config: ClassVar[type[BaseModel]]
    capabilities: ClassVar[Capabilities]

    def __init__(self, config: BaseModel, context: ConnectorContext) -> None:
        self.config = config
        self.context = context

    @classmethod
    def outage_scope(cls, config: BaseModel) -> str:
        """Return the server that a config names for itself, for outages to stay there; empty: the provider's own."""
        del config
        return ""

    @abstractmethod
    def get_auth_status(self) -> AuthStatus:
        """Say whether the credentials still work, without spending a data allowance where there is a way.

        Raises: ProviderUnavailableError, RateLimitError. A refused login is a status, not an error.
        """

    @abstractmethod
    def list_accounts(self) -> Sequence[Account]:
        """Return every account the user shared, with balances where they come for free."""

    @abstractmethod
    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        """Yield the transactions of the days `from_date` to `to_date`, both included.

        account_id None asks for all accounts and is only used where `capabilities.fetch_scope` is `connection`.
        """

    def refresh(self, state: SyncState) -> Iterator[Page]:
        """Yield what changed since `state`; the default re-reads its window. Cursor connectors override this."""
        return self.get_transactions(state.account_id, state.window.from_on, state.window.to_on)

    @abstractmethod
    def normalize_transactions(self, raw: Any) -> Sequence[Transaction]:  # noqa: ANN401 - the provider's own JSON
        """Turn the provider's records into transactions. Pure: no I/O, no clock.

        Raises: InvalidDataError when a record cannot be read; `get_transactions` turns that into a rejected row.
        """

    def read_rejected(self, row: RejectedRow) -> Sequence[Transaction]:
        """Read a row that was rejected before, for a replay; override where `raw` is not a record in a list.

        Raises: InvalidDataError, ValueError when it still cannot be read.
        """
        return self.normalize_transactions([json.loads(row.raw, parse_float=Decimal)])

    def link(self) -> BaseModel:
        """Do the one-time exchange (setup token, public token) before the first save; return the config to keep.

        Called exactly once and never retried: when its answer is lost, the token is spent.
        """
        return self.config

    def revoke(self) -> bool:
        """End the authorisation at the provider; return whether there was a way to do so."""
        return False
