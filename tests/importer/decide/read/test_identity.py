"""What a row is recognised by."""

from decimal import Decimal

import pytest

from tests.importer.decide.rows import DAY, day
from worker.importer.decide.read.identity import content_identity, content_key, id_identity


def coffee(**more):
    values = {"day": DAY, "amount": Decimal("-3.50"), "currency": "EUR", "texts": (None, "Coffee Bar")} | more
    return content_key(**values)


@pytest.mark.parametrize(
    "same", [{"amount": Decimal("-3.5")}, {"texts": (None, "  coffee   BAR ")}], ids=["zeros", "case and spaces"]
)
def test_what_does_not_change_the_content(same):
    assert coffee(**same) == coffee()


@pytest.mark.parametrize(
    "other",
    [
        {"day": day(1)},
        {"day": None},
        {"amount": Decimal("3.50")},
        {"currency": "USD"},
        {"texts": ("Coffee Bar", None)},
    ],
    ids=["day", "no day", "sign", "currency", "order of texts"],
)
def test_what_changes_the_content(other):
    assert coffee(**other) != coffee()


def test_equal_rows_differ_by_their_occurrence():
    assert content_identity(coffee(), 0) != content_identity(coffee(), 1)


def test_ids_of_two_sessions_are_two_rows_however_long_they_are():
    identities = {id_identity("x" * length, session) for length in (1, 500) for session in ("", "s")}
    assert len(identities) == 4
