"""Rejected lines of a bank's own form that arrived since with one field mended."""

from datetime import date

import pytest

from worker.importer.decide.mended_records import ArrivedRecord, mended_records

FIELDS = {"Date": "30.01.2026", "Text": "Shop Inc", "Betrag": "-1.001,50", "State": "booked"}
OFX = {"TRNTYPE": "DEBIT", "DTPOSTED": "20260130", "TRNAMT": "-5.00", "NAME": "Shop Inc"}


def arrived(fields=FIELDS, day=30, month=1):
    return ArrivedRecord("Shop Inc", date(2026, month, day), fields)


CASES = {  # the rejected text, the record that arrived; whether it is the one
    "an amount that is a number now": ("30.01.2026;Shop Inc;-1.001,5o;booked", arrived(), True),
    "a state that is known now": ("30.01.2026;Shop Inc;-1.001,50;wobbly", arrived(), True),
    "a line that is read as it was": ("30.01.2026;Shop Inc;-1.001,50;booked", arrived(), True),
    "a text that has its quotes": ("30.01.2026;Shop; Inc;-1.001,50;booked", arrived(), True),
    "a record of OFX": ("<TRNTYPE>DEBIT<DTPOSTED>20260130<TRNAMT>x<NAME>Shop Inc", arrived(OFX), True),
    "a day that there is, as any day of a habit": ("32.01.2026;Shop Inc;-1.001,50;booked", arrived(), False),
    "the day after": ("29.01.2026;Shop Inc;--1.001,50;booked", arrived(), False),
    "another month": ("30.02.2026;Shop Inc;-1.001,50;booked", arrived(), False),
    "a day and an amount": ("32.01.2026;Shop Inc;-1.001,5o;booked", arrived(), False),
    "an amount of another day": ("29.01.2026;Shop Inc;-1.001,5o;booked", arrived(), False),
    "an amount and a state": ("30.01.2026;Shop Inc;-1.001,5o;wobbly", arrived(), False),
    "another shop": ("30.01.2026;Kiosk;-1.001,5o;booked", arrived(), False),
    "a line of much more": ("30.01.2026;Shop Inc;a b c d e;booked", arrived(), False),
    "no field of a day": ("30.01.2026;Shop Inc;-5.0o", arrived({"Text": "Shop Inc", "Betrag": "-5.00"}), False),
    "no words of the payment": ("30.01.2026;;-5.0o", ArrivedRecord("", date(2026, 1, 30), FIELDS), False),
}


@pytest.mark.parametrize(("text", "record", "is_one"), CASES.values(), ids=CASES)
def test_a_rejected_line_arrived_where_all_but_one_field_of_a_record_is_in_it(text, record, is_one):
    assert mended_records({7: text}, [record]) == ([7] if is_one else [])


def test_each_record_stands_for_one_rejected_line():
    texts = {1: "30.01.2026;Shop Inc;-1.001,5o;booked", 2: "30.01.2026;Shop Inc;-1.001,5o;booked"}
    assert mended_records(texts, [arrived()]) == [1]
    assert mended_records(texts, [arrived(), arrived(), arrived()]) == [1, 2]
