"""Maps providers' error codes to what is raised and what the user sees, with one table per provider.

docs/providers.md shows these tables; a test compares it with them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from worker.connectors.errors import (
    AccountNotFoundError,
    AuthenticationError,
    ConnectorError,
    CursorInvalidError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What one error means.

    Attributes:
        error: Makes the exception from its message.
        run: The resulting state of the run or the account.
        user: What the user has to do, or sees.
        reason: Why the user is needed, as `AuthenticationError` has it; None when they are not.
    """

    error: Callable[[str], ConnectorError]
    run: str
    user: str
    reason: str | None = None


def _needs_user(reason: str, user: str) -> Meaning:
    error = partial(AuthenticationError, reason=reason)
    return Meaning(error=error, run=f"`needs_user` ({reason})", user=user, reason=reason)


LOGIN_EXPIRED = _needs_user("expired", "logs in at the bank again: renew the connection")
REVOKED = _needs_user("revoked", "took the access back, at the bank or at the provider; may renew the connection")
WRONG_LOGIN = _needs_user("credentials", "enters the login anew: renew the connection")
ACTION_REQUIRED = _needs_user("action_required", "does at the bank what it asks for, then renews the connection")
OPERATOR = _needs_user("credentials", "nothing; the operator mends the keys")
UNPAID = _needs_user("payment_required", "nothing; the operator pays the provider")
ACCOUNT_GONE = Meaning(
    error=AccountNotFoundError,
    run="`account_not_found`; the other accounts go on",
    user="the account was closed or is not offered",
)
BANK_DOWN = Meaning(
    error=partial(ProviderUnavailableError, everyone=False), run="`bank_down`; tried again later", user="waits"
)
PROVIDER_DOWN = Meaning(error=ProviderUnavailableError, run="`provider_down`; tried again later", user="waits")
SHORT_LIMIT = Meaning(error=RateLimitError, run="waits within the run", user="nothing")
SPENT = Meaning(
    error=partial(RateLimitError, scope=RateLimitScope.QUOTA),
    run="`deferred` until the allowance is back",
    user="waits; asking again does not help",
)
START_OVER = Meaning(error=CursorInvalidError, run="reads again from the beginning", user="nothing")
CURSOR_FORGOTTEN = Meaning(
    error=partial(CursorInvalidError, forgotten=True), run="drops its cursor and reads everything again", user="nothing"
)
DEFECT = Meaning(
    error=ConnectorError, run="`connector_error`", user="nothing; the operator reports it: it is a defect of the worker"
)


def by_code(codes: Mapping[Meaning, str]) -> dict[str, Meaning]:
    """Return the meaning of each of a provider's codes. codes: with blanks between, by what they mean."""
    return {code: meaning for meaning, several in codes.items() for code in several.split()}
