"""What one run asks of its bank, each thing once: what was asked for ahead is handed out in its turn."""

from collections.abc import Iterator, Sequence
from functools import partial

from worker.connectors.base import BankConnector, Page, Scope, SyncState
from worker.connectors.errors import ConnectorError
from worker.importer.context import ImportContext
from worker.importer.fetch.delivery import Delivery, Reading, fetch
from worker.importer.fetch.requests import FetchRequest, RequestKey
from worker.importer.fetch.window import cut
from worker.importer.outcome import stops_connection


class PrefetchedDeliveries:
    """The deliveries of one run. Close it to free what was asked for ahead and never taken."""

    def __init__(self, connector: BankConnector, context: ImportContext) -> None:
        self._connector = connector
        self._context = context
        self._ahead: dict[RequestKey, Delivery | ConnectorError] = {}

    def ahead(self, stream: FetchRequest) -> Delivery:
        """Fetch a delivery and keep it, or the error, for whoever takes it. Raises: ConnectorError."""
        try:
            self._ahead[stream.question] = delivery = self._fetch(stream)
        except ConnectorError as error:
            self._ahead[stream.question] = error
            raise
        return delivery

    def all_ahead(self, streams: Sequence[FetchRequest]) -> None:
        """Fetch what a run of these streams would ask for; an error is kept for its turn."""
        failed: set[str] = set()
        for stream in streams:
            if stream.account_id not in failed:
                try:
                    self.ahead(stream)
                except ConnectorError as error:
                    if stops_connection(error) or stream.account_id is None:
                        return
                    failed.add(stream.account_id)

    def take(self, stream: FetchRequest) -> Delivery:
        """Return the delivery, fetched now unless it was asked for ahead; it is the caller's to close.

        Raises: ConnectorError.
        """
        answer = self._ahead.pop(stream.question, None)
        if isinstance(answer, ConnectorError):
            raise answer
        return answer or self._fetch(stream)

    def close(self) -> None:
        """Forget what nobody took."""
        for answer in self._ahead.values():
            if isinstance(answer, Delivery):
                answer.staging.close()
        self._ahead.clear()

    def _fetch(self, stream: FetchRequest) -> Delivery:
        delivery = fetch(self._readings(stream), self._context)
        self._context.note_quota(delivery.quota)
        return delivery

    def _readings(self, stream: FetchRequest) -> list[Reading]:
        """Return the ways to read a stream: by its cursor, from the cursor's beginning, by windows."""
        by_windows = partial(self._read_windows, stream)
        if not stream.by_cursor:
            return [by_windows]
        cursors = dict.fromkeys((stream.cursor, None))
        return [*(partial(self._read_changes, stream, cursor) for cursor in cursors), by_windows]

    def _read_changes(self, stream: FetchRequest, cursor: str | None) -> Iterator[Page]:
        return self._connector.refresh(SyncState(account_id=stream.account_id, cursor=cursor, window=stream.window))

    def _read_windows(self, stream: FetchRequest) -> Iterator[Page]:
        at_once = stream.account_id is not None or self._connector.capabilities.fetch_scope == Scope.CONNECTION
        account_ids = [stream.account_id] if at_once else [account.external_id for account in stream.accounts]
        for account_id in account_ids:
            for window in cut(stream.window, self._connector.capabilities.window_days):
                yield from self._connector.get_transactions(account_id, window.from_on, window.to_on)
