"""The config of the made-up bank: its modes and faults."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, field_validator

from worker.connectors.config import ConnectorConfig
from worker.connectors.errors import RateLimitScope
from worker.money import is_currency


class MockMode(StrEnum):
    """How the bank behaves; each mode changes one thing about `default`."""

    DEFAULT = "default"
    EMPTY = "empty"
    ERROR = "error"
    RATE_LIMITED = "rate_limited"
    AUTH_EXPIRED = "auth_expired"
    FLAKY = "flaky"
    SLOW = "slow"
    LARGE = "large"


class MockFault(StrEnum):
    """What `error` mode raises: the codes of the connector errors."""

    CONNECTOR_ERROR = "connector_error"
    PROVIDER_DOWN = "provider_down"
    BAD_DATA = "bad_data"
    ACCOUNT_NOT_FOUND = "account_not_found"


class MockConfig(ConnectorConfig):
    """Config of the made-up bank. All of it has a default: `{}` is a good config."""

    mode: MockMode = Field(default=MockMode.DEFAULT, description="How the bank behaves.")
    seed: str = Field(default="demo", max_length=64, description="Two banks of one seed hold the same rows.")
    token: SecretStr = Field(default=SecretStr("mock"), description="Never checked; sealed like a real secret.")
    accounts: int = Field(
        default=2,
        ge=1,
        le=50,
        validation_alias=AliasChoices("accounts", "account_count"),  # the second one until 0.4
        description="Accounts: checking, savings, checking, and so on.",
    )
    currency: str = Field(default="EUR", description="ISO 4217 code of every account.")
    opened_on: date = Field(default=date(2024, 1, 1), ge=date(2000, 1, 1), description="First day of every account.")
    opening_balance: Decimal = Field(
        default=Decimal(1000), max_digits=12, description="What every account held on that day."
    )
    history_days: int = Field(
        default=365,
        ge=1,
        le=3_650,
        validation_alias=AliasChoices("history_days", "transaction_days"),  # the second one until 0.4
        description="Days the bank looks back from today.",
    )
    page_size: int = Field(default=500, ge=1, le=10_000, description="Transactions on one page.")
    rows: int = Field(
        default=100_000,
        ge=1,
        le=2_000_000,
        description="`large`: rows of each account in any `history_days` days, spread evenly.",
    )
    delay_s: float = Field(default=1.0, ge=0, le=60, description="`slow`: wait before each page (s).")
    limited_calls: int = Field(default=2, ge=1, le=1_000, description="`rate_limited`: calls that are refused first.")
    retry_after_s: float | None = Field(
        default=0.2,
        ge=0,
        le=86_400,
        description="`rate_limited`: what the bank asks to wait (s); null when it does not say.",
    )
    limit_scope: RateLimitScope = Field(
        default=RateLimitScope.BURST, description="`rate_limited`: `burst` is over soon, `quota` tomorrow."
    )
    fault: MockFault = Field(default=MockFault.PROVIDER_DOWN, description="`error`: what goes wrong.")
    fault_account: str | None = Field(
        default=None, description="`error`: the account that fails, such as `mock-2`; null = all of them."
    )
    pending_links: bool = Field(default=True, description="Whether a posted row names the pending row it replaces.")
    state_path: Path | None = Field(
        default=None, description="`rate_limited`, `flaky`: file that counts calls across processes and runs."
    )

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, code: str) -> str:
        if not is_currency(code):
            raise ValueError("not an ISO 4217 code in capitals")
        return code
