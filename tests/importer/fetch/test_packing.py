"""What waits in the temporary file of a long delivery comes back as it was, whatever a bank puts into it."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from threading import Lock
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.connectors.base import Transaction, TransactionKind
from worker.importer.decide.read.clean_text import json_text
from worker.importer.fetch.packing import pack, unpack
from worker.importer.fetch.staging import Staging

words = st.none() | st.text(st.characters())
days = st.none() | st.dates()
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
lines = st.builds(
    Transaction,
    account_id=st.text(),
    amount=st.decimals(allow_nan=False),
    description=st.text(),
    currency=words,
    external_id=words,
    pending=st.booleans(),
    booking_on=days,
    value_on=days,
    transaction_on=days,
    booking_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    counterparty=words,
    kind=st.none() | st.sampled_from(TransactionKind),
    reference=words,
    raw=st.none() | st.dictionaries(st.text(), json | st.decimals(allow_nan=False) | st.dates(), max_size=4),
)


@given(st.lists(lines, max_size=5))
def test_lines_come_back_as_they_were(transactions):
    back = unpack(pack(transactions))
    assert back == transactions
    assert [str(line.amount) for line in back] == [str(line.amount) for line in transactions]
    assert [type(line.kind) for line in back] == [type(line.kind) for line in transactions]


def line(number, **values):
    return Transaction(account_id="a", amount=Decimal(number), description=str(number), **values)


@pytest.mark.parametrize(
    "raw",
    [MappingProxyType({"a": MappingProxyType({"b": [1, "x"]})}), {"a": Lock()}, {"a": lambda: 1}, {"a": iter(())}],
    ids=["a mapping that cannot be changed", "a lock", "a function", "an iterator"],
)
def test_of_a_record_that_cannot_be_pickled_comes_back_what_is_stored_of_it(raw):
    given = line(1, booking_on=date(2026, 1, 1), raw=raw, stated_amounts=MappingProxyType({}))
    [back] = unpack(pack([given]))
    assert json_text(back.raw) == json_text(raw)
    assert replace(back, raw=None) == replace(given, raw=None)
    assert not isinstance(raw, MappingProxyType) or back.raw == {"a": {"b": [1, "x"]}}


@pytest.mark.parametrize(
    "odd",
    [{"booking_at": datetime(2026, 1, 9, tzinfo=UTC)}, {"raw": {"amount": Decimal("1.10")}}],
    ids=["a moment", "a record that holds more than JSON can"],
)
def test_a_file_holds_plain_lines_and_odd_ones_beside_each_other(odd):
    staging = Staging(spill_rows=1)
    plain = [line(number, booking_on=date(2026, 1, number)) for number in (1, 2)]
    others = [line(number, booking_on=date(2026, 1, number), **odd) for number in (3, 4)]
    staging.add(others)
    staging.add(plain)
    assert list(staging.slices("a", 100)) == [[*others, *plain]]
    staging.close()
