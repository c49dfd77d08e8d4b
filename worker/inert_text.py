"""Text of people and banks made inert: it is shown, and does nothing to whatever shows it.

Control characters (terminals obey them), line breaks (they begin a new line of a log), bidirectional overrides and
invisible characters (they show another text than there is) go. Every exit uses these functions: terminal, log, page,
e-mail, and the notes of an expense.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_JOINERS = frozenset("\u200c\u200d")
"""Invisible, and needed to write Persian, Hindi and many emoji."""

_SPACED = frozenset({"Cc", "Cs", "Zl", "Zp"})
_PLAIN = re.compile(r"[\x20-\x7e]*")
_PLAIN_LINES = re.compile(r"[\x20-\x7e\n\t]*")


def inert(text: str) -> str:
    """Return one line without control, bidirectional and invisible characters; controls become spaces."""
    return text if _PLAIN.fullmatch(text) else "".join(map(_inert_character, text))


def inert_lines(text: str) -> str:
    """Return text of several lines, each inert: for a text whose line breaks are ours."""
    return text if _PLAIN_LINES.fullmatch(text) else "\n".join(inert(line) for line in text.split("\n"))


def inert_value(value: Any) -> Any:  # noqa: ANN401 - any JSON, or what a log line holds
    """Return a value with every text in it inert, keys included."""
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
    r"""Return JSON that a terminal shows safely: what would act is escaped as \uXXXX, so that the data stays."""
    return text if _PLAIN_LINES.fullmatch(text) else "".join(map(_escaped, text))


def _inert_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in _SPACED:
        return " "
    return "" if category == "Cf" and character not in _JOINERS else character


def _escaped(character: str) -> str:
    if character == "\n" or _inert_character(character) == character:
        return character
    return "".join(f"\\u{unit:04x}" for unit in _utf16(character))


def _utf16(character: str) -> list[int]:
    encoded = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(encoded[index : index + 2]) for index in range(0, len(encoded), 2)]
