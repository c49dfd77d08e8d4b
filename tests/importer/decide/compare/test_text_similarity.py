"""How alike two texts are."""

import pytest

from tests.importer.decide.rows import DAY, day
from worker.importer.decide.compare.text_similarity import ALIKE, common_words, days_apart, similarity

SAME_MERCHANT = {
    "equal": ("Coffee Bar", "Coffee Bar"),
    "other case": ("COFFEE BAR", "coffee bar"),
    "a longer text": ("Trattoria Luigi", "TRATTORIA LUIGI ROMA IT"),
    "numbers differ": ("Shell 0815", "SHELL 4711"),
    "run together": ("BLUEBOTTLE", "Blue Bottle Coffee"),
    "cut": ("PAYPAL *NETFL", "PayPal Netflix"),
    "a letter differs": ("Kaufhaus Müler", "Kaufhaus Müller"),
}
OTHER_MERCHANT = {
    "nothing shared": ("Coffee Bar", "Trattoria Luigi"),
    "only numbers": ("4711", "4711"),
    "one word of three": ("Trattoria Luigi Roma", "Pizzeria Mario Roma"),
    "one is empty": ("", "Coffee"),
    "letters by chance": ("Lidl", "Aldi"),
    "some letters the same": ("Rossmann", "Hofmann"),
}


@pytest.mark.parametrize(("left", "right"), SAME_MERCHANT.values(), ids=SAME_MERCHANT)
def test_texts_of_one_merchant_are_alike(left, right):
    assert similarity(left, right) >= ALIKE
    assert similarity(left, right) == similarity(right, left)


@pytest.mark.parametrize(("left", "right"), OTHER_MERCHANT.values(), ids=OTHER_MERCHANT)
def test_texts_of_different_merchants_are_not(left, right):
    assert similarity(left, right) < ALIKE


SHOPS = ("Lidl", "Zara", "Ikea", "Shell", "Rewe", "Netto")
CARD = [f"CARD PAYMENT {shop} 4711" for shop in SHOPS]


@pytest.mark.parametrize(
    ("texts", "common"),
    [
        (CARD, {"card", "payment"}),
        ([*CARD, *(f"Salary {month}" for month in ("June", "July"))], {"card", "payment"}),
        (CARD[:5], set()),
        (["CARD PAYMENT Lidl 4711", "CARD PAYMENT Lidl 4712"] * 9, set()),
        ([*SHOPS, "Salary"], set()),
    ],
    ids=["all say it", "most say it", "too few", "one shop again and again", "nothing in common"],
)
def test_words_that_most_different_texts_have_name_no_merchant(texts, common):
    assert common_words(texts) == common


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [
        ("CARD PAYMENT Lidl", "CARD PAYMENT Zara", False),
        ("CARD PAYMENT Lidl", "CARD PAYMENT Lidl Berlin", True),
        ("CARD PAYMENT", "CARD PAYMENT Lidl", False),
        ("CARD PAYMENT", "CARD PAYMENT", False),
    ],
    ids=["another merchant", "the same one", "a text has no other words", "neither has"],
)
def test_common_words_do_not_make_texts_alike(left, right, alike):
    assert (similarity(left, right, common=frozenset({"card", "payment"})) >= ALIKE) == alike


def test_days_apart_has_no_direction():
    assert days_apart(DAY, day(3)) == days_apart(day(3), DAY) == 3
