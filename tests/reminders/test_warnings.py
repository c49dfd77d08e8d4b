"""Warnings about connections: one mail for a cause, by a real server, and only while the cause holds."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.factories import make_connection
from tests.reminders.test_due_reminders import AnyPort, Inbox
from worker.models import BankConnection
from worker.reminders.consent import warn_of_expiring_consents
from worker.reminders.due_reminders import ReminderPolicy
from worker.reminders.smtp import Mailer, MailError, parse_mail_server
from worker.reminders.warnings import DueWarning, compose_warning, send_due_warnings
from worker.runs.ending import ask_user
from worker.runs.states import Outcome, RunStatus

RENEW = "https://finmind.test/banks/{connection_id}"


@pytest.fixture
def connection_id(sessions, user_id):
    with sessions() as session:
        return make_connection(session, user_id, display_name="Joint account", last_good_run_id=uuid.uuid4())


@pytest.fixture
def execute(sessions):
    def run(statement, **values):
        with sessions() as session:
            found = session.execute(text(statement), values)
            return found.all() if found.returns_rows else []

    return run


@pytest.fixture
def sent():
    return []


@pytest.fixture
def send(sessions, sent):
    def run(deliver=None):
        return send_due_warnings(
            sessions, deliver or sent.append, ReminderPolicy(), renew_url=RENEW, stopping=lambda: False
        )

    return run


@pytest.fixture
def needs_user(sessions, connection_id):
    def run():
        with sessions() as session:
            connection = session.get_one(BankConnection, connection_id, with_for_update=True)
            ask_user(session, connection, Outcome(status=RunStatus.FAILED, code="needs_user", message="x"))

    return run


def expires_in(execute, days):
    execute("UPDATE bank_connections SET consent_expires_at = now() + make_interval(days => :days)", days=days)


def tick(sessions):
    with sessions() as session:
        warn_of_expiring_consents(session)


def test_a_consent_that_ends_is_warned_of_once_per_step(sessions, execute, connection_id, send, sent):
    for days, mails in ((20, 0), (14, 1), (7, 1), (1, 1)):
        expires_in(execute, days)
        for _ in range(2):
            tick(sessions)
        assert send() == mails
    assert len(sent) == 3
    words = sent[-1].get_content()
    assert "Joint account" in words
    assert RENEW.replace("{connection_id}", str(connection_id)) in words


def test_a_bank_that_needs_its_user_is_told_once_until_it_worked_again(execute, needs_user, send, sent):
    needs_user()
    needs_user()
    assert (send(), send()) == (1, 0)
    execute("UPDATE bank_connections SET status = 'active'")
    needs_user()
    assert send() == 0, "nothing was good since"
    execute("UPDATE bank_connections SET status = 'active', last_good_run_id = gen_random_uuid()")
    needs_user()
    assert send() == 1
    assert sent[0]["Subject"] == "FinMind: your bank needs you"


def test_a_cause_that_no_longer_holds_is_not_mailed(sessions, execute, needs_user, send, sent):
    needs_user()
    execute("UPDATE bank_connections SET status = 'active'")
    expires_in(execute, 5)
    tick(sessions)
    expires_in(execute, 180)
    assert (send(), sent) == (0, [])
    assert execute("SELECT DISTINCT state FROM connection_warnings") == [("obsolete",)]


@pytest.mark.usefixtures("connection_id")
@pytest.mark.parametrize("moved_to_days", [5.001, 3, 10])
def test_an_end_that_moved_while_its_mail_waited_is_mailed_once_with_the_new_day(
    sessions, execute, send, sent, moved_to_days
):
    expires_in(execute, 5)
    tick(sessions)
    execute(
        "UPDATE bank_connections SET consent_expires_at = now() + make_interval(secs => :s)", s=moved_to_days * 86400
    )
    tick(sessions)
    assert (send(), send()) == (1, 0)
    [(day,)] = execute("SELECT to_char(consent_expires_at, 'YYYY-MM-DD') FROM bank_connections")
    assert day in sent[0].get_content()


@pytest.mark.usefixtures("connection_id")
def test_a_later_step_replaces_the_mail_of_an_earlier_one_that_still_waits(sessions, execute, send, sent):
    for days in (7, 1):
        expires_in(execute, days)
        tick(sessions)
    assert (send(), len(sent)) == (1, 1)


def test_a_user_who_wants_no_mail_gets_none(execute, user_id, needs_user, send):
    execute("INSERT INTO user_preferences (user_id, warn_by_mail) VALUES (:user_id, false)", user_id=user_id)
    needs_user()
    assert send() == 0
    assert execute("SELECT * FROM connection_warnings") == []


def test_a_server_that_is_down_delays_a_warning(execute, needs_user, send, sent):
    needs_user()

    def down(_mail):
        raise MailError("down")

    assert send(down) == 0
    assert send() == 0
    execute("UPDATE connection_warnings SET next_attempt_at = now()")
    assert send() == 1
    assert len({mail["Message-ID"] for mail in sent}) == 1


def test_it_arrives_by_smtp(needs_user, send):
    inbox = Inbox()
    server = AnyPort(inbox, hostname="127.0.0.1", port=0)
    server.start()
    try:
        port = server.server.sockets[0].getsockname()[1]
        with Mailer(parse_mail_server(f"smtp://127.0.0.1:{port}", sender="finmind@example.test")) as mailer:
            needs_user()
            assert send(mailer.send) == 1
    finally:
        server.stop()


def test_what_people_and_banks_wrote_is_inert():
    warning = DueWarning(
        id=1, connection_id=uuid.uuid4(), kind="consent_ends", attempt=1, email="ada@example.test",
        consent_expires_at=datetime.now(UTC) + timedelta(days=1), institution_name=None, days_left=1,
        display_name="Bank\r\nBcc: eve@example.test\x1b[2J\u202e",
    )  # fmt: skip
    mail = compose_warning(warning, None)
    assert mail["Bcc"] is None
    words = mail.get_content()
    assert not {"\x1b", "\u202e", "\r"} & set(words)
    assert len(words.splitlines()) == 2
