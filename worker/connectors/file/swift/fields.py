"""Splits an MT940 or MT942 file into its fields."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from worker.connectors.file.statement.errors import StatementError

# Tags of MT940, MT941 and MT942, with those that banks add; anything else inside a text is text.
KNOWN_TAGS = frozenset(
    "20 21 13 13C 13D 25 25P 28 28C 34F 60 60F 60M 61 62 62F 62M 64 65 86 90C 90D 940 NS".split()  # noqa: SIM905 - read at a glance
)
LOST_LINE = "61?"
CUT = "cut"
_TAG = re.compile(r"^:(NS|\d{2}[A-Z]?|940):")
_PAGE_END = re.compile(r"\s*--?\s*|-[A-Za-z]{3}\s*")
_ENDS = "\r\n\x03\x00\x1a"
# Envelope: header blocks whole, the beginning and the end of the text block, what follows it.
_BLOCK = re.compile(r"\{[1235]:(?:[^{}]|\{[^{}]*\})*\}|\{4:|^-\}|\{[1235]:.*")
# What the first line of a `:61:` looks like when its own tag was damaged.
_LOST = re.compile(
    r"(?i)^\W?(?:\w{0,3}|\d{0,6})\W{0,2}\s?\d{6}(?:\d{4}|\s{4})?[RE]?[DC][A-Z]?\d{1,12},\d{0,2}(?:[NSF][A-Z0-9]{3}|$)"
)
_MAX_FIELD_CHARACTERS = 64 * 1024


@dataclass(slots=True)
class SwiftField:
    """One field: its tag, the line it begins on, its text with the lines that follow.

    Attributes:
        tag: As written; `61?` for a line that is a `:61:` by its content only; empty for text without a field; `cut`
            where the file ends within an envelope.
    """

    tag: str
    line: int
    text: str

    def append(self, line: str) -> None:
        """Add a line that goes on with the field. Raises: StatementError when it is longer than any bank's."""
        self.text += f"\n{line}"
        if len(self.text) > _MAX_FIELD_CHARACTERS:
            raise StatementError(f"field :{self.tag}: is longer than any bank's", line=self.line)


def split_fields(lines: Iterable[str]) -> Iterator[SwiftField]:
    """Yield the fields of a file, envelopes ({1:…}) and page ends (`-`) left out.

    Raises: StatementError for a field no bank would send.
    """
    current: SwiftField | None = None
    ended = False
    within, number, raw = False, 0, ""
    for number, raw in enumerate(_rejoined(lines), start=1):
        if raw.startswith("-}") or "{1:" in raw or "{4:" in raw:
            within = not raw.startswith("-}") or "{1:" in raw
        line = _BLOCK.sub("", raw.rstrip(_ENDS).removeprefix("\ufeff").lstrip("\x01")).rstrip()
        if not line:
            continue
        if _PAGE_END.fullmatch(line):
            ended = True
            continue
        tag = _tag_of(line, inside=current)
        if tag is not None:
            yield from [current] if current is not None else []
            text = line if tag == LOST_LINE else line[len(tag) + 2 :]
            current = SwiftField(tag, number, text)
        elif current is None:
            yield SwiftField("", number, line)
        else:
            # a page end in the middle of a text was a line of the text
            current.append(f"-\n{line}" if ended else line)
        ended = False
    yield from [current] if current is not None else []
    if within or (raw.startswith("{") and "}" not in raw):
        yield SwiftField(CUT, number, "")


def _tag_of(line: str, *, inside: SwiftField | None) -> str | None:
    """Return the tag a line begins with; None for a line that goes on with the field before it."""
    found = _TAG.match(line)
    if found is not None and found[1] in KNOWN_TAGS:
        return LOST_LINE if found[1] != "61" and _LOST.match(line) else found[1]
    if _LOST.match(line) and inside is not None:
        return LOST_LINE
    if found is not None and (inside is None or inside.tag not in {"86", "61"}):
        return found[1]
    return None


def _rejoined(lines: Iterable[str]) -> Iterator[str]:
    """Mend fields that a bank's line wrapping cut between the colon and the number (`:` newline `86:`)."""
    waiting = ""
    for line in lines:
        if line.strip() == ":":
            waiting = ":"
            continue
        yield waiting + line
        waiting = ""
