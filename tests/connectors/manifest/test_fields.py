"""Readers of fields: what a value means, and what is refused instead of being guessed."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from worker.connectors.errors import InvalidDataError
from worker.connectors.manifest.amounts import amount_reader
from worker.connectors.manifest.fields import Scene, conditions, day_reader, moment_reader, state_reader, text_reader
from worker.connectors.manifest.records import records_of
from worker.connectors.manifest.values import AmountValue, DayValue, MomentValue, StateValue, TextValue

SCENE = Scene(account={"type": "credit"}, answer={"meta": {"currency": "EUR"}}, config={"zone": "x"})
REFUSED = "refused"


def amount(said, record, currency=None):
    try:
        return amount_reader(AmountValue.model_validate(said))(record, SCENE, currency)
    except InvalidDataError:
        return REFUSED


@pytest.mark.parametrize(
    ("said", "record", "currency", "expected"),
    [
        ({"path": "a"}, {"a": "-12.50"}, None, "-12.50"),
        ({"path": "a"}, {"a": 12}, None, "12"),
        ({"path": "a"}, {"a": "1,234.56"}, None, "1234.56"),
        ({"path": "a"}, {"a": "-12,34,567.80"}, None, "-1234567.80"),
        ({"path": "a"}, {"a": "12,50"}, None, REFUSED),
        ({"path": "a"}, {"a": "1.234,56"}, None, REFUSED),
        ({"path": "a"}, {"a": " 7 "}, None, "7"),
        ({"path": "a"}, {"a": True}, None, REFUSED),
        ({"path": "a"}, {"a": "12.50 EUR"}, None, REFUSED),
        ({"path": "a"}, {"a": "NaN"}, None, REFUSED),
        ({"path": "a"}, {"a": "1e999999"}, None, REFUSED),
        ({"path": "a"}, {"a": {}}, None, REFUSED),
        ({"path": "a"}, {}, None, None),
        ({"path": "a.b.0"}, {"a": {"b": ["5"]}}, None, "5"),
        ({"path": "a", "decimal_mark": ","}, {"a": "1.234,56"}, None, "1234.56"),
        ({"path": "a", "decimal_mark": ","}, {"a": "1.234"}, None, "1234"),
        ({"path": "a", "decimal_mark": ","}, {"a": "12,5"}, None, "12.5"),
        ({"path": "a", "decimal_mark": ","}, {"a": "12.50"}, None, REFUSED),
        ({"path": "a", "unit": "minor"}, {"a": -1250}, "EUR", "-12.50"),
        ({"path": "a", "unit": "minor"}, {"a": -1250}, "JPY", "-1250"),
        ({"path": "a", "unit": "minor"}, {"a": -1250}, "KWD", "-1.250"),
        ({"path": "a", "unit": "minor"}, {"a": -1250}, None, REFUSED),
        ({"path": "a", "unit": "minor"}, {"a": "12.5"}, "EUR", REFUSED),
        ({"path": "a", "unit": "minor", "decimals": 4}, {"a": 12_500}, None, "1.2500"),
        ({"path": "a", "sign": "flipped"}, {"a": "5"}, None, "-5"),
        ({"path": "a", "flipped_when": {"@account.type": ["credit"]}}, {"a": "5"}, None, "-5"),
        ({"path": "a", "flipped_when": {"@account.type": ["debit"]}}, {"a": "5"}, None, "5"),
        ({"debit": "out", "credit": "in"}, {"out": "5", "in": ""}, None, "-5"),
        ({"debit": "out", "credit": "in"}, {"out": None, "in": "5"}, None, "5"),
        ({"debit": "out", "credit": "in"}, {"out": "5", "in": "6"}, None, REFUSED),
        ({"first": ["a", "b"]}, {"a": None, "b": 6}, None, "6"),
        ({"path": "a", "out_when": {"t": ["D"]}, "in_when": {"t": ["C"]}}, {"a": "5", "t": "D"}, None, "-5"),
        ({"path": "a", "out_when": {"t": ["D"]}, "in_when": {"t": ["C"]}}, {"a": "-5", "t": "C"}, None, "5"),
        ({"path": "a", "out_when": {"t": ["D"]}, "in_when": {"t": ["C"]}}, {"a": "5", "t": "X"}, None, REFUSED),
        ({"path": "a", "out_when": {"t": ["D"]}, "in_when": {"t": ["C"]}}, {"a": "5"}, None, REFUSED),
    ],
)
def test_an_amount(said, record, currency, expected):
    found = amount(said, record, currency)
    assert found == (Decimal(expected) if expected not in (None, REFUSED) else expected)


@pytest.mark.parametrize(
    ("said", "record", "expected"),
    [
        ({"path": "a"}, {"a": "  x "}, "x"),
        ({"path": "a"}, {"a": ""}, None),
        ({"path": "a"}, {"a": 17}, "17"),
        ({"path": "a"}, {"a": Decimal("1E+2")}, "100"),
        ({"path": "a"}, {"a": ["x", " ", "y"]}, "x y"),
        ({"path": "a.0.b"}, {"a": [{"b": "x"}]}, "x"),
        ({"path": "a.-1"}, {"a": ["x", "y"]}, "y"),
        ({"path": "a.b"}, {"a": "x"}, None),
        ({"first": ["a", "b"]}, {"a": " ", "b": "x"}, "x"),
        ({"join": ["a", "b", "c"]}, {"a": "x", "c": "y"}, "x y"),
        ({"const": "EUR"}, {}, "EUR"),
        ({"path": "a", "choices": {"1": "one"}}, {"a": 1}, "one"),
        ({"path": "a", "choices": {"1": "one"}}, {"a": 2}, None),
        ({"path": "a", "choices": {"1": "one"}, "otherwise": "many"}, {"a": 2}, "many"),
        ({"path": "@answer.meta.currency"}, {}, "EUR"),
        ({"path": "@account.type"}, {}, "credit"),
        ({"path": "@config.zone"}, {}, "x"),
    ],
)
def test_a_text(said, record, expected):
    assert text_reader(TextValue.model_validate(said), {})(record, SCENE) == expected


def test_an_object_is_no_text():
    with pytest.raises(InvalidDataError, match="a is no text"):
        text_reader(TextValue(path="a"), {})({"a": {"b": "c"}}, SCENE)


def test_a_hook_is_given_the_record():
    reader = text_reader(TextValue(hook="upper"), {"upper": lambda record: str(record["a"]).upper()})
    assert reader({"a": "x"}, SCENE) == "X"


@pytest.mark.parametrize(
    ("said", "text", "expected"),
    [
        ({}, "2026-01-31", date(2026, 1, 31)),
        ({}, None, None),
        ({}, "2026-01-31T00:00:00Z", REFUSED),
        ({"format": "moment"}, "2026-01-31T23:00:00Z", date(2026, 1, 31)),
        ({"format": "%d.%m.%Y"}, "31.01.2026", date(2026, 1, 31)),
        ({"format": "%d.%m.%Y"}, "01/31/2026", REFUSED),
        ({}, 20_260_131, REFUSED),
    ],
)
def test_a_day(said, text, expected):
    reader = day_reader(DayValue(path="d", **said))
    try:
        assert reader({"d": text}, SCENE) == expected
    except InvalidDataError:
        assert expected == REFUSED


@pytest.mark.parametrize(
    ("said", "found", "expected"),
    [
        ({}, "2026-01-31T01:02:03+02:00", datetime(2026, 1, 30, 23, 2, 3, tzinfo=UTC)),
        ({}, "2026-01-31T01:02:03", REFUSED),
        ({"zone": "Europe/Kyiv"}, "2026-01-31T01:02:03", datetime(2026, 1, 30, 23, 2, 3, tzinfo=UTC)),
        ({"format": "unix_s"}, 1_769_817_600, datetime(2026, 1, 31, tzinfo=UTC)),
        ({"format": "unix_s"}, "1769817600", datetime(2026, 1, 31, tzinfo=UTC)),
        ({"format": "unix_ms"}, Decimal(1_769_817_600_500), datetime(2026, 1, 31, 0, 0, 0, 500_000, UTC)),
        ({"format": "unix_s"}, 10**30, REFUSED),
        ({"format": "%Y%m%d %H:%M", "zone": "UTC"}, "20260131 01:02", datetime(2026, 1, 31, 1, 2, tzinfo=UTC)),
        ({}, "", None),
        ({}, [], None),
        ({}, {"a": 1}, REFUSED),
    ],
)
def test_a_moment(said, found, expected):
    reader = moment_reader(MomentValue(path="m", **said))
    try:
        assert reader({"m": found}, SCENE) == expected
    except InvalidDataError:
        assert expected == REFUSED


@pytest.mark.parametrize(
    ("said", "found", "expected"),
    [
        ({"posted": ["BOOK"], "pending": ["PDNG"], "ignored": ["RJCT"]}, "RJCT", "ignored"),
        ({"posted": ["BOOK"]}, "OTHR", REFUSED),
        ({"posted": ["BOOK"]}, None, REFUSED),
        ({"posted": ["BOOK"], "absent": "pending"}, None, "pending"),
        ({"posted": [False], "pending": [True]}, True, "pending"),
        ({"posted": [False], "pending": [True]}, 1, REFUSED),
        ({"absent": "pending", "otherwise": "posted"}, "2026-01-31", "posted"),
    ],
)
def test_a_state(said, found, expected):
    reader = state_reader(StateValue(path="s", **said))
    try:
        assert reader({"s": found}, SCENE) == expected
    except InvalidDataError:
        assert expected == REFUSED


def test_conditions_all_hold_or_none_do():
    holds = conditions({"a": ["x", 1], "b": [True]})
    assert holds({"a": 1, "b": True}, SCENE)
    assert not holds({"a": 1, "b": 1}, SCENE)
    assert not holds({"a": True, "b": True}, SCENE)
    assert not holds({"a": ["x"], "b": True}, SCENE)


@pytest.mark.parametrize(
    ("body", "path", "expected"),
    [
        ([{"a": 1}], "", [{"a": 1}]),
        ({"x": {"y": None}}, "x.y", []),
        ({"d": [{"t": [{"a": 1}]}, {"t": [{"a": 2}]}]}, "d.*.t", [{"a": 1}, {"a": 2}]),
        ({"d": {"k": [{"a": 1}]}}, "d.*", [{"a": 1}]),
        ({}, "x", REFUSED),
        ({"x": {}}, "x", REFUSED),
        ({"x": [1, 2]}, "x", REFUSED),
        (None, "", REFUSED),
    ],
)
def test_where_records_lie(body, path, expected):
    try:
        assert records_of(body, path, "rows") == expected
    except InvalidDataError:
        assert expected == REFUSED
