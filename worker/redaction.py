"""Removes secrets that are in use from error messages, log lines and reports.

Banks repeat what they were sent, and libraries put it into exceptions, so that filtering by field names is not enough.
Code that decrypts a secret registers it here for as long as it is in use, and texts are searched for its value.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from html import escape
from typing import Any
from urllib.parse import quote, unquote, urlsplit

SHORTEST = 8
"""Shorter values are not removed, because they occur in texts by chance."""

REDACTED = "[secret]"

_IN_USE: ContextVar[set[str] | None] = ContextVar("secrets_in_use", default=None)


@contextmanager
def secrets_in_use() -> Iterator[None]:
    """Collect the secrets that are registered inside the block, and forget them at its end."""
    token = _IN_USE.set(set())
    try:
        yield
    finally:
        _IN_USE.reset(token)


def remember(secrets: Iterable[str]) -> None:
    """Register secrets until the current block of `secrets_in_use` ends; do nothing outside of one."""
    in_use = _IN_USE.get()
    if in_use is not None:
        in_use.update(form for secret in secrets for form in _forms(secret))


def redact(text: str) -> str:
    """Return the text without registered secrets."""
    for secret in sorted(_IN_USE.get() or (), key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, REDACTED)
    return text


def redact_all(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON value without registered secrets in its texts and keys."""
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
    """Yield the forms in which a secret may occur: itself, its lines, the login inside a URL, each in all spellings."""
    parts = [secret, *secret.splitlines(), *_login(secret)]
    for part in parts:
        if len(part) >= SHORTEST:
            yield from _spellings(part)


def _spellings(part: str) -> set[str]:
    """Return a text as it is, as URLs, JSON and HTML write it, and as Python shows it."""
    in_url, in_json = quote(part, safe="", errors="replace"), json.dumps(part)[1:-1]
    lower = re.sub("%..", lambda found: found[0].lower(), in_url)
    letters_kept = json.dumps(part, ensure_ascii=False)[1:-1]
    urls = {in_url, lower, in_url.replace("%20", "+")}
    texts = {in_json, in_json.replace("/", "\\/"), letters_kept, letters_kept.replace("/", "\\/")}
    return {part, *urls, *texts, escape(part), escape(part, quote=False), repr(part)[1:-1]}


def _login(secret: str) -> list[str]:
    """Return the login inside a URL, and the value under which a header carries it."""
    try:
        url = urlsplit(secret)
    except ValueError:
        return []
    login = [unquote(part) for part in (url.username, url.password) if part] if url.scheme else []
    return [*login, b64encode(":".join(login).encode(errors="replace")).decode()] if login else []
