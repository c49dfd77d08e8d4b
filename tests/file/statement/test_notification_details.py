"""Which notified payments belong to which entry of a statement, as a table."""

from datetime import date
from decimal import Decimal

import pytest

from worker.connectors.file.statement.notification_details import EntryReference, join_details

FIRST, SECOND = date(2026, 1, 15), date(2026, 1, 16)


def reference(*keys, amount="-300", days=(FIRST,), account="acct-a", currency="EUR"):
    return EntryReference(
        account=account, amount=Decimal(amount), currency=currency, days=frozenset(days), keys=frozenset(keys)
    )


@pytest.mark.parametrize(
    ("booked", "notified", "joins"),
    [
        ([reference("servicer:1")], [reference("servicer:1", "message:m")], True),
        ([reference("message:m")], [reference("entry:7", "message:m")], True),
        ([reference()], [reference("message:m")], True),
        ([reference(days=(FIRST, SECOND))], [reference(days=(SECOND,))], True),
        ([reference()], [reference(days=())], True),
        ([reference(currency=None)], [reference()], True),
        ([reference("servicer:1"), reference("servicer:2")], [reference("servicer:2", "message:m")], True),
        ([reference("servicer:1")], [reference("servicer:2")], False),
        ([reference(amount="300")], [reference()], False),
        ([reference(days=(SECOND,))], [reference()], False),
        ([reference(account="acct-b")], [reference()], False),
        ([reference(currency="CHF")], [reference()], False),
    ],
)
def test_an_entry_is_found_by_amount_day_and_the_references_of_the_bank(booked, notified, joins):
    found = join_details([booked], [notified])
    assert (len(found.of_entry), len(found.unmatched)) == ((1, 0) if joins else (0, 1))


@pytest.mark.parametrize(
    ("booked", "notified"),
    [
        ([[reference(), reference()]], [[reference("message:m")]]),
        ([[reference("entry:1"), reference("entry:2")]], [[reference("message:m")]]),
        ([[reference()]], [[reference("message:m"), reference("message:m")]]),
        ([[reference()]], [[reference("message:m")], [reference("message:n")]]),
    ],
)
def test_where_several_may_be_meant_none_is_taken_and_all_are_told(booked, notified):
    found = join_details(booked, notified)
    assert (found.of_entry, found.unmatched) == ({}, ())
    assert set(found.undecided) == {notice for file in notified for notice in file}


def test_the_same_entry_in_two_statements_and_the_same_notification_twice_are_one_each():
    found = join_details([[reference("servicer:1")]] * 2, [[reference("servicer:1", "message:m")]] * 2)
    assert len(found.of_entry) == 1
