"""Indexes a path: readable files with a summary of each, their accounts, and refused files with reasons."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from worker.connectors.base import Account, Transaction, Window
from worker.connectors.errors import InvalidDataError, ProviderUnavailableError
from worker.connectors.file.accounts_by_balances import separate_chains
from worker.connectors.file.config import AccountOverride, FileConfig
from worker.connectors.file.indexed_files import FilesReadBefore, IndexedFile, RowKeeper, StoredIndex, index_file
from worker.connectors.file.overrides import EventOverrides
from worker.connectors.file.reading import Choices, read
from worker.connectors.file.repeated_statements import without_repeated
from worker.connectors.file.reused_ids import IdDoubt, distrusted
from worker.connectors.file.same_accounts import currencies_of_others
from worker.connectors.file.statement.account_numbers import account_key
from worker.connectors.file.statement.errors import StatementError, StatementMissingError, StatementUnbalancedError
from worker.connectors.file.statement.events import Details, Event
from worker.connectors.file.statement.files import Member, digest, folder_files, members
from worker.connectors.file.statement.joined_windows import join_windows
from worker.connectors.file.statement.notification_details import EntryReference, JoinedDetails, join_details
from worker.connectors.file.statement_proof import Imbalance
from worker.connectors.file.summary import AccountSummary
from worker.errors import InvalidRequestError

_READ_BEFORE = FilesReadBefore()


@dataclass
class Folder:
    """What a path holds, in the order of the files' names.

    Attributes:
        duplicates: Names of files whose content another file has too, with the name of that one.
    """

    _config: FileConfig
    files: list[IndexedFile] = field(default_factory=list)
    refused: list[StatementError] = field(default_factory=list)
    duplicates: dict[str, str] = field(default_factory=dict)
    rows: RowKeeper = field(default_factory=RowKeeper)
    _fingerprints: dict[str, str] = field(default_factory=dict)
    _refused_fingerprints: set[str] = field(default_factory=set)

    @classmethod
    def scan(cls, config: FileConfig, rows: RowKeeper | None = None) -> Self:
        """Read every file behind the path once; the same file twice in a folder counts once.

        Raises: ProviderUnavailableError when the path is not there; StatementError when the only file is refused, or
        all of them are.
        """
        folder = cls.inspect(config, remember=True, rows=rows)
        if folder.refused and not folder.files:
            raise _all_refused(folder.refused)
        return folder

    @classmethod
    def inspect(cls, config: FileConfig, *, remember: bool = False, rows: RowKeeper | None = None) -> Self:
        """Do the same, and keep all refusals in the result.

        Args:
            remember: Store what is found beside the files, for other processes.
            rows: Keeps the rows that are read; None: a new one.

        Raises: ProviderUnavailableError; StatementError when a profile in the folder is wrong.
        """
        folder, path = cls(config, rows=rows or RowKeeper()), config.path
        if not path.exists():
            raise ProviderUnavailableError("the statement file or drop folder is not there", everyone=False)
        try:
            choices, stamp = config.choices(), config.stamp()
        except InvalidRequestError as error:
            raise StatementError(str(error)) from None
        if not path.is_dir():
            folder._add_path(path, choices, stamp, None)
            folder._state_currencies(choices, None)
            return folder
        stored = StoredIndex(path)
        for one in folder_files(path):
            folder._add_path(one, choices, stamp, stored if remember else None)
        folder._state_currencies(choices, stored if remember else None)
        if remember:
            stored.forget_others(folder._fingerprints.keys() | folder._refused_fingerprints)
        return folder

    def _add_path(self, path: Path, choices: Choices, stamp: str, stored: StoredIndex | None) -> None:
        try:
            found, mark = members(path), f"{digest(path)}{stamp}"
        except StatementError as error:
            self.refused.append(error.of(path.name))
            return
        for member in found:
            fingerprint = f"{mark}{_entry_mark(member)}"
            if fingerprint in self._fingerprints:
                self.duplicates[member.name] = self._fingerprints[fingerprint]
                continue
            known = self._known(member, fingerprint, choices, stored)
            if isinstance(known, StatementError):
                self.refused.append(known)
                self._refused_fingerprints.add(fingerprint)
            else:
                self._fingerprints[fingerprint] = member.name
                self.files.append(known)

    def _state_currencies(self, choices: Choices, stored: StoredIndex | None) -> None:
        """Read files that state no currency for an account as others of the folder state it: both mean one account."""
        accounts = {key: one.account for file in self.files for key, one in file.summary.accounts.items()}
        currencies = currencies_of_others(accounts.values())
        if not currencies:
            return
        stated = {
            key: self._stated_of(accounts[key], code).model_copy(update={"currency": code})
            for key, code in currencies.items()
        }
        self._config = self._config.model_copy(update={"accounts": {**self._config.accounts, **stated}})
        stamp = self._config.stamp()
        for place, file in enumerate(self.files):
            if currencies.keys() & file.summary.accounts.keys():
                fingerprint = f"{digest(file.member.path)}{stamp}{_entry_mark(file.member)}"
                known = self._known(file.member, fingerprint, choices, stored)
                if isinstance(known, IndexedFile):
                    self.files[place] = known

    def _stated_of(self, account: Account, currency: str) -> AccountOverride:
        """Return what is stated about an account in a currency, by the id it has with it or the one without."""
        ids = [account_key(account.anchor or "", currency), account.external_id]
        return self._config.override(ids, account.mask) or AccountOverride()

    def _known(
        self, member: Member, fingerprint: str, choices: Choices, stored: StoredIndex | None
    ) -> IndexedFile | StatementError:
        """Return what this process or another one found in a file before; read it where none did."""
        key = f"{member.path}:{fingerprint}"
        found = _READ_BEFORE.get(key) or (stored.load(member, fingerprint, choices) if stored is not None else None)
        if found is None:
            found = index_file(member, fingerprint, self._config, choices, self.rows)
            if stored is not None:
                stored.save(fingerprint, found)
        _READ_BEFORE.put(key, found)
        return found

    @cached_property
    def by_account(self) -> dict[str, list[IndexedFile]]:
        """The files about each account, in the order in which they name the accounts."""
        found: dict[str, list[IndexedFile]] = {}
        for file in self.files:
            for key in file.summary.accounts:
                found.setdefault(key, []).append(file)
        return found

    def account_keys(self) -> list[str]:
        """Return every account, in the order the files name them."""
        return list(self.by_account)

    def summaries(self, key: str) -> list[AccountSummary]:
        """Return what each file says about an account."""
        return [file.summary.accounts[key] for file in self.files_of(key)]

    @cached_property
    def distrusted(self) -> dict[str, IdDoubt]:
        """The accounts whose ids are no identities, with the reason."""
        doubts = {key: distrusted(one.ids for one in self.summaries(key)) for key in self.account_keys()}
        return {key: doubt for key, doubt in doubts.items() if doubt is not None}

    def doubts(self, key: str | None) -> list[tuple[str, InvalidDataError]]:
        """Return what leaves an account, or each account for None, in doubt although its rows are good."""
        missing = "entries of notifications wait for the camt.053 that books them: add it, or state --notifications"
        unbalanced = [(name, StatementUnbalancedError(one.reason)) for name, one in self.imbalances(key)]
        waiting = [(name, StatementMissingError(f"{n} {missing}")) for name, n in self.waiting(key).items()]
        return [*unbalanced, *waiting, *self._apart(key)]

    @cached_property
    def chains(self) -> dict[str, dict[str, int]]:
        """The accounts whose files state balances of several: the number of each file's, by fingerprint."""
        found: dict[str, dict[str, int]] = {}
        for key in self.account_keys():
            files = self.files_of(key)
            numbers = separate_chains([file.summary.accounts[key].day_balances for file in files])
            if any(numbers):
                found[key] = {file.fingerprint: number for file, number in zip(files, numbers, strict=True)}
        return found

    def _apart(self, key: str | None) -> list[tuple[str, InvalidDataError]]:
        """Return the accounts whose files state balances of several accounts."""
        found: list[tuple[str, InvalidDataError]] = []
        for account, numbers in self.chains.items():
            other = next(file.member.name for file in self.files if numbers.get(file.fingerprint))
            if key in {None, account}:
                reason = (
                    f"{other} states other balances for the same days than the files before it: it seems to be of"
                    " another account; give each account a connection or a folder of its own"
                )
                found.append((account, StatementUnbalancedError(reason)))
        return found

    def imbalances(self, key: str | None) -> list[tuple[str, Imbalance]]:
        """Return the last statement that does not add up of an account, or of each account for None."""
        found = {
            name: one.imbalances[-1]
            for file in self.files_of(key)
            for name, one in file.summary.accounts.items()
            if one.imbalances and key in {None, name}
        }
        return list(found.items())

    def events(self, file: IndexedFile) -> Iterable[Event]:
        """Return the events of a file, from memory where this run has just read it.

        Raises: StatementError when it changed and broke since it was looked at.
        """
        events: Iterable[Event] | None = self.rows.events(file.fingerprint)
        if events is None:
            events = EventOverrides(self._config).events(read(file.understood, file.choices))
        return without_repeated(events, frozenset(file.summary.repeated)) if file.summary.repeated else events

    @cached_property
    def joined(self) -> JoinedDetails:
        """The payments that notifications list, with the entries of statements that book them."""
        summaries = [file.summary for file in self.files]
        return join_details([one.open_entries for one in summaries], [one.notified for one in summaries])

    def payments(self, key: str | None) -> dict[str, tuple[Transaction, ...]]:
        """Return the payments of an account's entries, or of each account for None, by the id of the entry.

        Raises: StatementError when a notification changed and broke since it was looked at.
        """
        entries = {notice: entry for entry, notice in self.joined.of_entry.items()}
        found: dict[str, tuple[Transaction, ...]] = {}
        for file in self.files if entries else ():
            if file.summary.notified:
                for event in self.events(file):
                    if not isinstance(event, Details) or key not in {None, event.entry.account}:
                        continue
                    if event.payments and event.entry.id in entries:
                        found[entries[event.entry.id]] = event.payments
        return found

    def waiting(self, key: str | None) -> dict[str, int]:
        """Return how many notified entries of an account no statement books yet; of each account for None."""
        return {account: number for account, number in self._waiting.items() if key in {None, account}}

    @cached_property
    def _waiting(self) -> Counter[str]:
        return Counter(one.account for one in self.joined.unmatched if not self._has_statement(one))

    def unused_details(self, key: str | None) -> dict[str, int]:
        """Return how many notified entries of an account, or of all for None, replace no line, by the reason."""
        found = {
            "more than one line or notification fits, so the lines stay as they are": self.joined.undecided,
            "the statement of their day has no line that waits for them": [
                one for one in self.joined.unmatched if self._has_statement(one)
            ],
        }
        counted = {reason: sum(key in {None, one.account} for one in ones) for reason, ones in found.items()}
        return {reason: number for reason, number in counted.items() if number}

    def _has_statement(self, notified: EntryReference) -> bool:
        """Return whether a statement reaches over a day of a notified entry."""
        return any(day in window for window in self._stated_days.get(notified.account, ()) for day in notified.days)

    @cached_property
    def _stated_days(self) -> dict[str, tuple[Window, ...]]:
        """The days over which statements reach, by account."""
        found: dict[str, list[Window]] = {}
        for file in self.files:
            for key, one in file.summary.accounts.items() if not file.summary.notified else ():
                if one.first_on is not None and one.last_on is not None:
                    found.setdefault(key, []).append(Window(from_on=one.first_on, to_on=one.last_on))
        return {key: join_windows(windows) for key, windows in found.items()}

    def files_of(self, key: str | None) -> list[IndexedFile]:
        """Return the files that are about an account; all of them for None."""
        return self.files if key is None else self.by_account.get(key, [])


def _entry_mark(member: Member) -> str:
    return "" if member.entry is None else hashlib.sha256(member.entry.encode()).hexdigest()[:8]


def _all_refused(refused: list[StatementError]) -> StatementError:
    if len(refused) == 1:
        return refused[0]
    return StatementError(f"none of {len(refused)} files can be read: {'; '.join(map(str, refused[:3]))}")
