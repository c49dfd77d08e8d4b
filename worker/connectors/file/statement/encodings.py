"""Decodes statement files; the encoding is decided from the whole file."""

import codecs
import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.files import Member, open_member
from worker.connectors.file.statement.scripts import WordBytes, encoding_of_script

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
# two letters that no language of cp1252 mixes inside its words, with the code page in which one language has both
_PAIRS: tuple[tuple[str, bytes, bytes], ...] = (
    ("cp1250", b"\xec", b"\xf8"),  # Czech and Slovak: ě ř
    ("cp1250", b"\xf5", b"\xfb"),  # Hungarian: ő ű
    ("cp1250", b"\xe3", b"\xfe"),  # Romanian: ă ţ
    ("cp1250", b"\xe3", b"\xba"),  # Romanian: ă ş
    ("cp1257", b"\xeb", b"\xf0"),  # Lithuanian: ė š
    ("cp1257", b"\xe2", b"\xf0"),  # Latvian: ā š
)
_IN_WORDS = {
    letter: re.compile(rb"(?<=[A-Za-z])" + letter + rb"(?=[a-z\xc0-\xff]|\W)") for _, *pair in _PAIRS for letter in pair
}
_CHARACTER_ENCODINGS = re.compile(
    r"ascii|utf-(8(-sig)?|(16|32)(-[bl]e)?)|(cp|iso8859-)\d+|mac-\w+|koi8-\w|shift_jis\w*|euc_\w+|iso2022_\w+"
    r"|gb\w+|big5\w*|hz|johab|tis-620|hp-roman8|kz1048|ptcp154"
)
_GUESSED = frozenset({"cp1252", "cp852", "cp1257", *_LETTERS_OF})
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
    """Find a file's encoding: byte order mark, UTF-16 by shape, UTF-8 if every byte fits, else by script and letters.

    Raises: StatementError for files that are no text at all, with the line of the first NUL byte.
    """
    with open_member(member) as stream:
        head = stream.read(64 * 1024)
        _refuse_foreign(head)
        shaped = _by_shape(head)
        if shaped is not None:
            return shaped
        if _is_utf8(head, stream):
            return Encoding("utf-8", sure=True)
    return Encoding(_code_page(member), sure=False)


@dataclass(slots=True)
class _Letters:
    """How often bytes stand where letters of a code page would."""

    dos: int = 0
    windows: int = 0
    found: Counter[str] = field(default_factory=Counter)
    in_words: Counter[bytes] = field(default_factory=Counter)

    def see(self, chunk: bytes) -> None:
        """Count one piece of the file."""
        self.dos += len(_DOS_LETTER.findall(chunk))
        self.windows += len(_WINDOWS_LETTER.findall(chunk))
        for letter, pattern in _IN_WORDS.items():
            self.in_words[letter] += len(pattern.findall(chunk))
        for name, pattern in _LETTERS_OF.items():
            self.found[name] += len(pattern.findall(chunk))

    def encoding(self) -> str:
        """Return the code page that the letters speak for."""
        for name, *pair in _PAIRS:
            if all(self.in_words[letter] for letter in pair):
                return name
        name, count = self.found.most_common(1)[0] if self.found else ("cp1252", 0)
        if count and count * 2 >= self.dos:
            return name
        return "cp852" if self.dos > self.windows else "cp1252"


def _is_utf8(head: bytes, stream: io.BufferedReader) -> bool:
    """Say whether every byte fits UTF-8. Raises: StatementError with the line of the first NUL byte."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    fits, line, chunk = True, 1, head
    while chunk:
        if (at := chunk.find(0)) >= 0:
            raise StatementError(
                "holds a NUL byte: it is damaged or no text file", line=line + chunk.count(b"\n", 0, at)
            )
        line += chunk.count(b"\n")
        try:
            fits = fits and decoder.decode(chunk) is not None
        except UnicodeDecodeError:
            fits = False
        chunk = stream.read(_CHUNK_BYTES)
    return fits


def _code_page(member: Member) -> str:
    """Return the encoding that script and letters of the whole file speak for."""
    letters, words = _Letters(), WordBytes()
    with open_member(member) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            if not chunk.isascii():
                letters.see(chunk)
                words.see(chunk)
    return encoding_of_script(words, member) or letters.encoding()


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


def known_encoding(name: str) -> str:
    """Return Python's name of a character encoding.

    Python's other codecs (`bz2`, `hex`, `idna`, `unicode-escape`) are refused: they are no encodings of a file, and
    what some of them unpack has no bound.

    Raises:
        ValueError: There is no such encoding.
    """
    try:
        found = codecs.lookup(name).name
    except LookupError:
        found = ""
    if not _CHARACTER_ENCODINGS.fullmatch(found):
        raise ValueError(f"'{name[:50]}' is no character encoding")
    return found


def head_of(member: Member, encoding: str) -> str:
    """Return the beginning of a file as text, at most 64 Ki characters.

    Raises: StatementError when it does not begin as the encoding has to.
    """
    with open_member(member) as stream:
        decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        try:
            return decoder.decode(stream.read(HEAD_CHARACTERS * 2))[:HEAD_CHARACTERS]
        except UnicodeError:
            raise StatementError(f"has bytes that are not {encoding}", line=1) from None


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
