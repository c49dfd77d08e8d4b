"""Checks pages: all are read, none repeats for ever, and changes or a kill in between lose nothing."""

from collections import Counter
from collections.abc import Generator
from contextlib import closing

from worker.connectors.base import BankConnector, Page, Scope
from worker.connectors.errors import ConnectorError, CursorInvalidError
from worker.connectors.testing.check import check, cursor, expect, http, missing, truth
from worker.connectors.testing.scenes import many
from worker.connectors.testing.subject import Subject, Sync, bounded
from worker.connectors.testing.transport import RunawayError, answers

_LONG_DAYS = 200


@check(truth)
def every_page_is_read(subject: Subject) -> None:
    many(subject)
    expected = [entry.booked_on for entry in subject.ledger.entries()]
    found = [subject.day_of(row) for row in subject.rows()]
    expect(not missing(expected, found), f"{len(expected)} rows over several pages, {len(found)} delivered")
    if subject.capabilities.cursor_scope:
        synced = len(subject.sync({}).rows)
        expect(synced == len(expected), f"refresh from the beginning: {len(expected)} rows, {synced} delivered")


@check(truth, http)
def a_page_that_repeats_is_not_read_for_ever(subject: Subject) -> None:
    many(subject)
    expected = len(_first_account(subject, None))
    for stuck_after in range(1, 5):
        try:
            _first_account(subject, stuck_after)
        except RunawayError:
            raise AssertionError("the provider repeats a page and the connector asks for ever") from None
        except ConnectorError:
            continue
    expect(expected, "nothing was delivered")


@check(truth, cursor)
def a_change_between_pages_restarts_the_delivery(subject: Subject) -> None:
    many(subject)
    for number in range(1, 5):
        synced = _sync_while_changing(subject, number)
        found = list(synced.rows) if synced else []
        found += subject.sync(synced.cursors if synced else {}).rows
        lost = missing([entry.booked_on for entry in subject.ledger.entries()], [subject.day_of(row) for row in found])
        expect(not lost, f"a change between pages lost {len(lost)} rows")


@check()
def a_killed_delivery_starts_again_from_the_beginning(subject: Subject) -> None:
    many(subject)
    whole = Counter((row.account_id, row.amount, subject.day_of(row)) for row in subject.rows())
    for kept in range(1, min(len(subject.read()), 6)):
        with subject.opened() as connector, closing(_generator(subject, connector)) as pages:
            for _ in range(kept):
                next(pages, None)
        again = Counter((row.account_id, row.amount, subject.day_of(row)) for row in subject.rows())
        expect(
            again == whole,
            f"after a kill at page {kept} a new instance delivered {sum((whole - again).values())} fewer",
        )


@check(truth, http)
def pages_before_a_new_start_do_not_count(subject: Subject) -> None:
    many(subject)
    for name, status in (("400", 400), ("403", 403), ("422", 422), ("500", 500)):
        for number in range(1, 6):
            subject.transport.requests.clear()
            subject.transport.fault, subject.transport.fail_from = (
                answers(name, status, b'{"error": "refused"}'),
                number,
            )
            subject.transport.fail_to = number + 1
            try:
                rows = subject.rows(subject.window(_LONG_DAYS))
            except ConnectorError:
                continue
            doubled = missing([row.amount for row in rows], [entry.amount for entry in subject.ledger.entries()])
            expect(
                not doubled,
                f"request {number} was refused with {status}, and {len(doubled)} rows came twice: the page that begins"
                " anew must say starts_over=True",
            )


def _generator(subject: Subject, connector: BankConnector) -> Generator[Page, None, None]:
    yield from subject.pages(connector, subject.window())


def _first_account(subject: Subject, stuck_after: int | None) -> list[Page]:
    """Read the account that has pages; from its `stuck_after`-th request on the answer is the one before."""
    subject.transport.requests.clear()
    subject.transport.stick_from = None
    with subject.opened() as connector:
        everyone = subject.capabilities.fetch_scope is Scope.CONNECTION
        account_id = None if everyone else connector.list_accounts()[0].external_id
        if stuck_after is not None:
            subject.transport.stick_from = len(subject.transport.requests) + stuck_after
        window = subject.window()
        return list(bounded(connector.get_transactions(account_id, window.from_on, window.to_on)))


def _sync_while_changing(subject: Subject, number: int) -> Sync | None:
    """Refresh from the beginning while something is booked before request `number`; None when it must start again."""

    def book(request: int) -> None:
        if request == number:
            subject.ledger.book(-9_999 - number, subject.day(1))

    subject.transport.requests.clear()
    subject.transport.before = book
    try:
        return subject.sync({})
    except CursorInvalidError:
        return None
    except ConnectorError as error:
        raise AssertionError(f"a change between pages is a CursorInvalidError, not {type(error).__name__}") from None
    finally:
        subject.transport.before = None
