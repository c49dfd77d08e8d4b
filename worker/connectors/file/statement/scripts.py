"""Tells text of another script than Latin apart by its bytes, and finds its encoding."""

import codecs
import re
from dataclasses import dataclass, field

from worker.connectors.file.statement.files import Member, open_member

OTHER_SCRIPTS = (
    *("cp1251", "cp866", "koi8_r", "koi8_u", "cp1253", "cp1255", "cp1256", "cp874"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
)
"""Encodings of text in Cyrillic, Greek, Hebrew, Arabic, Thai, Japanese, Chinese and Korean."""

_CHUNK_BYTES = 1024**2
_SAMPLE_BYTES = 64 * 1024
_WORD = re.compile(rb"[A-Za-z\x80-\xff]+")
_RUN = re.compile(rb"[\x80-\xff]{3}")


@dataclass(slots=True)
class WordBytes:
    """Of which bytes the words beyond ASCII are, over a whole file.

    Attributes:
        high: Bytes above 127 in words of two bytes and more; a sign that stands alone says nothing.
        ascii_letters: Letters of ASCII in the same words.
        runs: Whether three bytes above 127 stand side by side somewhere.
        sample: The first lines with such words.
    """

    high: int = 0
    ascii_letters: int = 0
    runs: bool = False
    sample: bytearray = field(default_factory=bytearray)

    def see(self, chunk: bytes) -> None:
        """Count one piece of the file."""
        for word in _WORD.findall(chunk):
            if len(word) > 1 and not word.isascii():
                above = sum(byte > 127 for byte in word)  # noqa: PLR2004 - the last of ASCII
                self.high += above
                self.ascii_letters += len(word) - above
                self.runs = self.runs or _RUN.search(word) is not None
        if len(self.sample) < _SAMPLE_BYTES:
            lines = (line for line in chunk.splitlines(keepends=True) if not line.isascii())
            self.sample += b"".join(lines)[: _SAMPLE_BYTES - len(self.sample)]

    @property
    def are_of_another_script(self) -> bool:
        """Whether most letters are beyond ASCII: words of Latin script hold some of them, never most."""
        return self.runs and self.high > self.ascii_letters


def encoding_of_script(words: WordBytes, member: Member) -> str | None:
    """Return the encoding that reads a file of another script, every byte of it; None where there is none."""
    if not words.are_of_another_script:
        return None
    from charset_normalizer import from_bytes  # noqa: PLC0415 - 2.5 MB a process, and few files need it

    likely = (match.encoding for match in from_bytes(bytes(words.sample), cp_isolation=list(OTHER_SCRIPTS)))
    return next((codecs.lookup(name).name for name in likely if _reads_all(member, name)), None)


def _reads_all(member: Member, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_member(member) as stream:
        try:
            while chunk := stream.read(_CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True
