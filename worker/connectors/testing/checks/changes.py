"""Checks rows that change after their first delivery: posted, corrected, removed or unchanged."""

from decimal import Decimal

from worker.connectors.base import Transaction
from worker.connectors.testing.check import check, cursor, expect, pending, truth, windows
from worker.connectors.testing.subject import Subject, Sync


@check(truth)
def pending_rows_are_not_passed_off_as_posted(subject: Subject) -> None:
    subject.ledger.book(-2_000, subject.day(14))
    subject.ledger.hold(-3_000, subject.day(3))
    rows = subject.rows()
    posted = [row for row in rows if not row.pending]
    expect(len(posted) == 1, f"one row is posted and one pending; {len(posted)} were delivered as posted")
    if subject.capabilities.pending:
        expect(len(rows) == len(posted) + 1, "pending rows are declared, but the pending one was not delivered")


@check(truth, pending)
def a_posted_row_takes_the_place_of_its_pending_row(subject: Subject) -> None:
    held = subject.ledger.hold(-3_000, subject.day(6))
    before, again = ({row.external_id for row in subject.rows() if row.pending} for _ in range(2))
    if not before or before != again:
        return  # other checks are about that
    subject.ledger.post(held, subject.day(4), amount=held.amount - 2)
    rows = subject.rows()
    expect(not any(row.pending for row in rows), "the pending row is still delivered after it was posted")
    links = {row.pending_external_id for row in rows if row.pending_external_id}
    if subject.capabilities.links_pending:
        expect(links, "links_pending is declared, but the posted row names no pending row")
    expect(links <= before, f"pending_external_id must be the id the pending row had: {before}, not {links}")


@check(truth, windows)
def a_row_taken_back_is_not_delivered_again(subject: Subject) -> None:
    subject.ledger.book(-2_000, subject.day(14))
    gone = subject.ledger.book(-5_500, subject.day(9))
    subject.rows()
    subject.ledger.remove(gone)
    days = [subject.day_of(row) for row in subject.rows()]
    expect(gone.booked_on not in days, "a row that the bank took back is still delivered")


@check(truth, cursor)
def a_row_taken_back_is_reported_as_removed(subject: Subject) -> None:
    gone = subject.ledger.book(-5_500, subject.day(9))
    first = subject.sync({})
    ids = {row.external_id for row in first.rows}
    subject.ledger.remove(gone)
    second = subject.sync(first.cursors)
    expect(second.removed & ids, "the provider took a row back, but `removed` does not hold the id it had")


@check(truth, cursor)
def a_corrected_row_is_delivered_again(subject: Subject) -> None:
    wrong = subject.ledger.book(-5_500, subject.day(9))
    first = subject.sync({})
    subject.ledger.amend(wrong, wrong.amount - Decimal(3))
    corrected = {row.external_id for row in subject.sync(first.cursors).rows}
    expect(
        corrected >= {row.external_id for row in first.rows},
        "the provider corrected a row, but the refresh does not deliver it under its id",
    )


@check(truth, cursor)
def a_cursor_brings_only_what_is_new(subject: Subject) -> None:
    subject.ledger.book(-2_000, subject.day(14))
    first = subject.sync({})
    expect(all(first.cursors.values()), "the last page of a delivery carries no next_cursor")
    second = subject.sync(first.cursors)
    expect(not second.rows, f"nothing is new, but {len(second.rows)} rows were delivered again")
    cursors = {stream: found or first.cursors[stream] for stream, found in second.cursors.items()}
    subject.ledger.book(-2_100, subject.day(2))
    third = subject.sync(cursors)
    expect(_days(subject, third) == [subject.day(2)], "a refresh from a cursor delivers what is new, and only that")


def _days(subject: Subject, synced: Sync) -> list[object]:
    rows: list[Transaction] = synced.rows
    return [subject.day_of(row) for row in rows]
