"""Consents that end in the middle, accounts that expire alone and rows without days or ids, through the real engine.

Each run is recorded, and its recording decides the same.
"""

import gzip
import json
import uuid
from datetime import timedelta

import pytest
from pydantic import SecretStr

from tests.fakes import enablebanking_server, gocardless_server, plaid_server
from tests.fakes.provider_server import NOW
from tests.fakes.raw_server import raw_server, sends
from tests.recordings.recorded import RecordedConnection
from tests.recordings.test_stories import enablebanking, gocardless, plaid, same  # noqa: F401 - fixtures
from worker.connectors.simplefin import SimpleFinConfig, SimpleFinConnector
from worker.net.http import HttpLimits, open_client
from worker.runs.states import RunStatus


def codes(connection):
    rows = connection.sql(
        "SELECT a.external_id, r.code FROM bank_import_run_accounts r JOIN bank_connection_accounts a"
        " ON a.id = r.account_id WHERE r.run_id = :run_id",
        run_id=connection.run_id,
    )
    return dict(map(tuple, rows))


def later(fake, connection, **ago):
    """Let time pass at the provider as here."""
    fake.now = NOW + timedelta(**ago)
    connection.later(fake.now)


def status(connection):
    return connection.sql("SELECT status FROM bank_connections")[0][0]


@pytest.fixture
def two_accounts(gocardless):  # noqa: F811 - a fixture
    fake, connection = gocardless
    fake.account_ids.append(str(uuid.uuid4()))
    fake.pending = []
    return fake, connection


def test_a_consent_of_gocardless_that_ends_between_two_accounts_keeps_what_was_read(two_accounts):
    fake, connection = two_accounts
    fake.revoked_after = 1
    outcome = connection.refresh()
    assert (outcome.status, outcome.code) == (RunStatus.PARTIAL, "needs_user")
    assert len(connection.expenses()) == 5
    fake.status, fake.refused_ids = "LN", set()
    connection.sql("UPDATE bank_connections SET status = 'active', status_code = NULL, status_message = NULL")
    later(fake, connection, days=1)
    assert connection.refresh().status is RunStatus.SUCCEEDED
    assert sorted(connection.amounts()) == sorted(["-5.25", "-6.25", "-7.25", "-8.25", "-9.25"] * 2)
    same(connection)


def test_access_to_one_account_that_expired_starves_no_other_one(two_accounts):
    fake, connection = two_accounts
    first, second = fake.account_ids
    fake.refused_ids = {first}
    for day in range(3):
        later(fake, connection, days=day)
        fake.booked.append(gocardless_server.transaction(f"-{20 + day}.00", transactionId=f"new-{day}"))
        outcome = connection.refresh()
        assert outcome.status is RunStatus.PARTIAL
        assert codes(connection)[first] == "needs_user"
        assert codes(connection)[second] in {"ok", "balance_mismatch"}, "the balance of the fake stands still"
        assert len(connection.expenses()) == 6 + day
    assert status(connection) == "active"
    same(connection)


def test_a_session_of_enable_banking_that_its_person_ends_between_two_pages_leaves_no_half(enablebanking):  # noqa: F811
    fake, connection = enablebanking
    fake.closed_after = 2
    outcome = connection.refresh()
    assert outcome.code == "needs_user"
    assert connection.expenses() == []
    fake.status = "AUTHORIZED"
    connection.sql("UPDATE bank_connections SET status = 'active', status_code = NULL, status_message = NULL")
    later(fake, connection, days=1)
    assert connection.refresh().status is RunStatus.SUCCEEDED
    assert len(connection.expenses()) == 6
    same(connection)


UNDATED = {"status": "PDNG", "booking_date": None, "value_date": None, "transaction_date": None}


def test_a_pending_row_without_any_day_has_the_day_it_was_first_seen_and_posts_in_place(enablebanking):  # noqa: F811
    fake, connection = enablebanking
    pending = enablebanking_server.transaction("42.00", "DBIT", **UNDATED)
    fake.pages = [[pending, pending]]
    for days in (0, 1):
        later(fake, connection, days=days)
        assert connection.refresh().status is RunStatus.SUCCEEDED
        assert [(row[0], row[1]) for row in connection.expenses()] == [(str(NOW.date()), "-42.00")] * 2
    posted = enablebanking_server.transaction("42.00", "DBIT", booking_date="2026-11-22", value_date="2026-11-22")
    fake.pages = [[posted, posted]]
    later(fake, connection, days=2)
    connection.refresh()
    assert connection.amounts() == ["-42.00", "-42.00"]
    assert connection.sql("SELECT count(*) FROM bank_transactions WHERE state = 'pending'")[0][0] == 0
    same(connection)


