"""What is known of each month of an account, and what closes a gap."""

from datetime import date
from decimal import Decimal

import pytest

from worker.bank_accounts.coverage import Days, MonthRows, MonthState, SourceFacts, coverage_by_month

TODAY = date(2026, 3, 20)


def days(first, last):
    return Days(from_on=date.fromisoformat(first), to_on=date.fromisoformat(last))


def source(*ranges, number=1, name="Feed", **more):
    return SourceFacts(id=number, name=name, connector_name="x", days=ranges, **more)


FEED = source(days("2026-01-01", "2026-03-20"))
PROVEN = source(days("2026-01-01", "2026-03-20"), proven=days("2025-12-31", "2026-02-28"))
OLD = source(days("2025-11-03", "2025-11-28"), number=2, name="Statements")

CASES = {
    "covered, not proven": ([FEED], {}, ["covered"] * 3),
    "proven as far as the balance goes": ([PROVEN], {}, ["proven", "proven", "covered"]),
    "a month between file and feed": ([FEED, OLD], {}, ["part", "missing", "covered", "covered", "covered"]),
    "the balance differs": (
        [source(days("2026-01-01", "2026-03-20"), mismatch=days("2026-02-10", "2026-03-01"), difference=Decimal(-5))],
        {}, ["covered", "mismatch", "mismatch"],
    ),
    "a row that the other source does not have": (
        [FEED, OLD], {"2026-02": MonthRows(rows={1: 9}, only_in={1: 2})},
        ["part", "missing", "covered", "contradicting", "covered"],
    ),
    "two rows that look like one purchase": (
        [PROVEN], {"2026-01": MonthRows(doubled=1)}, ["doubled", "proven", "covered"],
    ),
    "nothing": ([source()], {}, []),
}  # fmt: skip


@pytest.mark.parametrize(("sources", "rows", "states"), CASES.values(), ids=CASES)
def test_what_is_known_of_each_month(sources, rows, states):
    assert [str(month.state) for month in coverage_by_month(sources, rows, today=TODAY)] == states


def test_the_days_of_two_sources_make_one_whole_month():
    half = source(days("2026-01-01", "2026-01-12")), source(days("2026-01-10", "2026-01-31"), number=2, name="File")
    (month,) = coverage_by_month(half, {}, today=date(2026, 1, 31))
    assert (month.state, month.covered_days, month.sources) == (MonthState.COVERED, 31, ("Feed", "File"))


GAP = days("2025-11-01", "2025-11-30")
ASKED = source(days("2026-01-01", "2026-03-20"), online=True)


@pytest.mark.parametrize(
    ("feed", "action"),
    [
        (source(days("2026-01-01", "2026-03-20")), "upload"),
        (source(days("2026-01-01", "2026-03-20"), online=True), "refetch"),
        (source(days("2026-01-01", "2026-03-20"), online=True, reach_days=730), "refetch"),
        (source(days("2026-01-01", "2026-03-20"), online=True, reach_days=90), "upload"),
    ],
    ids=["not asked any more", "without a limit", "within reach", "beyond its reach"],
)
def test_a_gap_names_its_cheapest_cure(feed, action):
    months = coverage_by_month([feed, source(GAP, number=2, name="Old")], {}, today=TODAY)
    december = next(month for month in months if month.month == "2025-12")
    assert december.state == MonthState.MISSING
    assert december.cure is not None
    assert (december.cure.action, december.cure.from_on, december.cure.to_on) == (
        action, date(2025, 12, 1), date(2025, 12, 31),
    )  # fmt: skip
    if action == "upload":
        assert december.cure.sentence == "upload the statement of December 2025"
