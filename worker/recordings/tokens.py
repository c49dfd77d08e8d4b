"""How a text is cut into the words, numbers, ids and days that are replaced one by one. Pure."""

import html
import re

from worker.inert_text import composed

_ENTITY = r"&(?:amp|lt|gt|quot|apos|nbsp|#39);"
TOKEN = re.compile(
    rf"(?P<entity>{_ENTITY})"
    r"|(?P<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)"
    r"|(?P<iban>\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b)"
    r"|(?P<loopback>\b(?:127\.0\.0\.1|localhost)(?::\d+)?\b)"
    r"|(?P<day>(?<!\d)(?:19|20)\d{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?!\d))"
    r"(?P<time>[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
    rf"|(?P<spaced>(?<![^\W_])[^\W_](?:(?:{_ENTITY}|[\W_]){{1,3}}[^\W_](?![^\W_]))+)"
    r"|(?P<letters>[^\W\d_]+)"
    r"|(?P<digits>\d+)"
    r"|(?P<symbol>[^\w\s\x00-\x7f])"
)
"""A piece of a text that is replaced as one; its group says what it is."""

SPACED = re.compile(rf"({_ENTITY}|[\W_])")
"""What stands between the single signs of a word that is written with gaps."""

_REFERENCE = re.compile(r"&(?:#[0-9]{1,20}|#[xX][0-9a-fA-F]{1,20}|[A-Za-z][A-Za-z0-9]{1,31});?")
_KEPT_REFERENCES = frozenset({"&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&nbsp;", "&#39;"})
_UNDECODED = re.compile("[\udc80-\udcff]")


def readable(text: str) -> str:
    """Return a text with its HTML references as the characters that they stand for, and accents joined to letters."""
    text = _REFERENCE.sub(_unescaped, text)
    return text if text.isascii() else _UNDECODED.sub("\udcff", composed(text))


def _unescaped(found: re.Match[str]) -> str:
    """Return the character of an HTML reference; those of markup stay."""
    return found.group() if found.group() in _KEPT_REFERENCES else html.unescape(found.group())
