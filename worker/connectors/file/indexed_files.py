"""Caches what was read of statement files, in the process and beside the files for other processes."""

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from threading import Lock
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from worker.connectors.file.config import FileConfig
from worker.connectors.file.overrides import EventOverrides
from worker.connectors.file.reading import Choices, Understood, read, understand
from worker.connectors.file.statement.errors import Doubt, StatementError
from worker.connectors.file.statement.events import Event
from worker.connectors.file.statement.files import Member
from worker.connectors.file.statement.shared_cache import KeptItems
from worker.connectors.file.summary import FileSummary, summarise

INDEX_FOLDER = ".finmind"
_MAX_KEPT_FILES, _MAX_KEPT_IDS = 1000, 5000
_MAX_STORED_BYTES = 16 * 1024**2
_TOLD_EVERY = 1000
_CONTENT_DIGITS = 16  # of a fingerprint: what depends on the bytes of the file


@dataclass(kw_only=True)
class IndexedFile:
    """One readable statement file.

    Attributes:
        fingerprint: Of its bytes and of what is stated about it.
        choices: How it is read again.
    """

    member: Member
    fingerprint: str
    summary: FileSummary
    choices: Choices

    @cached_property
    def understood(self) -> Understood:
        """How the file is read. Raises: StatementError when it changed and is refused now."""
        return understand(self.member, self.choices)


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    """A refusal as it is stored."""

    reason: str
    line: int | None
    file: str | None
    doubts: tuple[Doubt, ...]


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """What is stored of one file: a summary, or why it is refused."""

    version: Literal[1] = 1
    summary: FileSummary | None = None
    refusal: _Refusal | None = None


_STORED = TypeAdapter(_Stored)
Indexed = IndexedFile | StatementError


class RowKeeper:
    """Keeps the events of files that a run has just read, so that it need not read them again; memory is bounded.

    Args:
        on_rows: Called with each number of events that were read.
    """

    def __init__(self, on_rows: Callable[[int], None] = lambda _read: None) -> None:
        self._kept: dict[str, KeptItems[Event]] = {}
        self._on_rows = on_rows

    def watch(self, fingerprint: str, events: Iterable[Event]) -> Iterator[Event]:
        """Yield the events of a file and keep them, unless they are too many."""
        kept: KeptItems[Event] = KeptItems()
        for number, event in enumerate(events, 1):
            yield event
            kept.append(event)
            if number % _TOLD_EVERY == 0:
                self._on_rows(_TOLD_EVERY)
        self._kept[fingerprint] = kept

    def events(self, fingerprint: str) -> list[Event] | None:
        """Return the events of a file; None where they are not kept."""
        kept = self._kept.get(fingerprint)
        return kept.items if kept is not None else None


def index_file(member: Member, fingerprint: str, config: FileConfig, choices: Choices, rows: RowKeeper) -> Indexed:
    """Read a file once from beginning to end; return what it holds, or why it is refused."""
    try:
        understood = understand(member, choices)
        events = EventOverrides(config).events(read(understood, choices))
        summary = summarise(rows.watch(fingerprint, events))
    except StatementError as error:
        return error.of(member.name)
    if not summary.accounts and (summary.bad_rows or summary.skipped):
        return _without_account(summary, member)
    found = IndexedFile(member=member, fingerprint=fingerprint, summary=summary, choices=choices)
    found.understood = understood
    return found


def _without_account(summary: FileSummary, member: Member) -> StatementError:
    """Return why a file of which nothing can be imported is refused."""
    if summary.bad_rows:
        first = summary.bad_rows[0]
        return StatementError(f"no row can be read: {first.reason}", line=first.line, file=member.name)
    return StatementError(f"holds no payment of an account: {'; '.join(summary.skipped)}", file=member.name)


class FilesReadBefore:
    """Files this process has read before, by path, content and what is stated."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, Indexed] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> Indexed | None:
        """Return a file, or why it was refused; None where it was not read before."""
        with self._lock:
            if key in self._files:
                self._files.move_to_end(key)
            return self._files.get(key)

    def put(self, key: str, found: Indexed) -> None:
        """Keep a file, unless the ids of its rows would fill the memory; forget the ones used longest ago."""
        if isinstance(found, IndexedFile) and found.summary.id_count > _MAX_KEPT_IDS:
            return
        with self._lock:
            self._files[key] = found
            while len(self._files) > _MAX_KEPT_FILES:
                self._files.popitem(last=False)


class StoredIndex:
    """Summaries of the files of a drop folder, in a hidden folder of it, for processes that have not read them.

    They are a cache: what is missing, damaged or of another version of the code is read from the statements. Where the
    folder cannot be written, nothing is stored.
    """

    def __init__(self, folder: Path) -> None:
        self._place = folder / INDEX_FOLDER

    def load(self, member: Member, fingerprint: str, choices: Choices) -> Indexed | None:
        """Return what is stored of a file; None where nothing usable is."""
        try:
            path = self._path(fingerprint)
            if path.stat().st_size > _MAX_STORED_BYTES:
                return None
            stored = _STORED.validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None
        if stored.refusal is not None:
            refusal = stored.refusal
            return StatementError(refusal.reason, line=refusal.line, file=member.name, doubts=refusal.doubts)
        if stored.summary is None:
            return None
        return IndexedFile(member=member, fingerprint=fingerprint, summary=stored.summary, choices=choices)

    def save(self, fingerprint: str, found: Indexed) -> None:
        """Store what was found in a file; it appears whole or not at all."""
        if isinstance(found, StatementError):
            refusal = _Refusal(reason=found.reason, line=found.line, file=found.file, doubts=found.doubts)
            stored = _Stored(refusal=refusal)
        else:
            stored = _Stored(summary=found.summary)
        path = self._path(fingerprint)
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        with suppress(OSError):
            self._place.mkdir(mode=0o700, exist_ok=True)
            unfinished.write_bytes(_STORED.dump_json(stored))
            unfinished.chmod(0o600)
            unfinished.replace(path)

    def forget_others(self, fingerprints: Iterable[str]) -> None:
        """Remove what is stored of files that are not in the folder any more."""
        contents = {fingerprint[:_CONTENT_DIGITS] for fingerprint in fingerprints}
        with suppress(OSError):
            for path in self._place.iterdir():
                if path.name[:_CONTENT_DIGITS] not in contents:
                    path.unlink(missing_ok=True)

    def _path(self, fingerprint: str) -> Path:
        return self._place / f"{fingerprint}.{_code_version()}.json"


@cache
def _code_version() -> str:
    """Return a digest of the readers' own code: another version may understand a file otherwise."""
    digest = hashlib.sha256()
    packages = ["", ".camt", ".ofx", ".qif", ".statement", ".swift", ".table"]
    for package in packages:
        for item in sorted(resources.files(f"worker.connectors.file{package}").iterdir(), key=lambda one: one.name):
            if item.name.endswith(".py"):
                digest.update(item.read_bytes())
    return digest.hexdigest()[:8]
