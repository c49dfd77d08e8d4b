"""The connector for statement files: one file or a drop folder, every format, each row once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from worker.connectors.base import (
    Account,
    AccountFailure,
    AuthState,
    AuthStatus,
    Balance,
    BankConnector,
    Capabilities,
    ConnectorForm,
    IdClass,
    Page,
    RejectedRow,
    Scope,
    SyncState,
    Transaction,
    Window,
)
from worker.connectors.errors import AccountNotFoundError
from worker.connectors.file.config import FileConfig
from worker.connectors.file.delivery import FileDelivery
from worker.connectors.file.folder import Folder
from worker.connectors.file.indexed_files import IndexedFile
from worker.connectors.file.overlap import FilesTogether, told_apart
from worker.connectors.file.overrides import EventOverrides
from worker.connectors.file.position import Position
from worker.connectors.file.reading import read, understand
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.events import BadRow, Row, StatedBalance
from worker.connectors.file.statement.files import Member
from worker.connectors.file.statement.notification_details import entries
from worker.connectors.file.summary import AccountSummary

_PAGE_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """The deliveries that are left of an account's files.

    Attributes:
        account_id: The account; None for all.
        deliveries: All of them, also those before `at`.
        now: How far the files were delivered.
        details: The payments of entries, by the id of the entry.
        has_news: Whether some file was not delivered before.
        at: Place of the next delivery.
        cursor: By which it is asked for.
    """

    account_id: str | None
    deliveries: Sequence[FilesTogether]
    now: Position
    details: Mapping[str, tuple[Transaction, ...]]
    has_news: bool
    at: int = 0
    cursor: str | None = None


class FileConnector(BankConnector):
    """Reads OFX, QFX, CAMT, MT940, MT942 and CSV statements from a path or a drop folder.

    A refresh reads the files that are new or changed since the last one, whole; an import reads the days asked for.
    """

    name: ClassVar[str] = "file"
    display_name: ClassVar[str] = "Statement files"
    Config: ClassVar[type[BaseModel]] = FileConfig
    form: ClassVar[ConnectorForm] = ConnectorForm(linked_by="file", logo="file")
    capabilities: ClassVar[Capabilities] = Capabilities(
        id_class=IdClass.NONE,
        fetch_scope=Scope.ACCOUNT,
        cursor_scope=Scope.ACCOUNT,
        pending=True,
        balances=True,
        whole_days=True,
    )

    config: FileConfig
    _folder: Folder | None = None
    _rest: _Course | None = None

    def _index(self) -> Folder:
        """Look at every file once per run."""
        if self._folder is None:
            self._folder = Folder.scan(self.config)
        return self._folder

    def get_auth_status(self) -> AuthStatus:
        """Say whether the path can be read; there is nothing to log in to."""
        try:
            readable = self.config.path.exists()
        except OSError:
            readable = False
        if readable:
            return AuthStatus()
        return AuthStatus(state=AuthState.NEEDS_USER, reason="action_required")

    def list_accounts(self) -> Sequence[Account]:
        """Return every account the files are about, with its latest booked balance.

        Raises: ProviderUnavailableError when the path is not there; InvalidDataError with line and reason when the one
        file, or every file of the folder, is refused.
        """
        folder = self._index()
        return [self._account(key, folder) for key in folder.account_keys()]

    def _account(self, key: str, folder: Folder) -> Account:
        summaries = folder.summaries(key)
        with_ids = any(one.account.id_class is IdClass.STABLE for one in summaries)
        newest = max((one for one in summaries if one.closing), key=_closing_on, default=None)
        return replace(
            summaries[-1].account,
            currency=next((one.account.currency for one in summaries if one.account.currency), None),
            balance=self._balance(newest) if newest else self._available(summaries),
            id_class=IdClass.STABLE if with_ids and key not in folder.distrusted else IdClass.NONE,
        )

    def _balance(self, summary: AccountSummary) -> Balance | None:
        stated = summary.closing
        known = {summary.account.currency, summary.opening.currency if summary.opening else None}
        if stated is None or (stated.currency and known - {None} and known - {None} != {stated.currency}):
            return None
        return Balance(amount=stated.amount, kind=stated.kind, at=self._moment(stated))

    def _available(self, summaries: list[AccountSummary]) -> Balance | None:
        """Return the latest available balance, for files that state no other."""
        newest = max((one.available for one in summaries if one.available), key=lambda one: one.on, default=None)
        return Balance(amount=newest.amount, kind=newest.kind, at=self._moment(newest)) if newest else None

    def _moment(self, stated: StatedBalance) -> datetime:
        """A balance of a day holds at the end of that day, in the bank's zone."""
        if stated.at is not None:
            return stated.at
        end = datetime.combine(stated.on, time(23, 59, 59), tzinfo=ZoneInfo(self.context.timezone))
        return end.astimezone(UTC)

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        """Yield the rows of all files about the account that lie within the days asked for.

        Raises: AccountNotFoundError; InvalidDataError with file and line when a file breaks while it is read.
        """
        days = Window(from_on=from_date, to_on=to_date)
        yield from self._follow(self._course(account_id, Position(days=days)))

    def refresh(self, state: SyncState) -> Iterator[Page]:
        """Yield the rows of the files that the cursor does not know, whole, however old they are.

        Files that tell the same days are a delivery each, in the order of their names.
        """
        course, self._rest = self._rest, None
        if course is None or (course.account_id, course.cursor) != (state.account_id, state.cursor):
            course = self._course(state.account_id, Position.of(state.cursor))
        yield from self._follow(course)

    def _files(self, account_id: str | None) -> list[IndexedFile]:
        files = self._index().files_of(account_id)
        if account_id is not None and not files:
            raise AccountNotFoundError(f"no statement file is about account {account_id}")
        return files

    def _course(self, account_id: str | None, start: Position) -> _Course:
        folder, files = self._index(), self._files(account_id)
        fresh = [file for file in files if file.fingerprint not in start.seen]
        has_news = any(file.summary.notified for file in fresh)
        before = start.seen - start.again
        old = [file for file in files if file.fingerprint in before and file.summary.open_entries]
        return _Course(
            account_id=account_id,
            deliveries=told_apart(old if has_news else [], fresh, account_id, folder.chains),
            now=replace(start, seen=start.seen.intersection(file.fingerprint for file in files)),
            details=folder.payments(account_id) if fresh else {},
            has_news=bool(fresh),
        )

    def _follow(self, course: _Course) -> Iterator[Page]:
        folder, now, last = self._index(), course.now, len(course.deliveries) - 1
        for at in range(course.at, last + 1):
            together = course.deliveries[at]
            delivery = FileDelivery(
                account_id=course.account_id,
                files=tuple(together.files),
                window=now.days,
                events_of=folder.events,
                distrusted=folder.distrusted,
                details=course.details,
                reopened=tuple(together.reopened),
            )
            now = now.after(*([file.fingerprint for file in ones] for ones in (together.files, together.reopened)))
            yield from delivery.pages(_PAGE_ROWS)
            if at < last:
                # The next request is for the rest: to find it anew would take as long as all of it, each time.
                self._rest = replace(course, at=at + 1, now=now, cursor=now.cursor)
                yield replace(self._last_page(delivery), next_cursor=now.cursor, ends_delivery=True)
            else:
                page = self._with_whole_folder(self._last_page(delivery), course.account_id, has_news=course.has_news)
                yield replace(page, next_cursor=now.at_end().cursor)

    def _last_page(self, delivery: FileDelivery) -> Page:
        """Return the last page of a delivery, with what is said of its files."""
        return Page(
            removed=delivery.removed(),
            warnings=delivery.warnings(),
            balances=delivery.balances(),
            covers=delivery.covers(),
        )

    def _with_whole_folder(self, page: Page, account_id: str | None, *, has_news: bool) -> Page:
        """Return the last page of all, with what is said of the folder as a whole."""
        folder = self._index()
        reports_all = account_id in {None, *folder.account_keys()[:1]}  # the first account tells what is of none
        refused = folder.refused if reports_all else []
        again = folder.duplicates if reports_all else {}
        same = [f"{name}: the same file as {first}" for name, first in again.items()]
        details = folder.unused_details(account_id) if has_news else {}
        unused = [f"details of {entries(number)} of notifications: {reason}" for reason, number in details.items()]
        return replace(
            page,
            rejected=tuple(_refusal(error, account_id) for error in refused),
            warnings=(*page.warnings, *same, *unused),
            failures=tuple(AccountFailure(account_id=key, error=error) for key, error in folder.doubts(account_id)),
            complete=not refused,
        )

    def normalize_transactions(self, raw: Any) -> Sequence[Transaction]:  # noqa: ANN401 - bytes or text of a statement
        """Turn the content of one statement file (bytes or text) into its transactions.

        Raises: InvalidDataError with the line when the file is refused or any row of it cannot be read.
        """
        data = raw.encode() if isinstance(raw, str) else bytes(raw)
        choices = self.config.choices()
        member = Member(self.config.path, data=data)
        rows: list[Transaction] = []
        for event in EventOverrides(self.config).events(read(understand(member, choices), choices)):
            if isinstance(event, BadRow):
                raise StatementError(event.reason, line=event.line)
            if isinstance(event, Row):
                rows.append(event.transaction)
        return rows


def _closing_on(summary: AccountSummary) -> date:
    return summary.closing.on if summary.closing else date.min


def _refusal(error: StatementError, account_id: str | None) -> RejectedRow:
    """A refused file is on record with the first account; the same refusal every day is one entry."""
    return RejectedRow(code="file_refused", message=str(error), raw=str(error), account_id=account_id)
