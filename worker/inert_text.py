"""Makes text from people and banks safe to show in terminals, logs, pages, e-mails and notes of expenses.

It removes control characters (which terminals execute), line breaks (which would forge log lines), and bidirectional
and invisible characters (which make a text look like another one).
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_JOINERS = frozenset("\u200c\u200d")
"""Invisible characters that Persian, Hindi and many emoji need."""

_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Characters that count as letters, marks or signs and show nothing."""

_MOST_MARKS = 30
_SPACED = frozenset({"Cc", "Cs", "Zl", "Zp"})
_PLAIN = re.compile(r"[\x20-\x7e]*")
_PLAIN_LINES = re.compile(r"[\x20-\x7e\n\t]*")


def inert(text: str) -> str:
    """Return one line without control, bidirectional and invisible characters; controls become spaces."""
    return text if _PLAIN.fullmatch(text) else "".join(map(_inert_character, text))


def is_blank(text: str) -> bool:
    """Say whether nothing of a text would be seen."""
    return not inert(text).strip("".join(_JOINERS) + " \u00a0\u2000\u2001\u2002\u2003\u3000")


def composed(text: str) -> str:
    """Return the text in the Unicode form NFC, with at most 30 marks on one letter.

    Normalising sorts the marks of a letter in quadratic time and holds the interpreter's lock meanwhile; Unicode's
    stream-safe text (UAX #15) has the same limit.
    """
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept))


def inert_lines(text: str) -> str:
    """Return several lines, each inert, of a text whose line breaks are our own."""
    return text if _PLAIN_LINES.fullmatch(text) else "\n".join(inert(line) for line in text.split("\n"))


def inert_value(value: Any) -> Any:  # noqa: ANN401 - any JSON, or what a log line holds
    """Return a value with all texts and keys in it inert."""
    match value:
        case str():
            return inert(value)
        case Mapping():
            return {inert(str(key)): inert_value(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [inert_value(item) for item in value]
        case _:
            return value


def inert_json(text: str) -> str:
    r"""Return JSON that is safe in a terminal: such characters are escaped as \uXXXX, so that no data is lost."""
    return text if _PLAIN_LINES.fullmatch(text) else "".join(map(_escaped, text))


def _inert_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in _SPACED:
        return " "
    invisible = (category == "Cf" and character not in _JOINERS) or character in _BLANK_LETTERS
    return "" if invisible else character


def _escaped(character: str) -> str:
    if character == "\n" or _inert_character(character) == character:
        return character
    return "".join(f"\\u{unit:04x}" for unit in _utf16(character))


def _utf16(character: str) -> list[int]:
    encoded = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(encoded[index : index + 2]) for index in range(0, len(encoded), 2)]
