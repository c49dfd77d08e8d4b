"""The errors of connectors, named by what the caller has to do.

ConnectorError                   stop this step; a defect or an answer nobody foresaw
├── RateLimitError               wait: `burst` is retried within the run, `quota` defers the run
├── AuthenticationError          stop the connection; only the user can mend it
├── ProviderUnavailableError     back off: the bank or the aggregator is down
├── AccountNotFoundError         leave this account out; the others go on
├── InvalidDataError             the answer is not what the provider promises: nothing of it is used
├── CursorInvalidError           restart this delivery: from its cursor, from the beginning, at last by windows
└── ConnectorNotFoundError       no connector of this name is installed
"""

from enum import StrEnum

from worker.errors import WorkerError


class RateLimitScope(StrEnum):
    """`burst`: seconds, retried inside the run. `quota`: hours or days, the run is deferred."""

    BURST = "burst"
    QUOTA = "quota"


class ConnectorError(WorkerError):
    """The connector could not do what was asked."""

    code = "connector_error"


class RateLimitError(ConnectorError):
    """The provider asks to wait.

    Attributes:
        retry_after_s: Seconds the provider asked for; None when it did not say.
    """

    code = "rate_limited"

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after_s: float | None = None,
        scope: RateLimitScope = RateLimitScope.BURST,
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.scope = scope


class AuthenticationError(ConnectorError):
    """The bank wants the user to log in again.

    Attributes:
        reason: One of `expired`, `revoked`, `credentials`, `payment_required`, `action_required`.
    """

    code = "needs_user"

    def __init__(self, message: str | None = None, *, reason: str = "expired") -> None:
        super().__init__(message)
        self.reason = reason


class ProviderUnavailableError(ConnectorError):
    """The bank or the aggregator does not answer properly.

    Args:
        everyone: True when the provider as a whole is down, False when only this user's bank or account is; its code is
            `bank_down` then, and no circuit opens.
    """

    code = "provider_down"

    def __init__(self, message: str | None = None, *, everyone: bool = True) -> None:
        super().__init__(message)
        self.everyone = everyone
        if not everyone:
            self.code = "bank_down"


class AccountNotFoundError(ConnectorError):
    """The bank does not know this account any more."""

    code = "account_not_found"


class InvalidDataError(ConnectorError):
    """The provider's response is not what its API promises."""

    code = "bad_data"


class CursorInvalidError(ConnectorError):
    """The delivery has to start over: the provider changed data while it was paged, or does not take the cursor.

    Attributes:
        forgotten: the provider does not know the cursor any more, so that asking with it again is of no use.
    """

    code = "cursor_invalid"

    def __init__(self, message: str | None = None, *, forgotten: bool = False) -> None:
        super().__init__(message)
        self.forgotten = forgotten


class ConnectorNotFoundError(ConnectorError):
    """No connector of this name is installed."""

    code = "connector_not_found"
