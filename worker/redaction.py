"""Secrets that are in use are cut out of every text that leaves: error messages, log lines, reports.

Banks answer with what they were sent, and libraries put it into exceptions; no list of telling names catches that.
So whoever opens a secret says so here for as long as it is in use, and texts are compared with its value.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, unquote, urlsplit

SHORTEST = 8
"""Shorter values are words that texts contain for other reasons."""

REDACTED = "[secret]"

_IN_USE: ContextVar[set[str] | None] = ContextVar("secrets_in_use", default=None)


@contextmanager
def secrets_in_use() -> Iterator[None]:
    """Keep track of the secrets that are opened inside the block, and forget them at its end."""
    token = _IN_USE.set(set())
    try:
        yield
    finally:
        _IN_USE.reset(token)


def remember(secrets: Iterable[str]) -> None:
    """Say that these values are secret until the block of `secrets_in_use` ends; nothing outside of one."""
    in_use = _IN_USE.get()
    if in_use is not None:
        in_use.update(form for secret in secrets for form in _forms(secret))


def redact(text: str) -> str:
    """Return the text without any secret that is in use."""
    for secret in sorted(_IN_USE.get() or (), key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, REDACTED)
    return text


def redact_all(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return JSON without any secret that is in use, keys included."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {redact_all(key): redact_all(item) for key, item in value.items()}
        case list() | tuple():
            return [redact_all(item) for item in value]
        case _:
            return value


def _forms(secret: str) -> Iterator[str]:
    """Yield what gives a secret away: itself, its lines, the login inside a URL, and all of it URL-quoted."""
    parts = [secret, *secret.splitlines(), *_login(secret)]
    for part in parts:
        if len(part) >= SHORTEST:
            yield part
            yield quote(part, safe="")


def _login(secret: str) -> list[str]:
    try:
        url = urlsplit(secret)
        return [unquote(part) for part in (url.username, url.password) if part] if url.scheme else []
    except ValueError:
        return []
