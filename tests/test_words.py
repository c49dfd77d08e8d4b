"""How far two texts are apart by their words."""

import pytest

from worker.words import words_apart, words_of


def test_marks_and_case_are_no_words_and_numbers_are():
    assert words_of("Café 4711: Größe_L") == ["café", "4711", "grösse", "l"]


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("Cafe Central", "cafe, central", 0),
        ("Cafe Central", "Cafe Central card 4411", 2),
        ("", "Cafe", 1),
        ("Cafe 4411", "Cafe 4412", None),
        ("Cafe Central", "Cafe Nord", None),
    ],
)
def test_texts_are_so_many_words_apart_unless_each_has_some_of_its_own(one, other, apart):
    assert words_apart(one, other) == words_apart(other, one) == apart
