"""A connection is linked once, kept sealed, reauthorised in place, and forgotten for good."""

import dataclasses
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from tests.factories import make_connection
from worker.connections import lifecycle
from worker.connections.connection_changes import Schedule
from worker.connections.connection_limit import TooManyConnectionsError
from worker.connections.credentials import open_taken, take_config
from worker.connections.lifecycle import NewConnection
from worker.connectors.errors import AuthenticationError
from worker.errors import ConflictError, InvalidRequestError, KeyProviderUnavailableError, NotFoundError
from worker.models import BankConnection, CredentialAudit
from worker.models.connection_options import ConnectionOptions
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest

TOKEN = {"setup_token": "one-time-secret"}


def wanted(owner, **values):
    return NewConnection(**({"user_id": owner, "connector_name": "counting", "config": TOKEN} | values))


def row_of(sessions, connection_id):
    with sessions() as session:
        return session.get_one(BankConnection, connection_id)


def stored_config(connection_service, connection_id, bank):
    return open_taken(
        connection_service.sessions,
        connection_service.vault,
        take_config(connection_service.sessions, connection_id),
        bank.Config,
    )


def test_a_user_has_so_many_connections_and_no_token_is_spent_on_another(connection_service, bank, user_id):
    bounded = dataclasses.replace(connection_service, most_connections=3)
    first = lifecycle.add(bounded, wanted(user_id))
    lifecycle.add(bounded, wanted(user_id))

    def try_to_add(_):
        try:
            return lifecycle.add(bounded, wanted(user_id))
        except TooManyConnectionsError:
            return None

    with ThreadPoolExecutor(4) as pool:
        added = [row_id for row_id in pool.map(try_to_add, range(4)) if row_id is not None]
    assert len(added) == 1
    bank.calls.clear()
    assert try_to_add(0) is None
    assert bank.calls == []
    lifecycle.remove(bounded, first)
    assert try_to_add(0) is not None
    assert lifecycle.add(connection_service, wanted(user_id)), "an operator may add more"


def test_connections_that_come_and_go_are_bounded_by_the_day(connection_service, bank, user_id, sessions):
    bounded = dataclasses.replace(connection_service, most_connections=1)
    for _ in range(4):
        lifecycle.remove(bounded, lifecycle.add(bounded, wanted(user_id)))
    bank.calls.clear()
    with pytest.raises(TooManyConnectionsError, match="a day"):
        lifecycle.add(bounded, wanted(user_id))
    assert bank.calls == []
    with sessions() as session:
        session.execute(text("UPDATE bank_connections SET created_at = created_at - interval '25 hours'"))
    assert lifecycle.add(bounded, wanted(user_id))


class SealedShut:
    """A vault whose key service is down."""

    def seal(self, _plaintext, _place):
        raise KeyProviderUnavailableError


def test_a_one_time_token_is_not_spent_while_nothing_can_be_sealed(connection_service, bank, user_id):
    with pytest.raises(KeyProviderUnavailableError):
        lifecycle.add(dataclasses.replace(connection_service, vault=SealedShut()), wanted(user_id))
    assert bank.calls == []


def actions(sessions):
    with sessions() as session:
        return list(session.scalars(select(CredentialAudit.action).order_by(CredentialAudit.id)))


def test_adding_links_once_and_keeps_what_the_bank_gave_in_exchange(connection_service, sessions, bank, user_id):
    connection_id = lifecycle.add(connection_service, wanted(user_id))
    row = row_of(sessions, connection_id)
    assert bank.calls == ["link"]
    assert (
        stored_config(connection_service, connection_id, bank)
        .access_url.get_secret_value()
        .endswith("renewed-secret@bank.test")
    )
    assert b"secret" not in row.config_encrypted
    assert (row.status, row.display_name, row.config_key_id) == ("active", "Counting Bank", "k1")
    assert row.next_refresh_at - row.created_at == timedelta(hours=24)
    assert actions(sessions)[0] == "sealed"


def test_choices_are_kept_with_the_connection(connection_service, sessions, user_id):
    connection_id = lifecycle.add(
        connection_service,
        wanted(
            user_id,
            name=" Savings ",
            options=ConnectionOptions(import_pending="hide"),
            schedule=Schedule(refresh_interval=None),
        ),
    )
    row = row_of(sessions, connection_id)
    assert (row.display_name, row.options, row.next_refresh_at) == ("Savings", {"import_pending": "hide"}, None)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"user_id": 10**6}, NotFoundError),
        ({"config": {"password": "hunter2"}}, InvalidRequestError),
        ({"name": "x" * 201}, InvalidRequestError),
    ],
    ids=["no such user", "unknown field", "name too long"],
)
def test_a_request_that_makes_no_sense_spends_no_token(connection_service, bank, user_id, values, error):
    with pytest.raises(error) as raised:
        lifecycle.add(connection_service, wanted(user_id, **values))
    assert bank.calls == []
    assert "hunter2" not in str(raised.value)


def test_a_refused_token_leaves_no_connection(connection_service, sessions, bank, user_id):
    with pytest.raises(AuthenticationError):
        lifecycle.add(connection_service, wanted(user_id, config={"setup_token": "spent"}))
    assert bank.calls == ["link"]
    with sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM bank_connections")) == 0


