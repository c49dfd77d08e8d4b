"""COPY writes every value as it is, whatever characters it holds."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from worker.importer.store.rows.bulk import array_text, copied_rows, copy

ROWS = [
    ("plain", b"\x00\xff", date(2026, 6, 15), Decimal("-1.50"), 7, None),
    ("tab\tnewline\nreturn\rbackslash\\ \\N \\x41", b"\\", date(1, 1, 1), Decimal(0), -1, ""),
    ("", b"", date(9999, 12, 31), Decimal("1E+3"), 0, "Ä 🍞"),
]


@pytest.mark.parametrize("rows", [ROWS[:1], ROWS], ids=["nothing to escape", "everything to escape"])
def test_what_is_copied_in_is_read_again(sessions, rows):
    with sessions() as session:
        session.execute(text("CREATE TEMP TABLE t (a text, b bytea, c date, d numeric, e int, f text)"))
        copy(session, "t", "abcdef", rows)
        read = [(*row[:1], bytes(row.b), *row[2:]) for row in session.execute(text("SELECT * FROM t"))]
    assert read == rows


@given(st.lists(st.tuples(st.text(st.characters(exclude_characters="\0")), st.none() | st.just("x")), max_size=5))
def test_every_row_is_one_line_and_every_value_one_field(rows):
    written = copied_rows(rows)
    assert written.count("\n") == len(rows)
    assert written.count("\t") == len(rows)
    assert "\r" not in written


@pytest.mark.parametrize(("kind", "values"), [("bigint", [3, None, 2**40]), ("bigint", []), ("text", ["own", "twin"])])
def test_an_array_is_read_as_it_was_written(sessions, kind, values):
    with sessions() as session:
        read = session.execute(text(f"SELECT CAST(:values AS {kind}[])"), {"values": array_text(values)}).scalar_one()
    assert read == values
