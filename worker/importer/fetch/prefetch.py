"""Fetches each delivery of a run once, when it is taken or ahead of that."""

from collections.abc import Iterator, Sequence
from functools import partial

from worker.connectors.base import BankConnector, Page, Scope, SyncState
from worker.connectors.errors import ConnectorError
from worker.importer.context import ImportContext
from worker.importer.fetch.delivery import Cut, Delivery, DeliveryTooLongError, Reading, fetch
from worker.importer.fetch.request_plan import FetchRequest
from worker.importer.fetch.unchanged_response import ResponseDigest
from worker.importer.fetch.window import split_window
from worker.importer.outcome import stops_connection


class PrefetchedDeliveries:
    """Fetches the deliveries of one run and keeps those fetched ahead. Close it to free the ones not taken."""

    def __init__(self, connector: BankConnector, context: ImportContext) -> None:
        self._connector = connector
        self._context = context
        self._has_fetched = False
        self._prefetched: dict[FetchRequest, Delivery | ConnectorError | DeliveryTooLongError] = {}

    def prefetch(self, request: FetchRequest, *, whole: bool = False) -> Delivery:
        """Fetch a delivery and keep it, or its error, for `take`. Raises: ConnectorError."""
        try:
            self._prefetched[request] = delivery = self._fetch(request, whole=whole)
        except (ConnectorError, DeliveryTooLongError) as error:
            self._prefetched[request] = error
            raise
        return delivery

    def prefetch_all(self, requests: Sequence[FetchRequest]) -> None:
        """Fetch what a run of these requests would fetch; errors are kept and raised by `take`."""
        failed: set[str] = set()
        for request in requests:
            if request.account_id not in failed:
                try:
                    self.prefetch(request, whole=True)
                except ConnectorError as error:
                    if stops_connection(error) or request.account_id is None:
                        return
                    failed.add(request.account_id)

    def prefetch_into(self, digest: ResponseDigest, requests: Sequence[FetchRequest]) -> bytes | None:
        """Fetch ahead while the response can still be an unchanged one; return its digest, None when it cannot."""
        for request in requests:
            if digest.value() is None:
                return None
            try:
                digest.add_delivery(request, self.prefetch(request))
            except (ConnectorError, DeliveryTooLongError):
                return None
        return digest.value()

    def take(self, request: FetchRequest) -> Delivery:
        """Return the delivery, fetched now unless it was before; the caller closes it. Raises: ConnectorError."""
        kept = self._prefetched.pop(request, None)
        if isinstance(kept, ConnectorError | DeliveryTooLongError):
            raise kept
        return kept or self._fetch(request)

    def close(self) -> None:
        """Free the deliveries that were not taken."""
        for kept in self._prefetched.values():
            if isinstance(kept, Delivery):
                kept.staging.close()
        self._prefetched.clear()

    def _fetch(self, request: FetchRequest, *, whole: bool = False) -> Delivery:
        cut = Cut.NOWHERE if whole else self._cut_of(request)
        delivery = fetch(self._readings(request), self._context, cut, is_first=not self._has_fetched)
        self._has_fetched = True
        self._context.note_quota(delivery.quota)
        return delivery

    def _cut_of(self, request: FetchRequest) -> Cut:
        if request.by_cursor:
            return Cut.AT_PAGES if self._connector.capabilities.cursor_resumes else Cut.NOWHERE
        return Cut.BY_DAYS if request.window.from_on < request.window.to_on else Cut.NOWHERE

    def _readings(self, request: FetchRequest) -> list[Reading]:
        """Return the ways to read a request: by its cursor, from the cursor's beginning, by windows."""
        by_windows = partial(self._read_windows, request)
        if not request.by_cursor:
            return [by_windows]
        cursors = dict.fromkeys((request.cursor, None))
        return [*(partial(self._read_changes, request, cursor) for cursor in cursors), by_windows]

    def _read_changes(self, request: FetchRequest, cursor: str | None) -> Iterator[Page]:
        return self._connector.refresh(SyncState(account_id=request.account_id, cursor=cursor, window=request.window))

    def _read_windows(self, request: FetchRequest) -> Iterator[Page]:
        at_once = request.account_id is not None or self._connector.capabilities.fetch_scope == Scope.CONNECTION
        account_ids = [request.account_id] if at_once else [account.external_id for account in request.accounts]
        for account_id in account_ids:
            for window in split_window(request.window, self._connector.capabilities.window_days):
                yield from self._connector.get_transactions(account_id, window.from_on, window.to_on)
