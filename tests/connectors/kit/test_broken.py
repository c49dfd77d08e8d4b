"""The kit against connectors that are broken on purpose: each is caught by the check meant for it and by no other."""

from datetime import timedelta

import httpx2
import pytest

from tests.connectors.kit.banks import TOKEN, BankServer, PagedConnector
from tests.connectors.kit.broken import CAUGHT_BY
from worker.connectors.errors import RateLimitError
from worker.connectors.mock import MockConnector
from worker.connectors.testing import connector_tests
from worker.connectors.testing.checks import ALL_CHECKS
from worker.connectors.testing.subject import Spec, Subject

NEEDS_NO_FAULT = {"neighbouring_windows_have_no_hole"}
"""Only for connectors with data of their own; `HolesBetweenWindows` below is its broken connector."""


def failing(spec: Spec, directory) -> dict[str, str]:
    """Run every check; return the names of those that fail, with what they say."""
    found = {}
    for check in ALL_CHECKS:
        if check.not_for(spec) is None:
            folder = directory / check.name
            folder.mkdir()
            try:
                check.run(Subject(spec, folder))
            except Exception as error:  # noqa: BLE001 - an accident counts as caught by the wrong check
                found[check.name] = f"{type(error).__name__}: {error}"
    return found


@pytest.mark.parametrize("connector", CAUGHT_BY, ids=lambda connector: connector.__name__)
def test_a_broken_connector_is_caught_by_the_check_meant_for_it_and_by_no_other(connector, tmp_path):
    answer = {
        "a rate limit in a good answer": (lambda _: httpx2.Response(200, json={"error": "DAILY_LIMIT"}), RateLimitError)
    }
    found = failing(Spec(connector=connector, config={"token": TOKEN}, server=BankServer, faults=answer), tmp_path)
    assert list(found) == [CAUGHT_BY[connector]], found
    assert found[CAUGHT_BY[connector]].startswith("AssertionError: ")


def test_every_check_has_a_connector_that_only_it_catches():
    assert {check.name for check in ALL_CHECKS} - set(CAUGHT_BY.values()) == NEEDS_NO_FAULT


def test_holes_between_windows_are_caught_without_knowing_the_truth(tmp_path):
    class HolesBetweenWindows(MockConnector):
        def get_transactions(self, account_id, from_date, to_date):
            return super().get_transactions(account_id, from_date + timedelta(days=1), to_date)

    spec = Spec(connector=HolesBetweenWindows, config={"token": "mock-token-5d21"})
    assert list(failing(spec, tmp_path)) == ["neighbouring_windows_have_no_hole"]


def test_a_check_can_only_be_left_out_by_its_name_and_with_a_reason():
    with pytest.raises(ValueError, match="no_such_check"):
        connector_tests(PagedConnector, config={"token": TOKEN}, skip={"no_such_check": "because"})
