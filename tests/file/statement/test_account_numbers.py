"""Account numbers that look like an IBAN and are none."""

import pytest

from worker.connectors.file.statement.account_numbers import is_broken_iban

IBAN = "DE02120300000000202051"


@pytest.mark.parametrize(
    ("number", "broken"),
    [
        (IBAN, False),
        (f"{IBAN}EUR", False),
        (f"{IBAN} EUR", False),
        (IBAN[:-1], True),
        (f"{IBAN[:-1]}2", True),
        ("12030000/202051", False),
        ("202051", False),
        ("", False),
    ],
)
def test_a_number_with_the_form_of_an_iban_has_right_check_digits_or_is_broken(number, broken):
    assert is_broken_iban(number) is broken
