"""One row that is nested without end, or holds too much, is one rejection; the rows beside it are read."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.connectors.base import Transaction
from worker.connectors.json_answers import DEEPER, MAX_ROW_DEPTH, MAX_ROW_VALUES, check_row, read_json, shortened
from worker.connectors.reading import RepeatedRecords, read_rows


def nested(levels, kind="object"):
    begin, end = ('{"x":', "}") if kind == "object" else ("[", "]")
    return begin * levels + '"]}\\"{["' + end * levels


def rows_of(body):
    def read(record):
        return Transaction(account_id="a", external_id=record["id"], amount=record["amount"], description="x")

    records = RepeatedRecords().leave_out(read_json(body.encode())["rows"])
    return read_rows(records, read, account_id="a", id_field="id")


@pytest.mark.parametrize("kind", ["object", "list"])
@pytest.mark.parametrize("levels", [MAX_ROW_DEPTH + 1, 300, 900, 5_000, 300_000])
def test_a_row_nested_without_end_is_one_rejection(levels, kind):
    good = '{"id": "%s", "amount": 1.50}'
    body = f'{{"rows": [{good % 1}, {{"id": "2", "amount": 2, "more": {nested(levels, kind)}}}, {good % 3}]}}'
    read, rejected = rows_of(body)
    assert [row.external_id for row in read] == ["1", "3"]
    [row] = rejected
    assert (row.code, row.external_id) == ("bad_data", "2")
    assert "deep" in row.message
    assert len(row.raw) < 1000


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('"text": "%s"' % ("x" * 70_000), "characters"),
        ('"%s": 1' % ("x" * 70_000), "characters"),
        ('"list": [%s1]' % ("1," * 3_000), "values"),
        ('"list": [{"deeper": [%s1]}]' % ("{}," * 3_000), "values"),
    ],
)
def test_a_row_that_holds_more_than_any_banks_is_one_rejection(more, said):
    read, [row] = rows_of(f'{{"rows": [{{"id": "1", "amount": 1}}, {{"id": "2", "amount": 2, {more}}}]}}')
    assert len(read) == 1
    assert said in row.message
    assert (row.external_id, len(row.raw) < 20_000) == ("2", True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


@given(JSON)
def test_what_banks_send_is_read_as_it_is(value):
    assert read_json(json.dumps(value).encode()) == value
    check_row(value)


@given(JSON, st.integers(1, 80), st.integers(0, 3))
def test_only_what_lies_too_deep_is_cut(value, levels, more):
    body = json.dumps({"before": value, "deep": "?", "after": [value] * more}).encode()
    deep = "[" * (sys.getrecursionlimit() + levels) + "]" * (sys.getrecursionlimit() + levels)
    found = read_json(body.replace(b'"?"', deep.encode(), 1)) if b'"?"' not in json.dumps(value).encode() else None
    if found is not None:
        assert (found["before"], found["after"]) == (value, [value] * more)
        assert DEEPER in json.dumps(found["deep"])


@given(st.binary(max_size=300))
def test_any_bytes_are_json_or_refused(content):
    try:
        read_json(content)
    except ValueError:
        return


def test_a_string_that_never_ends_is_looked_at_once():
    with pytest.raises(ValueError, match=r".+"):
        read_json(b"[" * 2000 + b'"' + rb"\"" * 400_000)


def test_a_shortened_row_keeps_its_first_levels():
    assert shortened({"id": "1", "a": [[[[1]]]], "n": 5}) == {"id": "1", "a": [[[DEEPER]]], "n": 5}
    assert len(json.dumps(shortened({str(n): "x" * 9000 for n in range(MAX_ROW_VALUES)}))) < 120_000
