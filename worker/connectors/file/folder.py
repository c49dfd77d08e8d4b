"""Index of a path: the readable files with a summary of each, their accounts, and the refused files with reasons."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Self

from worker.connectors.errors import ProviderUnavailableError
from worker.connectors.file.config import FileConfig
from worker.connectors.file.overrides import EventOverrides
from worker.connectors.file.reading import Choices, Understood, read, understand
from worker.connectors.file.reused_ids import IdDoubt, distrusted
from worker.connectors.file.statement.events import StatementError
from worker.connectors.file.statement.files import Member, digest, folder_files, members
from worker.connectors.file.summary import AccountSummary, FileSummary, Imbalance, summarise
from worker.errors import InvalidRequestError

_MAX_KEPT_FILES, _MAX_KEPT_IDS = 1000, 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedFile:
    """One readable statement file. fingerprint: of its bytes and of what is stated about it."""

    understood: Understood
    fingerprint: str
    summary: FileSummary


class _ReadBefore:
    """Files this process has read before, by path, content and what is stated: a refresh reads only what is new."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, IndexedFile | StatementError] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> "IndexedFile | StatementError | None":
        with self._lock:
            if key in self._files:
                self._files.move_to_end(key)
            return self._files.get(key)

    def put(self, key: str, found: "IndexedFile | StatementError") -> None:
        """Keep a file, unless the ids of its rows would fill the memory; forget the ones used longest ago."""
        if isinstance(found, IndexedFile) and found.summary.id_count > _MAX_KEPT_IDS:
            return
        with self._lock:
            self._files[key] = found
            while len(self._files) > _MAX_KEPT_FILES:
                self._files.popitem(last=False)


_READ_BEFORE = _ReadBefore()


def _index(member: Member, fingerprint: str, config: FileConfig, choices: Choices) -> IndexedFile | StatementError:
    """Read a file once from beginning to end; return its index, or why it is refused."""
    try:
        understood = understand(member, choices)
        summary = summarise(EventOverrides(config).events(read(understood, choices)))
    except StatementError as error:
        return error.of(member.name)
    if summary.bad_rows and not summary.accounts:
        first = summary.bad_rows[0]
        return StatementError(f"no row can be read: {first.reason}", line=first.line, file=member.name)
    return IndexedFile(understood=understood, fingerprint=fingerprint, summary=summary)


@dataclass(slots=True)
class Folder:
    """What a path holds, in the order of the files' names."""

    files: list[IndexedFile] = field(default_factory=list)
    refused: list[StatementError] = field(default_factory=list)
    _fingerprints: set[str] = field(default_factory=set)

    @classmethod
    def scan(cls, config: FileConfig) -> Self:
        """Read every file behind the path once; the same file twice in a folder counts once.

        Raises: ProviderUnavailableError when the path is not there; StatementError when the only file is refused, or
        all of them are.
        """
        folder = cls.inspect(config)
        if folder.refused and not folder.files:
            raise _all_refused(folder.refused)
        return folder

    @classmethod
    def inspect(cls, config: FileConfig) -> Self:
        """Do the same, and keep all refusals in the result.

        Raises: ProviderUnavailableError; StatementError when a profile in the folder is wrong.
        """
        folder, path = cls(), config.path
        if not path.exists():
            raise ProviderUnavailableError("the statement file or drop folder is not there", everyone=False)
        try:
            choices, stamp = config.choices(), config.stamp()
        except InvalidRequestError as error:
            raise StatementError(str(error)) from None
        for one in folder_files(path) if path.is_dir() else [path]:
            folder._add_path(one, config, choices, stamp)
        return folder

    def _add_path(self, path: Path, config: FileConfig, choices: Choices, stamp: str) -> None:
        try:
            found, mark = members(path), f"{digest(path)}{stamp}"
        except StatementError as error:
            self.refused.append(error.of(path.name))
            return
        for member in found:
            self._add_member(member, f"{mark}{_entry_mark(member)}", config, choices)

    def _add_member(self, member: Member, fingerprint: str, config: FileConfig, choices: Choices) -> None:
        if fingerprint in self._fingerprints:
            return
        key = f"{member.path}:{fingerprint}"
        found = _READ_BEFORE.get(key)
        if found is None:
            found = _index(member, fingerprint, config, choices)
            _READ_BEFORE.put(key, found)
        if isinstance(found, StatementError):
            self.refused.append(found)
        else:
            self._fingerprints.add(fingerprint)
            self.files.append(found)

    def account_keys(self) -> list[str]:
        """Return every account, in the order the files name them."""
        return list(dict.fromkeys(key for file in self.files for key in file.summary.accounts))

    def first_account(self) -> str | None:
        """Return the account that reports what belongs to none."""
        return next(iter(self.account_keys()), None)

    def summaries(self, key: str) -> list[AccountSummary]:
        """Return what each file says about an account."""
        return [file.summary.accounts[key] for file in self.files if key in file.summary.accounts]

    def distrusted(self) -> dict[str, IdDoubt]:
        """Return the accounts whose ids are no identities, with the reason."""
        doubts = {key: distrusted(one.ids for one in self.summaries(key)) for key in self.account_keys()}
        return {key: doubt for key, doubt in doubts.items() if doubt is not None}

    def imbalances(self, key: str | None) -> list[tuple[str, Imbalance]]:
        """Return the last statement that does not add up of an account, or of each account for None."""
        found = {
            name: one.imbalances[-1]
            for file in self.files
            for name, one in file.summary.accounts.items()
            if one.imbalances and key in {None, name}
        }
        return list(found.items())

    def files_of(self, key: str | None) -> list[IndexedFile]:
        """Return the files that are about an account; all of them for None."""
        return [file for file in self.files if key is None or key in file.summary.accounts]


def _entry_mark(member: Member) -> str:
    return "" if member.entry is None else hashlib.sha256(member.entry.encode()).hexdigest()[:8]


def _all_refused(refused: list[StatementError]) -> StatementError:
    if len(refused) == 1:
        return refused[0]
    return StatementError(f"none of {len(refused)} files can be read: {'; '.join(map(str, refused[:3]))}")
