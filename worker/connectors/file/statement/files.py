"""Opens statement files, zip archives and drop folders within limits on size, ratio and number."""

import gzip
import hashlib
import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from worker.connectors.file.statement.errors import StatementError

MAX_PLAIN_BYTES = 2 * 1024**3
MAX_UNPACKED_BYTES = 256 * 1024**2
MAX_RATIO = 100
MAX_MEMBERS = 100
MAX_FILES = 5000
_FREE_BYTES = 1024**2  # the ratio is judged from here on: a few kilobytes of zeros harm nobody
_CHUNK_BYTES = 1024**2
_LARGEST_DIRECTORY = 256 * 1024
"""Bytes in which a zip file may list its entries: some thousand of them, and each becomes an object in memory."""

_SPREADSHEET_PARTS = frozenset({"[Content_Types].xml", "content.xml"})
_SPREADSHEET_SUFFIXES = frozenset({".xlsx", ".xlsm", ".xls", ".ods"})
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SKIPPED_SUFFIXES = (".part", ".tmp", ".crdownload", ".md", ".toml", ".json", ".license")


@dataclass(frozen=True, slots=True)
class Member:
    """One readable statement file: a file on disk, one entry of a zip archive on disk, or bytes already read."""

    path: Path
    entry: str | None = None
    data: bytes | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The file's name for messages, without its folders."""
        return self.path.name if self.entry is None else f"{self.path.name}/{Path(self.entry).name}"


class _Metered(io.RawIOBase):
    """A decompressed stream that stops at the byte budget or at an absurd ratio, before memory or time is spent."""

    def __init__(self, stream: IO[bytes], packed_bytes: int) -> None:
        self._stream = stream
        self._limit = min(MAX_UNPACKED_BYTES, max(_FREE_BYTES, packed_bytes * MAX_RATIO))
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # typeshed wants a protocol from 3.12
        """Fill `buffer`; Raises: StatementError when the budget is spent or the archive is damaged."""
        try:
            data = self._stream.read(len(buffer))
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise StatementError(f"the archive is damaged or locked ({type(error).__name__})") from None
        self._read += len(data)
        if self._read > self._limit:
            raise StatementError("the archive unpacks to far more than a statement holds")
        buffer[: len(data)] = data
        return len(data)


class _Opening(io.BufferedReader):
    """A zip file whose list of entries is read while it is short; 32 MiB can list half a million."""

    is_opened = False

    def read(self, size: int | None = -1, /) -> bytes:
        """Read; Raises: StatementError for more at once than a list of entries has."""
        if not self.is_opened and size is not None and size > _LARGEST_DIRECTORY:
            raise StatementError(f"holds more than {MAX_MEMBERS} files")
        return super().read(size)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == b"PK\x03\x04"


def _require_regular(path: Path) -> None:
    try:
        mode = path.stat()
    except OSError:
        raise StatementError("there is no such file, or it may not be read") from None
    if not stat.S_ISREG(mode.st_mode):
        raise StatementError("is not a regular file")
    if mode.st_size > MAX_PLAIN_BYTES:
        raise StatementError(f"is larger than {MAX_PLAIN_BYTES // 1024**3} GiB")


@contextmanager
def _opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    with _Opening(io.FileIO(path)) as stream:
        try:
            archive = zipfile.ZipFile(stream)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            raise StatementError("the zip archive is damaged") from None
        stream.is_opened = True
        with archive:
            yield archive


def _entries(path: Path) -> list[Member]:
    """List the statements inside a zip file."""
    with _opened_zip(path) as archive:
        infos = archive.infolist()
    spreadsheet = any(info.filename in _SPREADSHEET_PARTS for info in infos)
    if len(infos) > MAX_MEMBERS and not spreadsheet:
        raise StatementError(f"holds more than {MAX_MEMBERS} files")
    if sum(info.file_size for info in infos) > MAX_UNPACKED_BYTES:
        raise StatementError("the archive unpacks to far more than a statement holds")
    if spreadsheet:
        _require_ratio(infos)
        return [Member(path)]
    return [Member(path, info.filename) for info in infos if _is_statement(info)]


def _require_ratio(infos: list[zipfile.ZipInfo]) -> None:
    """Raises: StatementError for a part that unpacks to far more than a sheet would."""
    if any(info.file_size > max(_FREE_BYTES, info.compress_size * MAX_RATIO) for info in infos):
        raise StatementError("the archive unpacks to far more than a statement holds")


def is_spreadsheet(member: Member) -> bool:
    """Return whether a file is an XLSX, ODS or XLS workbook, by its beginning."""
    if member.entry is not None:
        return Path(member.entry).suffix.lower() in _SPREADSHEET_SUFFIXES
    with _raw(member) as stream:
        head = stream.peek(len(_OLE))[: len(_OLE)]
    return head == _OLE or head.startswith(b"PK\x03\x04")


