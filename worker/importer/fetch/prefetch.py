"""Fetches each delivery of a run once, when it is taken or ahead of that.

A connection may have thousands of accounts, each with a delivery of its own: of what is fetched ahead, few rows are
held in memory and the others wait in a temporary file.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import IO

from worker.connectors.base import BankConnector, Page, Scope, SyncState
from worker.connectors.errors import ConnectorError
from worker.importer.context import ImportContext
from worker.importer.fetch.delivery import Cut, Delivery, DeliveryTooLongError, Reading, fetch
from worker.importer.fetch.packing import pack, unpack
from worker.importer.fetch.request_plan import FetchRequest
from worker.importer.fetch.staging import Staging
from worker.importer.fetch.unchanged_response import ResponseDigest
from worker.importer.fetch.window import split_window
from worker.importer.outcome import stops_connection

KEPT_ROWS = 10_000
"""How many rows of deliveries that were fetched ahead are held in memory, unless a single one has more."""


class PrefetchedDeliveries:
    """Fetches the deliveries of one run and keeps those fetched ahead. Close it to free the ones not taken."""

    def __init__(self, connector: BankConnector, context: ImportContext) -> None:
        self._connector = connector
        self._context = context
        self._has_fetched = False
        self._prefetched: dict[FetchRequest, Delivery | ConnectorError | DeliveryTooLongError] = {}
        self._kept_rows = 0
        self._file: IO[bytes] | None = None
        self._in_file: dict[FetchRequest, tuple[int, int]] = {}

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
        left = list(requests)
        while left:
            request = left.pop(0)
            if request.account_id not in failed:
                try:
                    delivery = self.prefetch(request, whole=True)
                except ConnectorError as error:
                    if stops_connection(error) or request.account_id is None:
                        return
                    failed.add(request.account_id)
                    continue
                self._keep(request, delivery)
                left[:0] = request.following(delivery)

    def prefetch_into(self, digest: ResponseDigest, requests: Sequence[FetchRequest]) -> bytes | None:
        """Fetch ahead while the response can still be an unchanged one; return its digest, None when it cannot.

        What takes longer than a part may is imported from then on as it comes, or a run that must stop would keep
        nothing.
        """
        late_s = self._context.clock() + self._context.part_s
        for request in requests:
            if digest.value() is None or self._context.clock() > late_s:
                return None
            try:
                delivery = self.prefetch(request)
            except (ConnectorError, DeliveryTooLongError):
                return None
            digest.add_delivery(request, delivery)
            self._keep(request, delivery)
        return digest.value()

    def take(self, request: FetchRequest) -> Delivery:
        """Return the delivery, fetched now unless it was before; the caller closes it. Raises: ConnectorError."""
        kept = self._prefetched.pop(request, None)
        if isinstance(kept, ConnectorError | DeliveryTooLongError):
            raise kept
        if kept is None:
            return self._fetch(request)
        self._load(request, kept)
        return kept

    def close(self) -> None:
        """Free the deliveries that were not taken."""
        for kept in self._prefetched.values():
            if isinstance(kept, Delivery):
                kept.staging.close()
        self._prefetched.clear()
        if self._file is not None:
            self._file.close()

    def _keep(self, request: FetchRequest, delivery: Delivery) -> None:
        """Let the rows of a delivery wait in the file when too many are held already."""
        rows = delivery.staging.in_memory()
        if rows is None:
            return
        count = sum(map(len, rows.values()))
        if not self._kept_rows or self._kept_rows + count <= KEPT_ROWS:
            self._kept_rows += count
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="finmind-staging-")  # noqa: SIM115 - closed in close()
        packed = pack(chain.from_iterable(rows.values()))
        self._in_file[request] = self._file.seek(0, os.SEEK_END), self._file.write(packed)
        delivery.staging = Staging()

    def _load(self, request: FetchRequest, delivery: Delivery) -> None:
        place = self._in_file.pop(request, None)
        if place is not None and self._file is not None:
            offset, size = place
            self._file.seek(offset)
            delivery.staging.add(unpack(self._file.read(size)))

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
            return [by_windows if request.cursor is None else partial(self._read_changes, request, request.cursor)]
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
