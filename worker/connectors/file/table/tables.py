"""Reads a table: finds its layout, decides how cells are read, then turns rows into events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from worker.connectors.file.statement.accounting import Part, PartCounter
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.events import Event, Note, Remark, Row
from worker.connectors.file.statement.reader import MAX_RAW_CHARACTERS
from worker.connectors.file.statement.shared_cache import KeptItems
from worker.connectors.file.table.accounts import Accounts
from worker.connectors.file.table.continued_rows import ContinuedRows
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.decisions import Decisions, Hints, decide_reading
from worker.connectors.file.table.headings import refuse_headings
from worker.connectors.file.table.layout import Layout
from worker.connectors.file.table.layout_detection import LEAST_CONFIDENCE, detect_layout
from worker.connectors.file.table.lines_outside_rows import account_title
from worker.connectors.file.table.profile import Profile
from worker.connectors.file.table.rows import RowReader
from worker.connectors.file.table.sources import TableSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table understood, before a row of it is used.

    Attributes:
        currency: Code of rows whose own currency is missing or not understood, as a person states it.
    """

    source: TableSource
    layout: Layout
    decisions: Decisions
    passes: "RecordPasses"
    currency: str | None = None

    def records(self) -> Iterator[Record]:
        """Yield the records that hold anything."""
        return self.passes.records()


class RecordPasses:
    """The filled records of a table for several passes; those of a small table are split once and kept meanwhile."""

    def __init__(self, source: TableSource, delimiter: str) -> None:
        self._source, self._delimiter = source, delimiter
        self._kept: KeptItems[Record] | None = None

    def records(self) -> Iterator[Record]:
        """Yield the records that hold anything."""
        kept = self._kept.items if self._kept is not None else None
        return iter(kept) if kept is not None else self._split()

    def release(self) -> None:
        """Forget the records: the last pass is over."""
        if self._kept is not None:
            self._kept.drop()

    def _split(self) -> Iterator[Record]:
        kept: KeptItems[Record] = KeptItems()
        for record in self._source.all_records(self._delimiter):
            if not record.blank:
                kept.append(record)
                yield record
        self._kept = kept


def understand_table(
    source: TableSource,
    profiles: Sequence[Profile],
    *,
    chosen: Profile | None = None,
    stated: Mapping[str, str] | None = None,
    hints: Hints,
) -> Table:
    """Find out how a table is to be read.

    Raises: StatementError when no layout fits, confidence is below one half, or the table fits two readings.
    """
    layout = detect_layout(source.heads(), profiles, chosen=chosen, stated=stated, ignored=hints.ignored)
    if layout.confidence < LEAST_CONFIDENCE:
        raise StatementError("the layout is not recognised well enough; describe it in a profile")

    if source.name is not None and layout.above.account is None:
        layout = replace(layout, above=replace(layout.above, account=account_title(source.name)))
    passes = RecordPasses(source, layout.delimiter)

    def rows() -> Iterator[Record]:
        return (record for record in passes.records() if record.line > layout.header_line)

    refuse_headings(layout, stated or {}, hints.currency)
    layout, decisions = decide_reading(layout, rows, hints, frozenset(stated or ()))
    return Table(source=source, layout=layout, decisions=decisions, passes=passes, currency=hints.currency)


def read_table(table: Table, parts: PartCounter) -> Iterator[Event]:
    """Yield the events of a table, and count in `parts` what its rows were used as.

    Raises: StatementError naming the line where another table or account begins.
    """
    yield from (Note(message=note) for note in table.decisions.notes)
    if table.decisions.unused:
        yield Note(message=f"columns that are not read: {', '.join(table.decisions.unused)}")
    if table.source.hidden_rows:
        yield Note(message=f"{table.source.hidden_rows} rows of the sheet are hidden: they are read like all others")
    if table.layout.above.state is not None:
        yield Note(message=f"the lines above the table say that its rows are {table.layout.above.state}")
    accounts = Accounts(table.layout, table.decisions, table.currency)
    reader = RowReader(table.layout, table.decisions, accounts)
    for record, lines in ContinuedRows(table.layout).join(table.records()):
        parts.total += lines
        part, events = reader.use(record)
        parts.use(part, lines)
        yield from accounts.newly_opened(record.line)
        yield from events
        if part is Part.TRANSACTION:
            yield from (said for row in events if isinstance(row, Row) and (said := reader.said_in_text(row)))
        if part is Part.HEADER and events:
            yield from reader.voided()
            yield from accounts.close()  # the header again: another export was put behind the first one
        if record.damaged and part is Part.TRANSACTION:
            yield Remark(line=record.line, reason=record.damaged, raw=record.raw[:MAX_RAW_CHARACTERS])
    yield from reader.voided()
    yield from accounts.close(reader.totals.ends)
    yield from reader.totals.remarks()
    table.passes.release()