def test_reauthorising_replaces_the_credentials_in_place_and_wakes_the_connection(
    connection_service, sessions, bank, user_id
):
    connection_id = lifecycle.add(connection_service, wanted(user_id))
    with sessions() as session:
        session.execute(text("UPDATE bank_connections SET status = 'needs_user', status_code = 'expired'"))
    before = row_of(sessions, connection_id)
    lifecycle.reauthorise(connection_service, connection_id, {"setup_token": "another"})
    after = row_of(sessions, connection_id)
    assert (after.config_version, after.link_epoch) == (2, 2)
    assert (after.status, after.status_code) == ("active", None)
    assert after.next_refresh_at < before.next_refresh_at
    assert actions(sessions) == ["sealed", "replaced"]
    assert stored_config(connection_service, connection_id, bank).access_url is not None


def test_pausing_and_resuming(connection_service, sessions, user_id):
    connection_id = lifecycle.add(connection_service, wanted(user_id))
    with sessions() as session:
        lifecycle.pause(session, connection_id)
    assert row_of(sessions, connection_id).status == "paused"
    with sessions() as session:
        lifecycle.resume(session, connection_id)
    assert row_of(sessions, connection_id).status == "active"


def test_resuming_does_not_hide_that_a_login_is_needed(sessions, user_id):
    with sessions() as session:
        connection_id = make_connection(session, user_id, status="needs_user")
    with sessions() as session, pytest.raises(ConflictError, match="new login"):
        lifecycle.resume(session, connection_id)


def test_somebody_elses_connection_is_not_there(connection_service, sessions, user_id):
    connection_id = lifecycle.add(connection_service, wanted(user_id))
    stranger = user_id + 1
    with sessions() as session, pytest.raises(NotFoundError):
        lifecycle.pause(session, connection_id, user_id=stranger)
    for use in (
        lambda: lifecycle.reauthorise(connection_service, connection_id, TOKEN, user_id=stranger),
        lambda: lifecycle.remove(connection_service, connection_id, user_id=stranger),
        lambda: lifecycle.remove(connection_service, uuid.uuid4()),
    ):
        with pytest.raises(NotFoundError):
            use()
    assert row_of(sessions, connection_id).status == "active"


@pytest.mark.parametrize("down", [False, True], ids=["provider answers", "provider is down"])
def test_removing_forgets_the_credentials_whatever_the_provider_says(connection_service, sessions, bank, user_id, down):
    connection_id = lifecycle.add(connection_service, wanted(user_id))
    with sessions() as session:
        run_id = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH))
    bank.down = down
    removed = lifecycle.remove(connection_service, connection_id)
    row = row_of(sessions, connection_id)
    assert removed.revoked is not down
    assert (row.status, row.config_encrypted, row.next_refresh_at) == ("disconnected", None, None)
    with sessions() as session:
        assert session.scalar(text("SELECT status FROM bank_import_runs WHERE id = :id"), {"id": run_id}) == "cancelled"
    assert actions(sessions) == ["sealed", "opened", "removed"]


def test_removing_twice_changes_nothing(connection_service, sessions, bank, user_id):
    connection_id = lifecycle.add(connection_service, wanted(user_id))
    lifecycle.remove(connection_service, connection_id)
    lifecycle.remove(connection_service, connection_id)
    assert bank.calls == ["link", "revoke"]
    assert actions(sessions) == ["sealed", "opened", "removed"]


def test_a_removed_connection_is_neither_paused_nor_reauthorised(connection_service, sessions, user_id):
    connection_id = lifecycle.add(connection_service, wanted(user_id))
    lifecycle.remove(connection_service, connection_id)
    with sessions() as session, pytest.raises(ConflictError, match="was removed"):
        lifecycle.pause(session, connection_id)
    with pytest.raises(ConflictError, match="was removed"):
        lifecycle.reauthorise(connection_service, connection_id, TOKEN)


EXPENSE = text("INSERT INTO expenses (user_id, amount, spent_at) VALUES (:user_id, 5, '2026-03-04') RETURNING id")
ACCOUNT = text(
    "INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name)"
    " VALUES (:id, :user_id, 'a', 'A') RETURNING id"
)
LINE = text(
    "INSERT INTO bank_transactions (account_id, user_id, identity, content_key, fingerprint, state, effective_on,"
    " amount, currency, description, expense_id, expense_state, first_decision, first_reason)"
    " VALUES (:account_id, :user_id, :identity, '', '', 'posted', '2026-03-04', -5, 'EUR', 'x', :expense_id, :state,"
    " 'created', 'new')"
)


def test_removing_can_take_the_imported_expenses_along_but_never_the_users_own(connection_service, sessions, user_id):
    connection_id = lifecycle.add(connection_service, wanted(user_id))
    with sessions() as session:
        account_id = session.scalar(ACCOUNT, {"id": connection_id, "user_id": user_id})
        imported, linked, unrelated = (session.scalar(EXPENSE, {"user_id": user_id}) for _ in range(3))
        for expense_id, state in ((imported, "own"), (linked, "linked")):
            session.execute(
                LINE,
                {
                    "account_id": account_id,
                    "user_id": user_id,
                    "identity": state.encode(),
                    "expense_id": expense_id,
                    "state": state,
                },
            )
    removed = lifecycle.remove(connection_service, connection_id, delete_expenses=True)
    assert (removed.expenses_deleted, removed.months) == (1, {"2026-03"})
    with sessions() as session:
        left = set(session.scalars(text("SELECT id FROM expenses")))
    assert left == {linked, unrelated}
