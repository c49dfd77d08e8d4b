"""Which runs a filter finds, in which order, and that pages hold every run once."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.factories import make_connection
from worker.runs.run_filter import RunFilter, RunOrder, id_range, place_of
from worker.runs.run_queries import list_runs
from worker.runs.states import RunKind, RunStatus

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("beginning", "found"),
    [
        pytest.param("abcd", ("abcd0000", "abcdffff"), id="letters"),
        pytest.param("ABCD", ("abcd0000", "abcdffff"), id="capitals"),
        pytest.param("1234abcd-56", ("1234abcd-5600", "1234abcd-56ff"), id="with a hyphen"),
        pytest.param("12345678", ("12345678-0000", "12345678-ffff"), id="eight figures are no user's id"),
        pytest.param("1234", None, id="a user's id"),
        pytest.param("abc", None, id="too short"),
        pytest.param("abcg", None, id="no hexadecimal"),
        pytest.param("a" * 33, None, id="too long"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_the_beginning_of_an_id_is_told_from_other_words(beginning, found):
    among = id_range(beginning)
    assert (among is None) == (found is None)
    if found:
        assert str(among[0]).startswith(found[0])
        assert str(among[1]).startswith(found[1])


@pytest.fixture
def runs(sessions, user_id):
    """Thirty runs of two banks, three at each moment."""
    with sessions() as session:
        banks = [
            make_connection(session, user_id, display_name="Blue 100%"),
            make_connection(session, user_id, display_name="Red", institution_name="Rote_Bank", connector_name="plaid"),
        ]
        for number in range(30):
            failed = number % 5 == 0
            session.execute(
                text(
                    "INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, code, message,"
                    " queued_at, started_at, finished_at, created, dry_run) VALUES (:id, :bank, :user, :kind, 'user',"
                    " :status, :code, :message, :at, :at, :ended, :created, :dry)"
                ),
                {
                    "id": uuid.UUID(int=number + (0xABCD << 112)),
                    "bank": banks[number % 2],
                    "user": user_id,
                    "kind": "import" if number % 3 else "refresh",
                    "status": "failed" if failed else "succeeded",
                    "code": "timeout" if failed else "ok",
                    "message": "no answer" if failed else None,
                    "at": NOW - timedelta(minutes=number // 3),
                    "ended": NOW - timedelta(minutes=number // 3) + timedelta(seconds=4 + number % 4),
                    "created": number % 6,
                    "dry": number == 7,
                },
            )
    return banks


def _numbers(sessions, **wanted):
    with sessions() as session:
        return [run["id"].int & 0xFF for run in list_runs(session, RunFilter(**wanted))]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        pytest.param({"statuses": [RunStatus.FAILED]}, lambda n: n % 5 == 0, id="state"),
        pytest.param({"code": "timeout"}, lambda n: n % 5 == 0, id="code"),
        pytest.param({"kinds": [RunKind.REFRESH]}, lambda n: n % 3 == 0, id="kind"),
        pytest.param({"connector_name": "plaid"}, lambda n: n % 2 == 1, id="connector"),
        pytest.param({"institution": "rote_"}, lambda n: n % 2 == 1, id="bank; the underscore is no wildcard"),
        pytest.param({"text": "100%"}, lambda n: n % 2 == 0, id="words of a name; the sign is no wildcard"),
        pytest.param({"text": "nobody says so"}, lambda _: False, id="words of nothing"),
        pytest.param({"text": "no answer"}, lambda n: n % 5 == 0, id="words of an error"),
        pytest.param({"text": "ABCD"}, lambda _: True, id="beginning of an id"),
        pytest.param({"text": "abce"}, lambda _: False, id="beginning of no id"),
        pytest.param({"dry_run": True}, lambda n: n == 7, id="dry"),
        pytest.param({"dry_run": False}, lambda n: n != 7, id="real"),
        pytest.param({"from_at": NOW - timedelta(minutes=1)}, lambda n: n < 6, id="since"),
        pytest.param({"until_at": NOW - timedelta(minutes=8)}, lambda n: n >= 27, id="until"),
    ],
)
@pytest.mark.usefixtures("runs")
def test_a_filter_finds_what_fits_and_nothing_else(sessions, wanted, fits):
    assert sorted(_numbers(sessions, **wanted)) == [number for number in range(30) if fits(number)]


@pytest.mark.parametrize("order", list(RunOrder))
@pytest.mark.usefixtures("runs")
def test_pages_of_every_order_hold_each_run_once_and_in_order(sessions, order):
    found, after = [], None
    with sessions() as session:
        whole = list_runs(session, RunFilter(order=order, limit=100))
        while page := list_runs(session, RunFilter(order=order, after=after, limit=7)):
            found += page
            after = place_of(page[-1], order)
    assert [run["id"] for run in found] == [run["id"] for run in whole]
    keys = {
        RunOrder.NEWEST: lambda run: (-run["queued_at"].timestamp(), -run["id"].int),
        RunOrder.OLDEST: lambda run: (run["queued_at"].timestamp(), run["id"].int),
        RunOrder.LONGEST: lambda run: -run["duration_s"] if run["duration_s"] > 5 else 0,
        RunOrder.MOST_CHANGED: lambda run: -run["created"],
    }
    assert found == sorted(found, key=keys[order])
