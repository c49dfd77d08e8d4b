"""Reads the transactions of a window through one request of a manifest, page by page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from worker.connectors.base import Page, RejectedRow, Transaction, Window
from worker.connectors.errors import InvalidDataError
from worker.connectors.manifest.fields import Scene, walk
from worker.connectors.manifest.paging_kinds import LastIdPaging, LastMomentPaging, NumberPaging, OffsetPaging
from worker.connectors.manifest.plan import TransactionsPlan
from worker.connectors.manifest.records import EarlierPages, parts_of, records_of
from worker.connectors.manifest.request_filling import Edges, Values
from worker.connectors.manifest.rows import read_records
from worker.connectors.manifest.session import ProviderSession


@dataclass(slots=True, kw_only=True)
class WindowPages:
    """Reads one window through one request.

    Attributes:
        scene: What surrounds the records.
        window: The days that are asked for, both edges included.
    """

    session: ProviderSession
    plan: TransactionsPlan
    scene: Scene
    window: Window

    def pages(self, account_id: str | None, values: Values) -> Iterator[Page]:
        """Yield the window's pages. Raises: ConnectorError."""
        request = self.plan.request
        edges = Edges(said=request.window, zone=self.session.zone)
        asked: dict[str, str | None] | None = {**values, **edges.values(self.window)}
        earlier = self._earlier_pages()
        while asked is not None:
            rest = None
            for records, body in self.session.lists(request, asked, account_id):
                parts = parts_of(records, request.each) if request.each else records
                fresh = parts if earlier is None else earlier.leave_out(parts, self._ids(parts))
                scene = replace(self.scene, answer=body)
                rows, rejected = read_records(fresh, self.plan.read, scene, self.plan.id)
                pending, refused = self._pending(body, scene)
                yield self._page((*rows, *pending), (*rejected, *refused))
                if request.newest_first and self._is_before_the_window(rows):
                    return
                if isinstance(request.paging, LastMomentPaging):
                    rest = self._rest(request.paging, asked, edges, records, rows)
            asked = rest

    def _pending(self, body: Any, scene: Scene) -> tuple[tuple[Transaction, ...], tuple[RejectedRow, ...]]:  # noqa: ANN401 - the provider's own JSON
        """Read the second list of an answer, where the manifest names one; it may be absent."""
        request = self.plan.request
        if self.plan.read_pending is None or request.pending_records is None:
            return (), ()
        if walk(body, request.pending_records.split(".")) is None:
            return (), ()
        records = records_of(body, request.pending_records, request.name)
        records = parts_of(records, request.each) if request.each else records
        return read_records(records, self.plan.read_pending, scene, self.plan.id)

    def _earlier_pages(self) -> EarlierPages | None:
        match self.plan.request.paging:
            case OffsetPaging() | NumberPaging() | LastIdPaging() if self.plan.names_rows:
                return EarlierPages(by_id=True)
            case LastMomentPaging():
                return EarlierPages(by_id=False)
            case _:
                return None

    def _ids(self, records: Sequence[Any]) -> list[str | None]:
        read = self.plan.id
        return [read(record, self.scene) if read and isinstance(record, dict) else None for record in records]

    def _page(self, rows: tuple[Transaction, ...], rejected: tuple[RejectedRow, ...]) -> Page:
        kept = tuple(row for row in rows if self._belongs(row)) if self.plan.filters else rows
        return Page(transactions=kept, rejected=rejected, covers=self._covers(rows), quota=self.session.take_readings())

    def _belongs(self, row: Transaction) -> bool:
        """Leave out rows of other days where the request could not say which days it is about."""
        day = row.day(self.session.zone)
        return row.pending or day is None or day in self.window

    def _covers(self, rows: Sequence[Transaction]) -> Window | None:
        """Say which days are read to the end with the last page; a list that may have been cut proves only its own."""
        if self.plan.request.fields.state == "pending":
            return None  # a list of pending rows proves nothing about posted ones
        if self.plan.names_from or self.plan.request.paging is not None:
            return self.window
        days = [day for row in rows if (day := row.day(self.session.zone)) is not None]
        if not days:
            return None
        from_on = max(min(days) + timedelta(days=1), self.window.from_on)
        return Window(from_on=from_on, to_on=self.window.to_on) if from_on <= self.window.to_on else None

    def _is_before_the_window(self, rows: Sequence[Transaction]) -> bool:
        days = [day for row in rows if not row.pending and (day := row.day(self.session.zone)) is not None]
        return bool(days) and max(days) < self.window.from_on

    def _rest(
        self,
        paging: LastMomentPaging,
        asked: dict[str, str | None],
        edges: Edges,
        records: Sequence[Any],
        rows: Sequence[Transaction],
    ) -> dict[str, str | None] | None:
        """Return what to ask for where a full page has cut off rows: the same window up to the last row of it."""
        if len(records) < paging.full_page:
            return None
        moments = [at for row in rows if (at := row.booking_at or row.transaction_at) is not None]
        if not moments:
            raise InvalidDataError(f"{self.plan.request.name}: a full page without a new row cannot be followed")
        said = self.plan.request.window
        if paging.moves == "to":
            edge = edges.moment(_shifted(min(moments), 1 if said.to_edge == "exclusive" else 0))
        else:
            edge = edges.moment(_shifted(max(moments), -1 if said.from_edge == "exclusive" else 0))
        if asked[paging.moves] == edge:
            raise InvalidDataError(f"{self.plan.request.name}: more rows at one moment than a page holds")
        return {**asked, paging.moves: edge}


def _shifted(at: datetime, seconds: int) -> datetime:
    return at + timedelta(seconds=seconds)
