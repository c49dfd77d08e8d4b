"""CAMT.052: several reports in one file that repeat the entries so far, or tell new entries only."""

import time
from datetime import date
from decimal import Decimal

import pytest

from tests.file.camt.test_statements import IBAN, balance, entry
from worker.connectors.base import Account, Transaction
from worker.connectors.file.camt.repeating_reports import repeating_reports
from worker.connectors.file.repeated_statements import without_overlap
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.events import Closed, Opened, Row

ACCOUNT = f"<Acct><Id><IBAN>{IBAN}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
COFFEE, LUNCH, TAXI = entry("2.50"), entry("10.00"), entry("7.00")


def known(amount: str, reference: str) -> str:
    return entry(amount, more=f"<AcctSvcrRef>{reference}</AcctSvcrRef>")


def period(start: str, end: str) -> str:
    day = "2026-01-15T"
    return f"<FrToDt><FrDtTm>{day}{start}:00+01:00</FrDtTm><ToDtTm>{day}{end}:00+01:00</ToDtTm></FrToDt>"


def reports(*contents: str) -> str:
    told = "".join(f"<Rpt>{ACCOUNT}{content}</Rpt>" for content in contents)
    return f"<Document><BkToCstmrAcctRpt>{told}</BkToCstmrAcctRpt></Document>"


MORNING = balance("OPBD", "100.00") + balance("ITBD", "97.50")


@pytest.mark.parametrize(
    ("contents", "amounts"),
    [
        pytest.param([COFFEE + LUNCH, COFFEE + LUNCH + TAXI], "-2.50 -10.00 -7.00", id="all entries return"),
        pytest.param([COFFEE + LUNCH, COFFEE + TAXI], "-2.50 -10.00 -2.50 -7.00", id="an entry is lacking"),
        pytest.param([COFFEE, LUNCH, COFFEE], "-2.50 -10.00 -2.50", id="the report between tells new ones"),
        pytest.param([COFFEE, COFFEE + LUNCH, COFFEE + LUNCH], "-2.50 -10.00", id="a later report repeats"),
        pytest.param(
            [MORNING + COFFEE, balance("ITBD", "95.00") + COFFEE], "-2.50 -2.50", id="the balance sinks by both"
        ),
        pytest.param([MORNING + COFFEE, balance("ITBD", "97.50") + COFFEE], "-2.50", id="the balance stays"),
        pytest.param(
            [MORNING + COFFEE, balance("OPBD", "97.50") + COFFEE + LUNCH],
            "-2.50 -2.50 -10.00",
            id="opens where it closed",
        ),
        pytest.param([MORNING + COFFEE, balance("OPBD", "100.00") + COFFEE + LUNCH], "-2.50 -10.00", id="opens alike"),
        pytest.param(
            [MORNING + COFFEE + LUNCH.replace("BOOK", "PDNG"), balance("ITBD", "85.00") + COFFEE + LUNCH],
            "-2.50 -10.00 -2.50 -10.00",
            id="a pending entry is booked, and the balance sinks by both",
        ),
        pytest.param([known("2.50", "A1"), known("2.50", "A2")], "-2.50 -2.50", id="other references"),
        pytest.param([known("2.50", "A1"), known("2.50", "A1")], "-2.50", id="the same reference"),
        pytest.param(
            [known("2.50", "0") + known("1.00", "0") + known("3.00", "0"), known("2.50", "0") + known("9.00", "0")],
            "-2.50 -1.00 -3.00 -2.50 -9.00",
            id="a reference that all entries have",
        ),
        pytest.param(
            [period("00:00", "12:00") + COFFEE, period("12:00", "16:00") + COFFEE], "-2.50 -2.50", id="times follow"
        ),
        pytest.param(
            [period("00:00", "12:00") + COFFEE, period("00:00", "16:00") + COFFEE], "-2.50", id="times begin alike"
        ),
        pytest.param([COFFEE.replace("BOOK", "PDNG")] * 2, "-2.50", id="a pending entry is told again"),
        pytest.param([COFFEE, COFFEE.replace("-01-15", "-01-16")], "-2.50 -2.50", id="another day"),
    ],
)
def test_equal_entries_of_reports_are_one_or_two_as_the_file_shows(reading, contents, amounts):
    found = reading(reports(*contents), name="a.xml")
    booked = [row.amount for row in found.rows if not row.pending or "PDNG" in contents[-1]]
    expected = amounts.split()
    if "PDNG" in contents[0] and "PDNG" not in contents[-1]:
        expected = [expected[0], *expected[2:]]
    assert [str(amount) for amount in booked] == expected


def test_entries_that_return_while_another_one_is_lacking_are_asked_for(reading):
    with pytest.raises(StatementError, match="state --reports so_far or new"):
        reading(reports(COFFEE + LUNCH + TAXI, COFFEE + LUNCH + known("7.00", "A1")), name="a.xml")


def test_equal_entries_that_may_be_one_or_two_are_asked_for(reading):
    told = reports(COFFEE, COFFEE + LUNCH)
    with pytest.raises(StatementError, match="state --reports so_far or new") as refused:
        reading(told, name="a.xml")
    assert [(doubt.field, doubt.choices) for doubt in refused.value.doubts] == [("reports", ("so_far", "new"))]
    assert [str(one) for one in reading(told, name="a.xml", reports="so_far").amounts] == ["-2.50", "-10.00"]
    new = reading(told, name="a.xml", reports="new")
    assert [str(one) for one in new.amounts] == ["-2.50", "-2.50", "-10.00"]
    assert any("1 entries equal those of an earlier report: taken for new ones" in one for one in new.warnings)


def test_a_report_that_equals_an_earlier_one_is_kept_where_reports_tell_new_entries(reading):
    found = reading(reports(COFFEE, LUNCH, COFFEE), name="a.xml")
    assert len(found.rows) == 3
    assert not any("stands in the file before" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("0001-01-01T00:00:00+01:00", "2026-01-15T12:00:00+01:00"),
        ("2026-01-15T00:00:00-05:00", "9999-12-31T23:59:59-05:00"),
    ],
    ids=["since ever", "for ever"],
)
def test_moments_beyond_the_calendar_of_utc_are_none(reading, start, end):
    moments = f"<FrToDt><FrDtTm>{start}</FrDtTm><ToDtTm>{end}</ToDtTm></FrToDt>"
    assert [str(one) for one in reading(reports(moments + COFFEE), name="a.xml").amounts] == ["-2.50"]


@pytest.mark.parametrize(("count", "entries"), [(1, 40_000), (10_000, 1)], ids=["in one report", "in a report each"])
def test_the_time_grows_with_the_entries_of_a_day_and_not_with_their_square(count, entries):
    account, day, events = Account(external_id="a", name="A"), date(2026, 1, 15), []
    for report in range(count):
        amounts = [Decimal(report * entries + at) for at in range(entries)]
        told = [Transaction(account_id="a", amount=one, description="", booking_on=day) for one in amounts]
        rows = [Row(line=1, transaction=one) for one in told]
        events += [Opened(account=account, line=1), *rows, Closed(account="a")]
    began = time.process_time()
    assert repeating_reports(events, None) == frozenset()
    assert len(list(without_overlap(events, frozenset()))) == len(events)
    assert time.process_time() - began < 5  # by their square: more than 10
