"""A category is suggested where the user's habit leaves no choice."""

import pytest

from worker.importer.decide.expenses.category import usual_category


@pytest.mark.parametrize(
    ("times", "suggested"),
    [({}, None), ({7: 2}, None), ({7: 3}, 7), ({7: 40}, 7), ({7: 40, 8: 1}, None)],
    ids=["never given", "too few", "just enough", "always", "once another one"],
)
def test_only_what_was_given_often_enough_and_always_is_suggested(times, suggested):
    assert usual_category(times) == suggested
