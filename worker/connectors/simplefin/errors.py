"""Reads the errors of SimpleFIN servers, which stand inside good answers, and says what each means. Pure.

`errors` are free sentences in version 1, `errlist` has codes in version 2, of which an unknown one means what its
prefix means.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.connectors import error_meanings as means
from worker.connectors.error_meanings import Meaning
from worker.connectors.errors import (
    AuthenticationError,
    ConnectorError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)

ERRORS: Mapping[str, Meaning] = {
    "gen.auth": means.REVOKED,
    "gen.": means.BANK_DOWN,
    "con.auth": means.ACTION_REQUIRED,
    "con.": means.BANK_DOWN,
    "act.": means.BANK_DOWN,
}
"""`gen.` is about the token, `con.` about one bank behind it, `act.` about one account. Version 1 has no codes: a
sentence that names a bank is `con.auth`."""

_NEEDS_ATTENTION = re.compile(r"^Connection to (?P<institution>.+) may need attention", re.IGNORECASE)
_TOO_OFTEN = re.compile(r"too many requests|request (limit|quota)|rate.?limit|requests? per day", re.IGNORECASE)
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An error inside a good answer.

    Attributes:
        code: As in version 2; empty for the free sentences of version 1.
    """

    code: str
    message: str
    connection_id: str | None = None
    account_id: str | None = None

    def concerns(self, account: Mapping[str, Any], institution: str | None) -> bool:
        """Say whether an account is one of those that have the trouble."""
        attention = None if self.code else _NEEDS_ATTENTION.match(self.message)
        if attention:
            return institution is not None and clean(institution).casefold() == attention["institution"].casefold()
        if self.account_id is not None:
            return bool(account.get("id") == self.account_id)
        return self.connection_id is not None and account.get("conn_id") == self.connection_id

    def error_of_account(self) -> ConnectorError:
        """Return what the trouble means for an account that has it."""
        message = self.message or "the bank wants a new login"
        return _meaning_of(self.code).error(f"{self.code}: {message}" if self.code else message)

    def error_of_token(self) -> ConnectorError:
        """Return what the trouble means where it is all that a response says."""
        if self.code == "gen.auth":
            return _meaning_of(self.code).error(f"the server refuses the access: {self.message}")
        if _TOO_OFTEN.search(self.message):
            return RateLimitError(f"accounts: {self.message}", scope=RateLimitScope.QUOTA)
        wants_login = not self.code and _NEEDS_ATTENTION.match(self.message)
        if self.code == "con.auth" or wants_login or "reauthenticate" in self.message.lower():
            return AuthenticationError(f"accounts: {self.message}", reason="action_required")
        return ProviderUnavailableError(f"accounts: {self.message or self.code}", everyone=False)


def read_troubles(errlist: Sequence[Any], errors: Sequence[Any]) -> Iterator[Trouble]:
    """Yield the errors of an answer, those with a code first."""
    for item in errlist:
        if isinstance(item, Mapping):
            yield Trouble(
                code=str(item.get("code") or ""),
                message=clean(item.get("msg") or item.get("message") or ""),
                connection_id=item.get("conn_id"),
                account_id=item.get("account_id"),
            )
    for sentence in errors:
        if isinstance(sentence, str):
            yield Trouble(code="", message=clean(sentence))


def clean(text: object) -> str:
    """Return a server's text without markup and control characters, shortened, so that it can be shown."""
    printable = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return " ".join(printable.replace("<", " ").replace(">", " ").split())[:_SHOWN_CHARACTERS]


def _meaning_of(code: str) -> Meaning:
    """Return what a code means."""
    prefix = code.partition(".")[0] + "."
    return ERRORS.get(code or "con.auth") or ERRORS.get(prefix, means.BANK_DOWN)
