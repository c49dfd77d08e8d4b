"""What may be chosen is validated; what may not be chosen is named."""

from datetime import timedelta

import pytest

from tests.factories import make_connection
from worker.connections import connection_changes
from worker.connections.connection_queries import find, list_accounts, list_connections
from worker.errors import InvalidRequestError, NotFoundError
from worker.models import BankConnectionAccount


@pytest.fixture
def connection(sessions, user_id):
    with sessions() as session:
        yield find(session, make_connection(session, user_id))


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"import_pending": "maybe"}, "import_pending"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"history_days": 0}, "history_days"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_unknown_policy_is_named(connection, changes, names):
    with pytest.raises(InvalidRequestError, match=names):
        connection_changes.change_options(connection, changes)


def test_policies_are_merged_and_none_means_the_default(connection):
    connection_changes.change_options(connection, {"transfers": "show_both", "history_days": 30})
    connection_changes.change_options(connection, {"history_days": None, "date_basis": "booking"})
    assert connection.options == {"transfers": "show_both", "date_basis": "booking"}


@pytest.mark.parametrize(
    "changes",
    [
        {"refresh_interval": timedelta(seconds=5)},
        {"refresh_interval": timedelta(days=400)},
        {"refresh_from_hour": 8},
        {"refresh_from_hour": 8, "refresh_until_hour": 24},
    ],
    ids=["too often", "too rarely", "half a range", "no such hour"],
)
def test_a_schedule_that_cannot_be_kept_is_refused(connection, changes):
    with pytest.raises(InvalidRequestError, match="schedule"):
        connection_changes.change_schedule(connection, changes)


def test_without_an_interval_nothing_is_due(connection):
    connection_changes.change_schedule(connection, {"refresh_interval": None})
    assert connection.next_refresh_at is None


@pytest.mark.parametrize("name", ["", "   ", "x" * 201])
def test_a_name_has_1_to_200_characters(connection, name):
    with pytest.raises(InvalidRequestError):
        connection_changes.rename(connection, name)


def test_an_account_that_is_not_there_cannot_be_left_out(sessions, connection):
    with sessions() as session, pytest.raises(NotFoundError):
        connection_changes.include_account(session, connection.id, "nope", included=False)


def test_a_person_says_whether_an_account_is_inverted_and_imported(sessions, user_id):
    with sessions() as session:
        connection_id = make_connection(session, user_id)
        account = BankConnectionAccount(connection_id=connection_id, user_id=user_id, external_id="A", name="Card")
        session.add(account)
        session.flush()
        connection_changes.invert_account(session, connection_id, "A", inverted=True)
        connection_changes.include_account(session, connection_id, account.id, included=False)
        session.refresh(account)
        assert (account.inverted, account.included) == (True, False)


def test_connections_are_shown_without_their_credentials(sessions, user_id):
    with sessions() as session:
        connection_id = make_connection(session, user_id)
    with sessions() as session:
        (shown,) = list_connections(session, user_id=user_id)
        assert shown["id"] == connection_id
        assert shown["has_credentials"] is True
        assert not any("config" in name for name in shown)
        assert list_connections(session, user_id=user_id + 1) == []
        assert list_accounts(session, connection_id) == []
