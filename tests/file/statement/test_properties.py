"""Rules that hold for every amount and every day, not only for those somebody thought of."""

from contextlib import suppress
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.connectors.file.statement.account_numbers import account_mask, find_iban, german_iban, is_iban
from worker.connectors.file.statement.amounts import decide_decimal, decimal_evidence, parse_amount
from worker.connectors.file.statement.dates import fitting_orders, parse_day

AMOUNTS = st.decimals(min_value=Decimal("-999999999.99"), max_value=Decimal("999999999.99"), places=2)
DAYS = st.dates(min_value=date(1970, 1, 1), max_value=date(2068, 12, 31))
STYLES = {
    "english": (".", lambda v: f"{v:,.2f}"),
    "plain": (".", lambda v: f"{v:.2f}"),
    "german": (",", lambda v: f"{v:,.2f}".replace(",", "x").replace(".", ",").replace("x", ".")),
    "french": (",", lambda v: f"{v:,.2f}".replace(",", "\u202f").replace(".", ",")),
    "swiss": (".", lambda v: f"{v:,.2f}".replace(",", "\u2019")),
}
MINUS = {
    "in front": lambda text: f"-{text}",
    "behind": lambda text: f"{text}-",
    "typographic": lambda text: f"\u2212{text}",
    "brackets": lambda text: f"({text})",
    "DR": lambda text: f"{text} DR",
    "before the sign of the currency": lambda text: f"-\u20ac{text}",
    "behind the sign of the currency": lambda text: f"\u20ac -{text}",
}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("minus", MINUS.values(), ids=MINUS)
@given(value=AMOUNTS)
def test_an_amount_is_read_back_as_it_was_meant(style, minus, value):
    mark, write = style
    text = write(abs(value))
    assert parse_amount(minus(text) if value < 0 else text, mark) == value


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@given(values=st.lists(AMOUNTS, min_size=1))
def test_the_decimal_mark_of_a_column_is_found(style, values):
    mark, write = style
    assert decide_decimal(decimal_evidence(write(value)) for value in values) == mark


@given(value=st.integers(0, 10**12))
def test_indian_groups_are_read(value):
    digits = str(value)
    head, tail = digits[:-3], digits[-3:]
    groups = [head[max(0, at - 2) : at] for at in range(len(head), 0, -2)][::-1]
    assert parse_amount(",".join([*groups, tail]) + ".00") == value


@given(text=st.text(max_size=30))
def test_any_text_is_an_amount_or_a_sentence(text):
    with suppress(ValueError):
        value = parse_amount(text)
        assert value.is_finite()
        assert abs(value) < Decimal(10) ** 15


NOT_AMOUNTS = ["", "-", "1e5", "1.2.3", "1,2,3", "12,34,56.00,", "--5", "(-5)", "-5.00 CR", "5.-", "NaN", "Infinity",
    "0x10", "1 2.3.4", "½", "٣", "1" * 16, "0." + "1" * 9, "five", "5 apples"]  # fmt: skip


@pytest.mark.parametrize("text", NOT_AMOUNTS)
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match=r"is|has|says|ends"):
        parse_amount(text)


WRITTEN = {
    "ymd": ["{d:%Y-%m-%d}", "{d:%Y/%m/%d}", "{d:%Y%m%d}", "{d.year}.{d.month}.{d.day}", "{d:%Y-%m-%d}T10:11:12"],
    "dmy": ["{d:%d.%m.%Y}", "{d:%d/%m/%Y}", "{d.day}-{d.month}-{d.year}", "{d:%d %b %Y}", "{d:%d.%m.%y}", "{d:%d%m%Y}"],
    "mdy": ["{d:%m/%d/%Y}", "{d.month}/{d.day}/{d.year}", "{d:%m-%d-%y}", "{d:%b %d, %Y}", "{d:%m/%d/%Y %I:%M %p}"],
}


@pytest.mark.parametrize(("order", "form"), [(order, form) for order, forms in WRITTEN.items() for form in forms])
@given(day=DAYS)
def test_a_day_is_read_back_in_its_order_and_its_order_is_among_the_fitting(order, form, day):
    if "%y" in form and not 1970 <= day.year < 2050:
        return
    text = form.format(d=day)
    assert parse_day(text, order) == day
    assert order in fitting_orders(text)


@given(text=st.text(max_size=24))
def test_any_text_is_a_day_or_a_value_error(text):
    for order in ("ymd", "dmy", "mdy"):
        try:
            assert isinstance(parse_day(text, order), date)
        except ValueError:
            continue


def test_an_iban_is_found_with_and_without_spaces_and_only_with_right_digits():
    assert find_iban("Konto DE89 3704 0044 0532 0130 00 Girokonto") == "DE89370400440532013000"
    assert find_iban("DE88370400440532013000") is None
    assert german_iban("37040044/532013000") == "DE89370400440532013000"
    assert german_iban("1234567/1") is None


@given(bank_code=st.integers(10_000_000, 99_999_999), number=st.integers(1, 10**10 - 1))
def test_a_german_account_number_becomes_a_valid_iban(bank_code, number):
    assert is_iban(german_iban(f"{bank_code}/{number}"))


def test_a_mask_is_the_last_four_and_never_the_whole():
    assert (account_mask("**** 1234"), account_mask("DE89370400440532013000"), account_mask("---")) == (
        "1234",
        "3000",
        None,
    )


@pytest.mark.parametrize("text", ["12'00", "1 23.00", "1'2345", "12 34"])
def test_figures_that_no_group_sets_off_so_are_no_amount(text):
    with pytest.raises(ValueError, match="grouped"):
        parse_amount(text)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("DR 50.00", "-50"),
        ("CR 1,200.00", "1200"),
        ("D 2.00", "-2"),
        ("$(3.10)", "-3.10"),
        ("1'234.50", "1234.50"),
        ("1 234 567.00", "1234567"),
        ("1,00,000.00", "100000"),
        ("5.00-", "-5"),
        ("CAD$ 7.10", "7.10"),
    ],
)
def test_signs_and_groups_are_read_in_every_place(text, amount):
    assert parse_amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("June 2, 2026", date(2026, 6, 2)),
        ("July 4, 2026", date(2026, 7, 4)),
        ("13 lipca 2026", date(2026, 7, 13)),
        ("2. září 2026", date(2026, 9, 2)),
        ("15 A\u011fustos 2026", date(2026, 8, 15)),
        ("3. elokuuta 2026", date(2026, 8, 3)),
        ("1 des. 2026", date(2026, 12, 1)),
    ],
)
def test_months_are_read_by_their_names(text, day):
    assert parse_day(text, "dmy") == day
