"""The contract between banks and the importer; it exports everything that the author of a connector needs.

A connector fetches (I/O, through the HTTP client it is given) and normalises (pure). It never sleeps, retries, reads
the environment or a clock, touches the database, or logs payloads; the importer does all of that around it.
"""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal

import httpx2
from pydantic import BaseModel

from worker.connectors.capabilities import Burst, Capabilities, IdClass, Quota, Scope
from worker.connectors.notices import ProviderNotice, ReceivedWebhook, VerifiedWebhook, WebhookKeyStore
from worker.connectors.records import (
    Account,
    AccountFailure,
    AccountType,
    AuthState,
    AuthStatus,
    Balance,
    BalanceKind,
    DatedBalance,
    Page,
    QuotaReading,
    RejectedRow,
    RemovedTransaction,
    SyncState,
    Transaction,
    TransactionKind,
    Window,
)
from worker.net.certificates import ClientCertificate

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
    "ClientCertificate",
    "ConnectorContext",
    "ConnectorForm",
    "DatedBalance",
    "IdClass",
    "Page",
    "ProviderNotice",
    "ProviderWebhooks",
    "Quota",
    "QuotaReading",
    "ReceivedWebhook",
    "RejectedRow",
    "RemovedTransaction",
    "Scope",
    "SyncState",
    "Transaction",
    "TransactionKind",
    "VerifiedWebhook",
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


class ProviderWebhooks(ABC):
    """How one provider's webhooks are verified and read; one per process, used by several threads at once.

    Attributes:
        app: The operator's application at the provider, as LINK_APPS has it; None where there is none.
        open_context: Opens an HTTP client and a clock, to ask the provider for its keys.
        needs_app: Without an application there is no door.
        key_store: Where public keys outlive the process; None until the API sets it.
    """

    needs_app: ClassVar[bool] = False
    key_store: WebhookKeyStore | None = None

    def __init__(
        self, app: BaseModel | None, open_context: Callable[[], AbstractContextManager[ConnectorContext]]
    ) -> None:
        self.app = app
        self.open_context = open_context

    @abstractmethod
    def verify(self, received: ReceivedWebhook) -> VerifiedWebhook:
        """Prove that the provider sent exactly this, not long ago.

        Raises: AuthenticationError when it did not; RateLimitError, ProviderUnavailableError when that cannot be told
        now; the provider is then asked to send it again.
        """

    @abstractmethod
    def interpret(self, body: bytes) -> ProviderNotice:
        """Say what a verified webhook is about. Pure. Raises: InvalidDataError when it is no webhook at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorForm:
    """How a person connects a bank, for a form to be drawn from.

    Attributes:
        linked_by: `token`: a person pastes keys. `browser`: the web app sends them to the provider. `file`: uploads.
        countries: Two letters each; empty: anywhere.
        logo: Name of a logo that the web app may have.
        summary: A sentence for people who choose.
        person: The fields of the config that a person fills in; None: all that do not say otherwise.
    """

    linked_by: Literal["token", "browser", "file"] = "token"
    countries: tuple[str, ...] = ()
    logo: str | None = None
    summary: str = ""
    person: tuple[str, ...] | None = None

    def asks_for(self, field: str) -> bool:
        """Say whether a person is asked for a field that does not say itself who fills it in."""
        return self.person is None or field in self.person


class BankConnector(ABC):
    """One bank or aggregator. Create one per run; it is not shared between threads.

    Attributes:
        Config: A subclass of `worker.connectors.config.ConnectorConfig`, which keeps secrets out of reprs and pickles.
        webhooks: How the provider's webhooks are read; None where it sends none.
        form: How a person connects the bank.
    """

    name: ClassVar[str]
    display_name: ClassVar[str]
    Config: ClassVar[type[BaseModel]]
    capabilities: ClassVar[Capabilities]
    webhooks: ClassVar[type[ProviderWebhooks] | None] = None
    form: ClassVar[ConnectorForm] = ConnectorForm()

    def __init__(self, config: BaseModel, context: ConnectorContext) -> None:
        self.config = config
        self.context = context

    @classmethod
    def outage_scope(cls, config: BaseModel) -> str:
        """Return the server that a config names for itself, for outages to stay there; empty: the provider's own."""
        del config
        return ""

    @classmethod
    def client_certificate(cls, config: BaseModel) -> ClientCertificate | None:
        """Return the certificate that the connector's client shows; None: the provider asks for none."""
        del config
        return None

    @classmethod
    def login_ref(cls, config: BaseModel) -> str | None:
        """Return the provider's id of the login, which its webhooks name; None where there is none."""
        del config
        return None

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

    def register_webhook(self, url: str) -> bool:
        """Tell the provider where to report changes of this login; return whether there was a way to do so."""
        del url
        return False

    def revoke(self) -> bool:
        """End the authorisation at the provider; return whether there was a way to do so."""
        return False