def _is_statement(info: zipfile.ZipInfo) -> bool:
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    hidden = "__MACOSX" in info.filename or Path(info.filename).name.startswith(".")
    return not (info.is_dir() or is_link or hidden)


def members(path: Path) -> list[Member]:
    """Return the statement files behind a path: itself, or what a zip file holds.

    Raises: StatementError when it is no regular file, too large or a damaged archive.
    """
    _require_regular(path)
    try:
        return _entries(path) if _is_zip(path) else [Member(path)]
    except OSError:
        raise StatementError("may not be read") from None


def is_skipped(path: Path) -> bool:
    """Say whether a drop folder may hold a file of this name that is no statement, such as a profile."""
    return path.suffix.lower() in _SKIPPED_SUFFIXES


def folder_files(folder: Path) -> list[Path]:
    """Return the files of a drop folder in the order of their names; links, hidden and unfinished files are not files.

    Raises: StatementError when the folder cannot be read or holds more than 5000 files.
    """
    try:
        found = sorted(item for item in folder.iterdir() if item.is_file() and not item.is_symlink())
    except OSError:
        raise StatementError("the drop folder cannot be read") from None
    kept = [item for item in found if not item.name.startswith(".") and not is_skipped(item)]
    if len(kept) > MAX_FILES:
        raise StatementError(f"the drop folder holds more than {MAX_FILES} files")
    return [item for item in kept if item.stem.upper() not in {"LICENSE", "README"}]


def unpacked_bytes(path: Path, *, most: int) -> int:
    """Return how much the statements of a file hold, unpacked; of what is beyond `most`, no more is unpacked than that.

    Raises: StatementError when it is a damaged archive.
    """
    total = 0
    with path.open("rb") as stream:
        gzipped = stream.read(2) == b"\x1f\x8b"
    if not gzipped and not _is_zip(path):
        return path.stat().st_size
    if not gzipped:
        with _opened_zip(path) as archive:
            return sum(info.file_size for info in archive.infolist())
    with open_member(Member(path)) as stream:
        while total <= most and (chunk := stream.read(_CHUNK_BYTES)):
            total += len(chunk)
    return total


def count_lines(path: Path, *, most: int) -> int:
    """Return how many lines the statements of a file have; counting ends beyond `most`. Raises: StatementError."""
    total = 0
    for member in members(path):
        if is_spreadsheet(member):
            continue
        with open_member(member) as stream:
            while total <= most and (chunk := stream.read(_CHUNK_BYTES)):
                total += max(chunk.count(b"\n"), chunk.count(b"\r"))
    return total


@contextmanager
def open_member(member: Member) -> Iterator[io.BufferedReader]:
    """Open a statement file for reading bytes, decompressed within the budget.

    Raises: StatementError when it vanished, may not be read, or is an archive inside an archive.
    """
    try:
        with _raw(member) as raw:
            yield from _unpacked(member, raw)
    except OSError as error:
        raise StatementError(f"cannot be read ({type(error).__name__})") from None


def _raw(member: Member) -> io.BufferedReader:
    if member.data is not None:
        return io.BufferedReader(io.BytesIO(member.data))
    return member.path.open("rb")


def _unpacked(member: Member, raw: io.BufferedReader) -> Iterator[io.BufferedReader]:
    if member.entry is not None:
        with _opened_zip(member.path) as archive, _open_entry(archive, member.entry) as inner:
            packed_bytes = archive.getinfo(member.entry).compress_size
            stream = _metered(inner, packed_bytes)
            nested = (
                stream.peek(4)[:4] == b"PK\x03\x04" and Path(member.entry).suffix.lower() not in _SPREADSHEET_SUFFIXES
            )
            if nested or stream.peek(2)[:2] == b"\x1f\x8b":
                raise StatementError("holds an archive inside an archive")
            yield stream
    elif raw.peek(2)[:2] == b"\x1f\x8b":
        packed_bytes = raw.seek(0, io.SEEK_END)
        raw.seek(0)
        with gzip.GzipFile(fileobj=raw) as unzipped:
            yield _metered(cast("IO[bytes]", unzipped), packed_bytes)
    else:
        yield raw


def _metered(stream: IO[bytes], packed_bytes: int) -> io.BufferedReader:
    return cast("io.BufferedReader", io.BufferedReader(_Metered(stream, packed_bytes), _CHUNK_BYTES))


def _open_entry(archive: zipfile.ZipFile, entry: str) -> IO[bytes]:
    try:
        return archive.open(entry)
    except (RuntimeError, NotImplementedError, zipfile.BadZipFile):
        raise StatementError("the archive is damaged, locked, or packed in a way that is not read") from None


def digest(path: Path) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of a file's bytes: what a cursor remembers of a file already read.

    Raises: StatementError when it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    except OSError:
        raise StatementError("may not be read") from None
