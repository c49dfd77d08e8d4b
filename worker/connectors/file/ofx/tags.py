"""Splits an OFX file (SGML or XML) into a stream of its tags."""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from worker.connectors.file.statement.errors import StatementError

_MAX_TOKEN_CHARACTERS = 256 * 1024
_TAG = re.compile(r"<(/?)([A-Za-z0-9_.:\-]{1,64})\s*(/?)>")
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_DECLARATION = re.compile(r"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{1,6}|#x[0-9a-f]{1,5});", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Token:
    """A tag and the text behind it.

    Attributes:
        name: The tag in capitals.
        text: Its text, unescaped; behind an end tag there should be none.
        line: Line of the tag, counted from 1.
        closing: Whether it is an end tag.
    """

    name: str
    text: str
    line: int
    closing: bool

    @property
    def raw(self) -> str:
        """The tag and its text as they are written."""
        return f"<{self.name}>{self.text}"


def tokens(chunks: Iterable[str]) -> Iterator[Token]:
    """Yield the tags of a text that comes in pieces; names in capitals, texts unescaped and stripped.

    Raises: StatementError for document types and entities, and for a tag whose text never ends.
    """
    pending, line = "", 1
    for chunk in chunks:
        pending += chunk
        cut = _last_tag(pending)
        yield from _split(pending[:cut], line)
        line += pending.count("\n", 0, cut)
        pending = pending[cut:]
        if len(pending) > _MAX_TOKEN_CHARACTERS:
            raise StatementError("a tag's text is longer than any statement's", line=line)
    yield from _split(pending, line)


def _last_tag(text: str) -> int:
    """Return where the last tag of `text` begins: it may go on in the next piece, a CDATA section with it."""
    cut = text.rfind("<")
    while cut > 0:
        follows = text[cut + 1 : cut + 2]
        if (follows.isalpha() or follows in {"/", "?"}) and not _in_cdata(text, cut):
            return cut
        cut = text.rfind("<", 0, cut)
    return 0


def _in_cdata(text: str, at: int) -> bool:
    opened = text.rfind("<![CDATA[", 0, at)
    return opened >= 0 and text.find("]]>", opened, at) < 0


def _unescaped(text: str) -> str:
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text).strip() if "&" in text else text.strip()


def _split(text: str, line: int) -> Iterator[Token]:
    if "<!" in text:
        if _DECLARATION.search(text):
            raise StatementError("declares a document type or entities; statements do not", line=line)
        text = _CDATA.sub(lambda found: html.escape(found[1]), text)
    counted, tag = 0, _TAG.search(text)
    while tag is not None:
        following = _TAG.search(text, tag.end())
        line += text.count("\n", counted, tag.start())
        counted = tag.start()
        value = text[tag.end() : following.start() if following else len(text)]
        yield Token(name=tag[2].upper(), text=_unescaped(value), line=line, closing=bool(tag[1]))
        if tag[3]:
            yield Token(name=tag[2].upper(), text="", line=line, closing=True)
        tag = following
