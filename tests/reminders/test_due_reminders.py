"""Reminders go out by real SMTP, and only what the server accepted counts as sent."""

import ssl
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import SMTPUTF8

import pytest
from aiosmtpd.controller import Controller
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from tests.certificates import write_certificate
from worker.errors import ConfigurationError
from worker.reminders.due_reminders import ReminderPolicy, claim_due, compose, retry_delay_s, send_due_reminders
from worker.reminders.smtp import (
    InvalidAddressError,
    Mailer,
    MailError,
    MailRefusedError,
    MailServer,
    compose_mail,
    parse_mail_server,
)

POLICY = ReminderPolicy()


class Inbox:
    """Keeps what it is given, or answers as told."""

    def __init__(self) -> None:
        self.mails = []
        self.rcpt_answer = self.data_answer = "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - aiosmtpd's name
        if self.rcpt_answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt_answer

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        if self.data_answer.startswith("250"):
            self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return self.data_answer


class AnyPort(Controller):
    """A controller on whatever port is free."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
def server(inbox):
    controller = AnyPort(inbox, hostname="127.0.0.1", port=0)
    controller.start()
    yield parse_mail_server(f"smtp://127.0.0.1:{controller.port}", sender="finmind@example.test")
    controller.stop()


@pytest.fixture
def send(sessions, server):
    def run() -> int:
        with Mailer(server) as mailer:
            return send_due_reminders(sessions, mailer.send, POLICY, stopping=lambda: False)

    return run


@pytest.fixture
def rows(sessions):
    def select(statement: str) -> list:
        with sessions() as session:
            return [tuple(row) for row in session.execute(text(statement))]

    return select


@pytest.fixture
def execute(sessions):
    def run(statement: str) -> None:
        with sessions() as session:
            session.execute(text(statement))

    return run


@pytest.fixture
def add_reminder(sessions, user_id):
    def add(*, channel: str = "email", ago: timedelta = timedelta(minutes=1)) -> int:
        send_at = datetime.now(UTC).replace(tzinfo=None) - ago
        statement = "INSERT INTO reminders (user_id, message, send_at, channel) VALUES (:u, :m, :s, :c) RETURNING id"
        with sessions() as session:
            parameters = {"u": user_id, "m": "Rent is due tomorrow: ₹ 850", "s": send_at, "c": channel}
            return session.execute(text(statement), parameters).scalar_one()

    return add


@pytest.fixture
def _subscribed(execute, user_id):
    execute(
        "INSERT INTO webhook_subscriptions"
        " (id, user_id, url, event_types, api_version, secret_encrypted, secret_key_id)"
        f" VALUES (gen_random_uuid(), {user_id}, 'https://example.com/', '{{*}}', '2026-11-01', '', 'k')"
    )


SENT = """SELECT r.sent, d.state, d.attempt, d.last_code
 FROM reminders r LEFT JOIN reminder_deliveries d ON d.reminder_id = r.id"""


@pytest.mark.usefixtures("_subscribed")
def test_a_due_reminder_goes_to_its_user_and_then_counts_as_sent(inbox, add_reminder, send, rows):
    reminder_id = add_reminder()
    assert send() == 1
    ((recipients, mail),) = inbox.mails
    assert recipients == ["ada@example.test"]
    assert mail["From"] == "finmind@example.test"
    assert mail["Message-ID"] == f"<reminder-{reminder_id}@finmind.invalid>"
    assert "₹ 850" in mail.get_payload(decode=True).decode()
    assert rows(SENT) == [(True, "sent", 1, "ok")]
    assert rows("SELECT type, data ->> 'channel' FROM webhook_events") == [("reminder.sent", "email")]
    assert send() == 0


@pytest.mark.usefixtures("_subscribed")
@pytest.mark.parametrize(
    ("rcpt", "data", "state", "code"),
    [
        ("451 later", "250 OK", "pending", "mail_failed"),
        ("250 OK", "452 full", "pending", "mail_failed"),
        ("550 unknown", "250 OK", "dead", "mail_refused"),
        ("250 OK", "554 spam", "dead", "mail_refused"),
    ],
    ids=["recipient put off", "message put off", "recipient refused", "message refused"],
)
def test_what_the_server_did_not_take_is_never_marked_sent(inbox, add_reminder, send, rows, rcpt, data, state, code):  # noqa: PLR0917
    inbox.rcpt_answer, inbox.data_answer = rcpt, data
    add_reminder()
    assert send() == 0
    assert rows(SENT) == [(False, state, 1, code)]
    assert rows("SELECT count(*) FROM webhook_events") == [(0,)]


def test_a_failure_is_retried_with_growing_waits_until_it_arrives(inbox, add_reminder, send, rows, execute):
    inbox.data_answer = "451 later"
    add_reminder()
    send()
    assert send() == 0
    ((wait_s,),) = rows("SELECT extract(epoch FROM next_attempt_at - now())::int FROM reminder_deliveries")
    assert 50 <= wait_s <= 60
    inbox.data_answer = "250 OK"
    execute("UPDATE reminder_deliveries SET next_attempt_at = now()")
    assert send() == 1
    assert rows(SENT) == [(True, "sent", 2, "ok")]
    assert [retry_delay_s(attempt, POLICY) for attempt in range(1, 6)] == [60, 300, 900, 3600, None]


@pytest.mark.parametrize(
    "given",
    [
        {"channel": "whatsapp"},
        {"channel": "whatsapp:+4912"},
        {"ago": timedelta(minutes=-5)},
        {"ago": timedelta(days=8)},
    ],
    ids=["whatsapp", "whatsapp with a number", "not due", "stale"],
)
def test_what_is_not_ours_or_not_due_is_left_alone(inbox, add_reminder, send, rows, given):
    add_reminder(**given)
    assert send() == 0
    assert (inbox.mails, rows(SENT)) == ([], [(False, None, None, None)])


def test_two_senders_at_once_never_hold_the_same_reminder(sessions, add_reminder):
    for _ in range(4):
        add_reminder()
    with sessions() as first, sessions() as second:
        held = [reminder.id for reminder in claim_due(first, ReminderPolicy(batch=2))]
        held += [reminder.id for reminder in claim_due(second, POLICY)]
    assert len(held) == len(set(held)) == 4


def test_a_sender_that_died_is_taken_over_after_its_lease(sessions, add_reminder, send, execute, rows):
    add_reminder()
    with sessions() as session:
        assert len(claim_due(session, POLICY)) == 1
    assert send() == 0
    execute("UPDATE reminder_deliveries SET lease_expires_at = now() - interval '1 second'")
    assert send() == 1
    assert rows(SENT) == [(True, "sent", 2, "ok")]


def test_a_server_that_is_down_fails_for_now():
    server = MailServer(scheme="smtp", host="127.0.0.1", port=1, sender="a@example.test", timeout_s=1)
    with Mailer(server) as mailer, pytest.raises(MailError) as failure:
        mailer.send(compose_one())
    assert not isinstance(failure.value, MailRefusedError)


def test_plain_text_is_refused_when_tls_was_asked_for(server):
    from dataclasses import replace

    with Mailer(replace(server, scheme="smtp+starttls")) as mailer, pytest.raises(MailError):
        mailer.send(compose_one())


def compose_one(message="m"):
    import uuid

    from worker.reminders.due_reminders import DueReminder

    about = {"id": 1, "user_id": 1, "bill_id": None, "email": "a@example.test", "attempt": 1, "token": uuid.uuid4()}
    return compose(DueReminder(message=message, **about))


def test_what_a_person_wrote_stands_in_the_mail_and_acts_on_nothing():
    mail = compose_one("Rent\u202e\x1b[2J is due\r\nBcc: eve@example.test\r\n\r\n.\r\nQUIT\x9b\u2028")
    assert set(mail.keys()) == set(compose_one().keys())
    assert mail.get_content().splitlines() == ["Rent [2J is due ", "Bcc: eve@example.test ", " ", ". ", "QUIT  "]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for localhost, as one PEM file."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "both.pem", "localhost")


@pytest.mark.parametrize("trusted", [True, False], ids=["a known authority", "an unknown authority"])
def test_starttls_checks_the_certificate_before_the_mail_goes(inbox, certificate, trusted):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    controller = AnyPort(inbox, hostname="127.0.0.1", port=0, tls_context=context, require_starttls=True)
    controller.start()
    server = MailServer(
        scheme="smtp+starttls",
        host="localhost",
        port=controller.port,
        sender="a@example.test",
        tls=ssl.create_default_context(cafile=certificate if trusted else None),
    )
    try:
        with Mailer(server) as mailer:
            if trusted:
                mailer.send(compose_one())
            else:
                with pytest.raises(MailError):
                    mailer.send(compose_one())
    finally:
        controller.stop()
    assert len(inbox.mails) == trusted


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://mail.example.com", "SMTP_URL"),
        ("smtp+ssl://", "host"),
        ("smtp://mail.example.com", "loopback"),
        ("smtp+ssl://mail.example.com:port", "SMTP_URL"),
    ],
)
def test_a_wrong_mail_server_is_named_without_its_password(url, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        parse_mail_server(url.replace("//", "//u:hunter2@") if "mail" in url else url, sender="a@b.c")


def test_the_mail_server_is_read_from_its_url():
    server = parse_mail_server("smtp+ssl://us%40er:p%3Aw@mail.example.com", sender="a@b.c")
    assert (server.host, server.port, server.username, server.password) == ("mail.example.com", 465, "us@er", "p:w")
    assert "p:w" not in repr(server)


@pytest.mark.parametrize("address", ["<", '"', "a@[", "(" * 250, "ada@example.test, eve@example.test", "", "ada"])
def test_an_address_that_is_none_stops_nobody_elses_reminder(address, inbox, add_reminder, send, rows, sessions):
    reminder_id = add_reminder(ago=timedelta(hours=1))
    with sessions() as session:
        statement = "INSERT INTO users (email, password_hash) VALUES (:email, 'x') RETURNING id"
        other_id = session.scalar(text(statement), {"email": address})
        session.execute(text("UPDATE reminders SET user_id = :user"), {"user": other_id})
    add_reminder()
    assert send() == 1
    assert [recipients for recipients, _ in inbox.mails] == [["ada@example.test"]]
    dead = rows(f"SELECT state, last_code FROM reminder_deliveries WHERE reminder_id = {reminder_id}")
    assert dead == [("dead", "invalid_address")]


@given(st.text(max_size=300) | st.from_regex(r"[^@]{0,70}@[^@]{0,70}", fullmatch=True) | st.emails())
def test_any_text_is_the_address_of_one_receiver_or_refused(address):
    try:
        mail = compose_mail(to=address, subject="s", message_id="m", body="b\n")
    except InvalidAddressError:
        return
    assert [one.addr_spec.replace('"', "") for one in mail["To"].addresses] == [address]
    assert mail.as_bytes(policy=SMTPUTF8)
