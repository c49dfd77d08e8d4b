"""Decodes statement files; the encoding is decided from the whole file."""

import codecs
import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from worker.connectors.file.statement.events import StatementError
from worker.connectors.file.statement.files import Member, open_member

MAX_LINE_CHARACTERS = 1024**2
HEAD_CHARACTERS = 64 * 1024
_CHUNK_BYTES = 1024**2
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# where a letter stands inside a word: DOS code pages keep theirs where Windows has signs, and the other way round
_DOS_LETTER = re.compile(rb"(?<=[A-Za-z])[\x80-\x90\x93-\xa5](?=[A-Za-z])")
_WINDOWS_LETTER = re.compile(rb"(?<=[A-Za-z])[\xc0-\xff](?=[A-Za-z])")
# bytes that are letters in these code pages and signs or rare letters in cp1252, inside of words
_LETTERS_OF = {
    "cp1250": re.compile(rb"(?<=[A-Za-z])[\xb9\x9f\xbf](?=[a-z]|\W)|[A-Za-z]\xb3[a-z]"),
    "iso8859-2": re.compile(rb"(?<=[A-Za-z])[\xb1\xb6\xbc](?=[a-z]|\W)"),
    "cp1254": re.compile(rb"(?<=[A-Za-z])[\xf0\xfd\xfe](?=[a-z]|\W)"),
}
# Czech and Slovak: two letters that one language of cp1252 does not mix
_CZECH = (re.compile(rb"[A-Za-z]\xec[a-z]"), re.compile(rb"[A-Za-z]\xf8[a-z]"))
_GUESSED = frozenset({"cp1252", "cp852", *_LETTERS_OF})
_FOREIGN = (
    (b"%PDF", "is a PDF; ask the bank for CSV, OFX, CAMT or MT940"),
    (b"PK\x03\x04", "is an archive inside an archive"),
    (b"{\\rtf", "is a word processor's file"),
    (b"SQLite", "is a database file"),
)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file's bytes become text. sure: False when it was chosen because nothing better fits."""

    name: str
    sure: bool


def _by_shape(head: bytes) -> Encoding | None:
    """Recognise a byte order mark, or UTF-16 without one by its zero bytes."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return Encoding(name, sure=True)
    zeros_even, zeros_odd = head[0::2].count(0), head[1::2].count(0)
    half = max(1, len(head) // 2)
    if zeros_odd > half * 0.3 and zeros_even < half * 0.05:
        return Encoding("utf-16-le", sure=True)
    if zeros_even > half * 0.3 and zeros_odd < half * 0.05:
        return Encoding("utf-16-be", sure=True)
    return None


def _refuse_foreign(head: bytes) -> None:
    for magic, reason in _FOREIGN:
        if head.lstrip()[: len(magic)] == magic:
            raise StatementError(reason)
    if not head.strip(b"\x00\xef\xbb\xbf \t\r\n"):
        raise StatementError("is empty")


def detect_encoding(member: Member) -> Encoding:
    """Find a file's encoding: byte order mark, UTF-16 by shape, UTF-8 if every byte fits, else by its letters.

    Raises: StatementError for files that are no text at all, with the line of the first NUL byte.
    """
    with open_member(member) as stream:
        head = stream.read(64 * 1024)
        _refuse_foreign(head)
        shaped = _by_shape(head)
        if shaped is not None:
            return shaped
        return _by_decoding(head, stream)


@dataclass(slots=True)
class _Letters:
    """How often bytes stand where letters of a code page would."""

    dos: int = 0
    windows: int = 0
    czech: tuple[int, int] = (0, 0)
    found: Counter[str] = field(default_factory=Counter)

    def see(self, chunk: bytes) -> None:
        """Count one piece of the file."""
        self.dos += len(_DOS_LETTER.findall(chunk))
        self.windows += len(_WINDOWS_LETTER.findall(chunk))
        first, second = (len(pattern.findall(chunk)) for pattern in _CZECH)
        self.czech = (self.czech[0] + first, self.czech[1] + second)
        for name, pattern in _LETTERS_OF.items():
            self.found[name] += len(pattern.findall(chunk))

    def encoding(self) -> str:
        """Return the code page that the letters speak for."""
        if all(self.czech):
            return "cp1250"
        name, count = self.found.most_common(1)[0] if self.found else ("cp1252", 0)
        if count and count * 2 >= self.dos:
            return name
        return "cp852" if self.dos > self.windows else "cp1252"


def _by_decoding(head: bytes, stream: io.BufferedReader) -> Encoding:
    decoder = codecs.getincrementaldecoder("utf-8")()
    sure, line, letters = True, 1, _Letters()
    chunk = head
    while chunk:
        if (at := chunk.find(0)) >= 0:
            raise StatementError(
                "holds a NUL byte: it is damaged or no text file", line=line + chunk.count(b"\n", 0, at)
            )
        line += chunk.count(b"\n")
        if sure:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                sure = False
        if not chunk.isascii():
            letters.see(chunk)
        chunk = stream.read(_CHUNK_BYTES)
    if sure:
        return Encoding("utf-8", sure=True)
    return Encoding(letters.encoding(), sure=False)


def text_lines(stream: io.BufferedReader, encoding: str) -> Iterator[str]:
    """Yield the lines of a file with their ends (CR, LF or CRLF), decoded.

    Raises: StatementError naming the line, when a byte does not fit the encoding or a line is absurdly long.
    """
    text = io.TextIOWrapper(stream, encoding, errors=_errors(encoding), newline="")
    number = 0
    try:
        while line := text.readline(MAX_LINE_CHARACTERS + 1):
            number += 1
            if len(line) > MAX_LINE_CHARACTERS:
                raise StatementError("is longer than a million characters", line=number)
            yield line
    except UnicodeError:
        raise StatementError(f"has bytes that are not {encoding}", line=number + 1) from None
    finally:
        with suppress(ValueError):  # closed before: the reader stopped early
            text.detach()


def head_of(member: Member, encoding: str) -> str:
    """Return the beginning of a file as text, at most 64 Ki characters."""
    with open_member(member) as stream:
        decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        return decoder.decode(stream.read(HEAD_CHARACTERS * 2))[:HEAD_CHARACTERS]


def text_chunks(stream: io.BufferedReader, encoding: str) -> Iterator[str]:
    """Yield a file's text in pieces of 64 Ki bytes, whatever its lines.

    Raises: StatementError when a byte does not fit the encoding.
    """
    decoder = codecs.getincrementaldecoder(encoding)(_errors(encoding))
    try:
        while chunk := stream.read(64 * 1024):
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)
    except UnicodeError:
        raise StatementError(f"has bytes that are not {encoding}") from None


def _errors(encoding: str) -> str:
    """A letter lost in a code page that was guessed must not lose the file."""
    return "replace" if encoding in _GUESSED else "strict"