@pytest.mark.parametrize("trusted", [False, True], ids=["by content", "trusted"])
@pytest.mark.parametrize("placeholder", ["0", "NOTPROVIDED", "000000000"])
def test_a_placeholder_for_a_reference_makes_no_two_purchases_one(enablebanking, placeholder, trusted):  # noqa: F811
    fake, connection = enablebanking
    connection.config = connection.config.model_copy(update={"trust_references": trusted})
    rows = [
        enablebanking_server.transaction(f"{amount}.00", "DBIT", entry_reference=placeholder, booking_date=day)
        for amount, day in ((10, "2026-11-10"), (20, "2026-11-11"), (20, "2026-11-11"), (30, "2026-11-12"))
    ]
    fake.pages = [rows]
    for days in (0, 1, 2):
        later(fake, connection, days=days)
        connection.refresh()
        assert connection.amounts() == ["-10.00", "-20.00", "-20.00", "-30.00"]
    same(connection)


def test_a_chain_of_pending_rows_at_plaid_is_one_expense_with_what_its_person_wrote(plaid):  # noqa: F811
    fake, connection = plaid
    for account in fake.accounts:
        account["balances"] |= {"current": None, "available": None}
    fake.add(plaid_server.transaction("p1", 20.0, pending=True, date="2026-11-19", merchant_name="Trattoria"))
    connection.refresh()
    connection.sql("UPDATE expenses SET notes = 'birthday' WHERE amount = 20")
    before = len(connection.expenses())
    for day, (old, new, rest) in enumerate(
        [
            ("p1", "p2", {"pending": True, "date": "2026-11-20", "pending_transaction_id": "p1"}),
            ("p2", "t", {"date": "2026-11-21", "pending_transaction_id": "p2"}),
        ],
        1,
    ):
        fake.add(plaid_server.transaction(new, 20.0 + day, merchant_name="Trattoria", **rest))
        fake.remove(old)
        later(fake, connection, days=day)
        assert connection.refresh().status is RunStatus.SUCCEEDED
        assert len(connection.expenses()) == before
    assert connection.sql("SELECT amount::text, notes FROM expenses WHERE notes = 'birthday'") == [
        ("22.00", "birthday")
    ]
    same(connection)


BODY = json.dumps(
    {
        "errors": [],
        "accounts": [
            {
                "id": "A", "name": "Checking", "currency": "USD", "balance": "1.00", "balance-date": 1795000000,
                "transactions": [
                    {"id": f"t{place}", "posted": 1794900000 + place, "amount": f"-{place}.50", "description": "Shop"}
                    for place in range(1, 40)
                ],
            }
        ],
    }
).encode()  # fmt: skip
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"


def sized(body, length=None):
    return HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) if length is None else length) + body


def chunked(body, *, ends=True, size=700):
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"Transfer-Encoding: chunked\r\n\r\n" + chunks + (b"0\r\n\r\n" if ends else b"")


def packed(body):
    return gzip.compress(body, mtime=0)


GZIP = HEAD + b"Content-Encoding: gzip\r\n"
WHOLE = {
    "sized": sized(BODY),
    "chunked": HEAD + chunked(BODY),
    "chunked, byte by byte": HEAD + chunked(BODY, size=1),
    "gzip in chunks": GZIP + chunked(packed(BODY), size=50),
    "until closed": HEAD + b"\r\n" + BODY,
}
BROKEN = {
    "shorter than said": sized(BODY[:-200], len(BODY)),
    "no last chunk": HEAD + chunked(BODY[:-200], ends=False),
    "no last chunk, whole JSON": HEAD + chunked(BODY, ends=False),
    "half a gzip": GZIP + b"Content-Length: %d\r\n\r\n" % len(packed(BODY)[:-30]) + packed(BODY)[:-30],
    "gzip that is none": GZIP + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "half a JSON until closed": HEAD + b"\r\n" + BODY[: len(BODY) // 2],
}


def over_the_wire(sessions, user_id, answer):
    client = open_client(HttpLimits(connect_s=5, read_s=20, total_s=20))
    with raw_server(sends(answer)) as url:
        connection = RecordedConnection(sessions, user_id, SimpleFinConnector, lambda: client._transport)
        access_url = f"{url.replace('http://', 'http://user:password@')}/simplefin"
        connection.config, connection.clock = SimpleFinConfig(access_url=SecretStr(access_url)), NOW
        return connection, connection.refresh()


@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE)
def test_however_an_answer_arrives_its_rows_are_imported(sessions, user_id, answer):
    connection, outcome = over_the_wire(sessions, user_id, answer)
    assert outcome.status is RunStatus.SUCCEEDED
    assert len(connection.expenses()) == 39


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_half_an_answer_is_no_answer(sessions, user_id, answer):
    connection, outcome = over_the_wire(sessions, user_id, answer)
    assert (outcome.status, connection.expenses()) == (RunStatus.FAILED, [])
    assert outcome.code in {"provider_down", "bad_data"}
    same(connection)
