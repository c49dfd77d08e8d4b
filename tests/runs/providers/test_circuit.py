"""When the failures of users open a circuit, on a real database."""

import pytest
from sqlalchemy import text

from tests.factories import make_connection
from worker.models import BankConnection
from worker.runs.providers.circuit import count_failure, scopes_of, take_probe_or_wait_s

BANK = "Nordea"


def fail(sessions, *users):
    with sessions() as session:
        for user in users:
            count_failure(session, "gocardless", BANK, user, "bank_down")


def is_open(sessions):
    with sessions() as session:
        return take_probe_or_wait_s(session, "gocardless", ("", BANK)) > 0


@pytest.mark.parametrize(
    ("users", "opens"),
    [
        ([1] * 50, False),
        ([1, 1, 1, 1, 2], False),
        ([2, 1, 1, 1, 1], False),
        ([1, 2, 1, 2, 1], True),
        ([1, 2, 3, 4, 5], True),
        ([1, 2, 3, 4], False),
    ],
)
def test_failures_of_one_user_in_a_row_count_once(sessions, users, opens):
    fail(sessions, *users)
    assert is_open(sessions) == opens


def test_two_users_with_trouble_of_their_own_open_nothing_for_a_third(sessions, user_id):
    with sessions() as session:
        made = make_connection(session, user_id, connector_name="gocardless", institution_name=BANK)
    others = (user_id + 1, user_id + 2)
    fail(sessions, *others * 20)
    assert not is_open(sessions)
    fail(sessions, user_id)
    assert is_open(sessions), "now nobody of the bank is answered"
    with sessions() as session:
        session.execute(text("UPDATE bank_connector_circuits SET state = 'closed', failed_users = '{}',"
                             " consecutive_failures = 0, open_until = NULL"))  # fmt: skip
        session.execute(text("UPDATE bank_connections SET status = 'paused' WHERE id = :id"), {"id": made})
    fail(sessions, *others * 3)
    assert is_open(sessions), "the third one does not ask"


def test_a_bank_of_a_server_of_ones_own_is_not_that_of_another_server(sessions, user_id):
    with sessions() as session:
        values = {"outage_scope": "evil.test", "institution_name": "bridge.test"}
        made = make_connection(session, user_id, connector_name="simplefin", **values)
        assert scopes_of(session.get_one(BankConnection, made)) == ("evil.test", "evil.test/bridge.test")
        for other in range(1, 9):
            count_failure(session, "simplefin", "evil.test/bridge.test", user_id + other, "bank_down")
    with sessions() as session:
        assert take_probe_or_wait_s(session, "simplefin", ("evil.test", "evil.test/bridge.test")) > 0
        assert take_probe_or_wait_s(session, "simplefin", ("bridge.test", "bridge.test/Chase")) == 0


def test_five_users_are_enough_however_many_there_are(sessions, user_id):
    with sessions() as session:
        make_connection(session, user_id, connector_name="gocardless", institution_name=BANK)
    fail(sessions, *range(user_id + 1, user_id + 5))
    assert not is_open(sessions)
    fail(sessions, user_id + 5)
    assert is_open(sessions)


def test_failures_of_last_month_do_not_count(sessions):
    fail(sessions, 1, 2, 3, 4)
    with sessions() as session:
        session.execute(text("UPDATE bank_connector_circuits SET updated_at = now() - interval '30 days'"))
    fail(sessions, 5)
    assert not is_open(sessions)
    fail(sessions, 1, 2, 3, 4)
    assert is_open(sessions)
