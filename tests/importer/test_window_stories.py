"""Outages, limits and cursors: no day is skipped, and none is read for ever."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest

from tests.importer.bank import CURSOR, TODAY, WINDOWED, Harness, ScriptedConnector
from tests.importer.test_proof_stories import TellsComingDays
from worker.connectors.base import Capabilities, IdClass, Page, RemovedTransaction, Scope
from worker.connectors.errors import CursorInvalidError, ProviderUnavailableError
from worker.importer.actions.suggestions import accept, decline
from worker.runs.states import RunKind, RunStatus


def watermark(harness):
    return harness.sql("SELECT watermark_on FROM bank_connection_accounts")[0][0]


@pytest.mark.parametrize("away_days", [60, 200])
def test_after_an_outage_the_gap_is_read_once_window_by_window(harness, away_days):
    harness.bank.capabilities = replace(WINDOWED, window_days=30)
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.day_later(away_days)
    for day in range(1, away_days, 13):
        harness.bank.buy("-2", external_id=f"gap-{day}", booking_on=TODAY + timedelta(days=day))
    harness.refresh()
    assert len(harness.amounts()) == 1 + len(range(1, away_days, 13))
    assert watermark(harness) == harness.bank.today
    harness.bank.calls.clear()
    harness.refresh()
    assert min(first for _, first, _ in harness.bank.calls) >= harness.bank.today - timedelta(days=58)


def test_an_outage_in_the_middle_of_a_gap_leaves_no_hole(harness):
    harness.bank.capabilities = replace(WINDOWED, window_days=30)
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.day_later(100)
    for day in range(1, 100, 7):
        harness.bank.buy("-2", external_id=f"gap-{day}", booking_on=TODAY + timedelta(days=day))
    original = harness.bank.buy("-3", external_id="today")
    outage = [ProviderUnavailableError("down", everyone=True)] * 2
    real, asked = harness.check, iter(range(100))

    def down_after_two_pages():
        real()
        if next(asked) == 2:
            harness.bank.errors["transactions:A"] = list(outage)

    harness.check = down_after_two_pages
    assert harness.refresh().code == "provider_down"
    harness.check = real
    harness.bank.errors.clear()
    harness.refresh()
    assert len(harness.amounts()) == 2 + len(range(1, 100, 7))
    assert original.booking_on == watermark(harness)


def test_an_outage_longer_than_the_providers_history_says_so_and_goes_on(harness):
    harness.bank.capabilities = replace(WINDOWED, history_days=30)
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.day_later(60)
    outcome = harness.refresh()
    assert (outcome.status, outcome.report["warnings"]) == (RunStatus.SUCCEEDED, ["days_out_of_reach"])
    assert watermark(harness) == harness.bank.today
    assert "warnings" not in harness.refresh().report


@pytest.mark.parametrize(("away_days", "lost"), [(60, False), (100, True)])
@pytest.mark.parametrize("id_class", [IdClass.STABLE, IdClass.NONE])
def test_a_bank_that_gives_fewer_days_than_it_is_asked_for_takes_nothing_back(harness, away_days, lost, id_class):
    harness.bank.capabilities = Capabilities(id_class=id_class)
    for day in range(0, 60, 3):
        harness.bank.buy(f"-{day + 1}", external_id=f"{day}", booking_on=TODAY - timedelta(days=day))
    harness.refresh()
    known = harness.amounts()
    harness.day_later(away_days)
    gives_from_on = harness.bank.today - timedelta(days=90)
    harness.bank.rows = [row for row in harness.bank.rows if row.booking_on >= gives_from_on]
    harness.bank.buy("-0.50", external_id="first told", booking_on=gives_from_on)
    outcome = harness.refresh()
    assert (outcome.status, outcome.report.get("warnings")) == ("succeeded", ["days_out_of_reach"] if lost else None)
    assert sorted(harness.amounts()) == sorted([*known, "-0.50"])
    assert not harness.sql("SELECT FROM bank_match_suggestions")
    [(unread,)] = harness.sql("SELECT unread_days <> '{}' FROM bank_connection_accounts")
    assert unread is lost


@pytest.mark.parametrize("cap", [10, 30])
def test_a_history_that_the_consent_caps_is_asked_for_no_further(harness, cap):
    harness.bank.capabilities = replace(WINDOWED, history_days=cap)
    harness.refresh()
    harness.refresh()
    assert min(first for _, first, _ in harness.bank.calls) == TODAY - timedelta(days=cap)


@pytest.mark.parametrize("capabilities", [CURSOR, Capabilities(id_class=IdClass.NONE, cursor_scope=Scope.ACCOUNT)])
def test_rows_dated_in_the_future_are_imported_at_once_and_never_move_the_watermark(harness, capabilities):
    harness.bank.capabilities = capabilities
    harness.bank.buy("-1", external_id="1", booking_on=date(2026, 9, 1))
    harness.refresh()
    assert [e[0] for e in harness.expenses()] == ["2026-09-01"]
    assert watermark(harness) == TODAY


def test_a_cursor_loop_that_stays_void_leaves_nothing_half_applied(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.bank.buy("-2", external_id="2")
    harness.bank.errors = {call: [CursorInvalidError() for _ in range(20)] for call in ("refresh", "transactions:A")}
    outcome = harness.refresh()
    assert outcome.status == RunStatus.FAILED
    assert harness.amounts() == ["-1.00"]
    assert harness.sql("SELECT cursor FROM bank_connections") == [("1",)]
    harness.bank.errors.clear()
    assert harness.refresh().counts.created == 1


@pytest.mark.parametrize(
    ("errors", "readings"),
    [
        ([CursorInvalidError(forgotten=True)], [(None, "1"), (None, None)]),
        ([CursorInvalidError()] * 3, [(None, "1")] * 3 + [(None, None)]),
        ([CursorInvalidError()] * 6, [(None, "1")] * 3 + [(None, None)] * 3 + [("A", date(2024, 6, 15), TODAY)]),
    ],
    ids=["forgotten", "void-from-the-cursor", "void-from-anywhere"],
)
def test_a_cursor_that_leads_nowhere_is_dropped_and_everything_is_read_once(harness, errors, readings):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.bank.buy("-2", external_id="2")
    harness.bank.calls.clear()
    harness.bank.errors["refresh"] = list(errors)
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert harness.bank.calls == readings
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert sorted(harness.amounts()) == ["-1.00", "-2.00"]
    assert harness.sql("SELECT cursor FROM bank_connections") == [("2",)]


def test_pages_before_one_that_starts_over_do_not_count(harness, monkeypatch):
    row = harness.bank.buy("-1", external_id=None)
    harness.bank.capabilities = replace(WINDOWED, id_class=IdClass.NONE)
    pages = [
        Page(transactions=(row,), removed=(RemovedTransaction(external_id="x"),), complete=False, warnings=("cut",)),
        Page(transactions=(row,), starts_over=True),
    ]
    monkeypatch.setattr(harness.bank, "rows", [])
    monkeypatch.setattr(ScriptedConnector, "get_transactions", lambda *_: iter(pages))
    outcome = harness.refresh()
    assert (outcome.status, outcome.counts.fetched, harness.amounts()) == (RunStatus.SUCCEEDED, 1, ["-1.00"])


def test_a_delivery_voided_after_its_first_page_leaves_nothing_of_that_page(harness):
    harness.bank.page_rows = 1
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-2", external_id="2")
    harness.bank.errors["next_page"] = [CursorInvalidError()]
    assert harness.refresh().counts.fetched == 2
    assert sorted(harness.amounts()) == ["-1.00", "-2.00"]


def test_an_import_of_old_days_does_not_move_the_watermark_back_or_ahead_of_a_hole(harness):
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.day_later(60)
    harness.run(RunKind.IMPORT, from_on=harness.bank.today, to_on=harness.bank.today)
    assert watermark(harness) == TODAY, "the days between were not read"
    harness.bank.buy("-2", external_id="2", booking_on=TODAY + timedelta(days=3))
    harness.refresh()
    assert len(harness.amounts()) == 2


def test_a_pending_row_that_a_new_link_no_longer_lists_goes_after_the_grace(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-20", "Hotel", external_id="p", pending=True)
    harness.refresh()
    harness.sql("UPDATE bank_connections SET cursor = NULL")
    harness.bank.rows.pop()
    harness.refresh()
    assert len(harness.amounts()) == 2
    harness.day_later(8)
    harness.refresh()
    assert harness.amounts() == ["-1.00"]


def test_days_that_the_bank_writes_as_moments_of_one_hour_are_days_in_any_zone(sessions, user_id):
    harness = Harness(sessions, user_id, options={"timezone": "America/New_York"})
    for number in range(4):
        bought_at(harness, number)
    harness.refresh()
    assert [day for day, *_ in harness.expenses()] == ["2026-06-01", "2026-06-02", "2026-06-03", "2026-06-04"]
    for number in range(4, 7):
        bought_at(harness, number)
    for _ in range(2):
        harness.refresh()
    assert [day for day, *_ in harness.expenses()] == [f"2026-06-0{number + 2}" for number in range(7)]


def bought_at(harness, number):
    moment = datetime(2026, 6, number + 2, 1, tzinfo=UTC)  # nine in the evening in New York
    return harness.bank.buy(f"-{number + 1}", external_id=str(number), booking_on=None, booking_at=moment)


@pytest.mark.parametrize("read_ahead", [False, True])
def test_a_clock_that_was_ahead_once_does_not_stop_the_feed(harness, read_ahead):
    harness.bank.buy("-9", external_id="1")
    harness.refresh()
    harness.bank.today += timedelta(days=400)
    harness.refresh()
    harness.bank.today -= timedelta(days=400)
    for number in range(3):
        harness.day_later(60 if read_ahead else 1)
        harness.bank.buy("-3", external_id=f"tea-{number}", booking_on=harness.bank.today - timedelta(days=number))
        harness.refresh()
    assert sorted(harness.amounts()) == ["-3.00"] * 3 + ["-9.00"]
    assert watermark(harness) == harness.bank.today


def days_ago(harness, days):
    return harness.bank.today - timedelta(days=days)


@pytest.mark.parametrize("told", ["booked ahead", "pending"])
@pytest.mark.parametrize("complete", [True, False], ids=["complete windows", "no promise"])
def test_a_bank_of_30_days_takes_no_purchase_with_it_where_it_tells_nothing_that_is_booked(harness, told, complete):
    harness.bank.capabilities = replace(WINDOWED, windows_complete=complete)
    harness.connector = lambda: TellsComingDays(harness.bank)
    for number in (2, 5, 9):
        harness.bank.buy(f"-{number}", external_id=f"{number}", booking_on=days_ago(harness, number))
    harness.refresh()
    harness.day_later(40)
    harness.bank.rows.clear()
    if told == "pending":
        harness.bank.buy("-700", "Rent", external_id="r", pending=True)
    else:
        harness.bank.buy("-700", "Rent", external_id="r", booking_on=days_ago(harness, -3))
    assert harness.refresh().report["rows_out_of_reach"] == 3
    assert len(harness.amounts()) == 4


def test_rows_that_were_asked_about_stay_asked_when_an_older_one_goes_too(harness):
    harness.bank.capabilities = replace(WINDOWED, windows_complete=False)
    gone = [
        harness.bank.buy(f"-{number}", external_id=f"{number}", booking_on=days_ago(harness, 20 + number))
        for number in (1, 2, 3)
    ]
    harness.bank.buy("-9", external_id="kiosk", booking_on=days_ago(harness, 2))
    harness.refresh()
    harness.day_later()
    harness.bank.rows = [row for row in harness.bank.rows if row not in gone[:2]]
    assert (harness.refresh().code, len(harness.questions())) == ("rows_withdrawn", 2)
    harness.day_later()
    harness.bank.rows.remove(gone[2])
    assert harness.refresh().code == "rows_withdrawn"
    assert len(harness.questions()) >= 2


def test_the_oldest_day_that_is_told_is_one_of_the_bank_and_not_of_utc(sessions, user_id):
    harness = Harness(sessions, user_id, options={"timezone": "America/Los_Angeles"})
    harness.bank.capabilities = WINDOWED
    at = partial(datetime, 2026, 6, tzinfo=UTC)
    gone = harness.bank.buy("-5", external_id="g", booking_on=None, booking_at=at(9, 20, 11))
    harness.bank.buy("-7", external_id="b", booking_on=None, booking_at=at(10, 4, 23))  # in the evening of 9 June
    harness.bank.buy("-9", external_id="k", booking_on=None, booking_at=at(13, 20, 0))
    harness.refresh()
    harness.day_later()
    harness.bank.rows.remove(gone)
    harness.refresh()
    assert harness.amounts() == ["-7.00", "-9.00"]


def reach(harness):
    return harness.sql("SELECT longest_reach_days, shortest_reach_days FROM bank_connection_accounts")[0]


@pytest.mark.parametrize("window_days", [None, 20, 2])
def test_the_oldest_rows_that_a_bank_takes_back_are_asked_about_and_what_grows_too_old_for_it_is_not(
    harness, window_days
):
    harness.bank.capabilities = replace(WINDOWED, windows_complete=False, window_days=window_days)
    for days in (25, 24, 23, 2):
        harness.bank.buy(f"-{days}", external_id=f"{days}", booking_on=days_ago(harness, days))
    harness.refresh()
    harness.day_later()
    del harness.bank.rows[:3]
    assert (harness.refresh().code, len(harness.questions()), reach(harness)) == ("rows_withdrawn", 3, (25, 23))
    harness.day_later(25)
    harness.bank.rows.clear()
    harness.bank.buy("-7", external_id="new")
    assert harness.refresh().report["rows_out_of_reach"] == 1
    assert (len(harness.questions()), len(harness.amounts())) == (3, 5)
    [(asked,), *_] = harness.sql("SELECT id FROM bank_match_suggestions")
    with harness.sessions() as session:
        accept(session, asked, user_id=harness.user_id)
    assert reach(harness) == (25, None)


def test_answers_that_tell_more_days_than_they_once_did_are_asked_about_again(harness):
    harness.bank.capabilities = replace(WINDOWED, windows_complete=False)
    for days in (3, 1):
        harness.bank.buy(f"-{days}", external_id=f"{days}", booking_on=days_ago(harness, days))
    harness.refresh()
    harness.day_later()
    del harness.bank.rows[0]
    assert (harness.refresh().code, len(harness.questions()), reach(harness)) == ("rows_withdrawn", 1, (3, 3))
    with harness.sessions() as session:
        decline(session, harness.sql("SELECT id FROM bank_match_suggestions")[0][0], user_id=harness.user_id)
    harness.day_later(18)
    harness.bank.buy("-9", external_id="new")
    assert (harness.refresh().code, reach(harness)) == ("ok", (20, 28))
    harness.day_later()
    del harness.bank.rows[0]
    assert (harness.refresh().code, len(harness.questions())) == ("rows_withdrawn", 1)


def test_a_bank_of_this_and_the_last_month_takes_nothing_back_when_a_month_begins(harness):
    harness.bank.capabilities = replace(WINDOWED, windows_complete=False)
    harness.bank.today = date(2026, 5, 31)
    for days in range(1, 60, 5):
        harness.bank.buy(f"-{days}", external_id=f"{days}", booking_on=days_ago(harness, days))
    harness.refresh()
    beyond = []
    for day in range(1, 4):
        harness.day_later()
        harness.bank.rows = [row for row in harness.bank.rows if row.booking_on >= date(2026, 5, 1)]
        harness.bank.buy("-0.50", external_id=f"new {day}")
        outcome = harness.refresh()
        beyond.append((outcome.code, outcome.report["rows_out_of_reach"]))
    assert (beyond, len(harness.questions())) == ([("ok", 3), ("ok", 3), ("ok", 3)], 0)
    assert reach(harness) == (45, 28)


@pytest.mark.parametrize("connector", [TellsComingDays, ScriptedConnector], ids=["told ahead", "told by its day"])
def test_purchases_of_a_card_that_is_debited_later_are_told_then_at_the_latest(harness, connector):
    """Where the bank tells what is booked for days to come, they are shown at once; the day is that of the purchase."""
    harness.connector = lambda: connector(harness.bank)
    harness.bank.capabilities = replace(WINDOWED, id_class=IdClass.NONE, windows_complete=False)
    bought_on, debited_on = days_ago(harness, 3), days_ago(harness, -12)
    for number in (1, 2):
        harness.bank.buy(f"-{number}", f"Shop {number}", booking_on=debited_on, transaction_on=bought_on)
    expected = [(bought_on.isoformat(), f"-{number}.00") for number in (2, 1)]
    harness.refresh()
    assert [row[:2] for row in harness.expenses()] == (expected if connector is TellsComingDays else [])
    harness.day_later(12)
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert [row[:2] for row in harness.expenses()] == expected
