"""What was read of short texts is remembered; a long text is forgotten with the file that held it."""

import weakref
from contextlib import suppress

import pytest

from worker.connectors.file.statement import amounts, dates
from worker.connectors.file.statement.text_cache import SHORT, remembering
from worker.connectors.file.table.profile import plain

READERS = {
    "amount": amounts.parse_amount,
    "kind": amounts.amount_kind,
    "currency": amounts.written_currency,
    "figures": amounts.plain_figures,
    "orders": dates.fitting_orders,
    "day": lambda text: dates.parse_day(text, "ymd"),
    "day of a profile": lambda text: dates.parse_day_as(text, "%Y"),
    "moment": dates.parse_moment,
    "name": plain,
}


class Text(str):  # noqa: SLOT000 - without slots it can be referred to weakly
    """A text of a file, of which it can be asked whether anything still holds it."""


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_no_reader_keeps_a_long_text(read):
    text = Text("5" * (SHORT + 1))
    seen = weakref.ref(text)
    with suppress(ValueError):
        read(text)
    del text
    assert seen() is None


def test_what_was_read_of_a_short_text_is_remembered():
    read = []
    remember = remembering(2)(lambda text, mark: read.append(text + mark))
    for text in ("a", "a", "a" * (SHORT + 1), "a" * (SHORT + 1)):
        remember(text, "!")
    assert [len(text) for text in read] == [2, SHORT + 2, SHORT + 2]
