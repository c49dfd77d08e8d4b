"""Rows are looked at again for two months."""

from datetime import date

import pytest

from worker.importer.decide.second_look import looked_at_since


@pytest.mark.parametrize(
    ("today", "since"), [(date(2026, 3, 2), date(2026, 1, 1)), (date(2024, 3, 1), date(2024, 1, 1))]
)
def test_rows_of_the_last_sixty_days_are_looked_at_again(today, since):
    assert looked_at_since(today) == since
