"""A bank that takes longer than a run may: what was read is kept, and the run goes on where it was."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.importer.bank import CURSOR, TODAY, WINDOWED, Bank, Harness, ScriptedConnector
from worker.connectors.base import Account, IdClass, Page, Scope, SyncState
from worker.errors import StopRequestedError
from worker.importer.engine import run
from worker.importer.fetch.request_plan import FetchRequest, parts_of
from worker.importer.fetch.window import Window, without
from worker.runs.hand_back import hand_back
from worker.runs.lease import claim
from worker.runs.states import Outcome, RunKind


@dataclass
class Clock:
    """Time passes by pages alone."""

    now_s: float = 0

    def __call__(self) -> float:
        return self.now_s


class SlowConnector(ScriptedConnector):
    """Serves a bank whose every page takes a second."""

    def __init__(self, bank: Bank, clock: Clock) -> None:
        super().__init__(bank)
        self.clock = clock

    def get_transactions(self, account_id, from_date, to_date):
        for page in super().get_transactions(account_id, from_date, to_date):
            self.clock.now_s += 1
            yield page

    def refresh(self, state: SyncState):
        if self.capabilities.cursor_scope is None:
            yield from super().refresh(state)
            return
        start = int(state.cursor or 0)
        self.bank.calls.append((state.account_id, state.cursor))
        for at in range(start, max(len(self.bank.rows), start + 1), self.bank.page_rows):
            self.clock.now_s += 1
            rows = self.bank.rows[at : at + self.bank.page_rows]
            covers = state.window if state.cursor is None else None
            yield Page(transactions=tuple(rows), next_cursor=str(at + len(rows)), covers=covers)


class Killed(BaseException):
    """The worker is gone in the middle of a page."""


class TooManyAttemptsError(Exception):
    """The run is not over after so many attempts."""


class Attempts:
    """Runs one run again and again, as workers with a deadline do, until it is closed."""

    def __init__(self, harness, deadline_s: float) -> None:
        self.harness, self.deadline_s, self.clock = harness, deadline_s, Clock()
        self.made, self.most = 0, 200
        self.kills: set[int] = set()
        harness.connector = lambda: SlowConnector(harness.bank, self.clock)

    def __call__(self, kind: RunKind = RunKind.REFRESH) -> Outcome:
        claimed = self.harness.claim(kind)
        while True:
            self.made += 1
            if self.made > self.most:
                raise TooManyAttemptsError
            started_s, advanced = self.clock(), []

            def check(started_s: float = started_s) -> None:
                if self.clock() in self.kills:
                    self.kills.discard(self.clock())
                    raise Killed
                if self.clock() - started_s > self.deadline_s:
                    raise StopRequestedError("the run used up its time")

            context = replace(
                self.harness.context(),
                check=check,
                clock=self.clock,
                part_s=self.deadline_s / 2,
                note_part_days=self._limit_days,
                note_progress=lambda advanced=advanced: advanced.append(1),
            )
            try:
                return run(claimed, context)
            except StopRequestedError:
                with self.harness.sessions() as session:
                    hand_back(session, claimed.lease, counted=not advanced)
                with self.harness.sessions() as session:
                    claimed = claim(session, self.harness.run_id, worker_name="test", lease_s=60)
            except Killed:
                self.harness.sql(
                    "UPDATE bank_import_runs SET lease_expires_at = now() - interval '1 s' WHERE status = 'running'"
                )
                with self.harness.sessions() as session:
                    claimed = claim(session, self.harness.run_id, worker_name="another", lease_s=60)

    def _limit_days(self, days: int) -> None:
        self.harness.sql("UPDATE bank_import_runs SET part_days = :d WHERE id = :id", d=days, id=self.harness.run_id)


@pytest.fixture
def new_user(sessions):
    """Write one more user and return the id."""

    def make():
        with sessions() as session:
            return session.execute(
                text("INSERT INTO users (email, password_hash) VALUES (gen_random_uuid()::text, 'x') RETURNING id")
            ).scalar_one()

    return make


def state(harness):
    ((attempt, fetched, days),) = harness.sql(
        "SELECT attempt, fetched, read_to_on - read_from_on + 1 FROM bank_import_runs WHERE id = :id", id=harness.run_id
    )
    return attempt, fetched, days


DAYS = 400
ORDERS = {
    "newest first": lambda rows: rows[::-1],
    "oldest first": lambda rows: rows,
    "in no order": lambda rows: sorted(rows, key=lambda row: hash((row.external_id, "order"))),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("scope", Scope)
def test_an_import_that_takes_five_times_as_long_as_a_run_may_arrives_once(harness, scope, order):
    for day in range(DAYS):
        harness.bank.buy("-1.00", f"Shop {day}", external_id=f"r{day}", booking_on=TODAY - timedelta(days=day))
    harness.bank.rows = ORDERS[order](harness.bank.rows[::-1])
    harness.bank.capabilities = replace(WINDOWED, fetch_scope=scope, history_days=DAYS)
    harness.bank.page_rows = 10
    attempts = Attempts(harness, deadline_s=8)
    outcome = attempts()
    assert (outcome.status, outcome.code) == ("succeeded", "ok")
    assert len(harness.amounts()) == DAYS
    assert state(harness) == (1, DAYS, DAYS + 1), "no attempt is spent, and every row is counted once"
    assert attempts.clock.now_s <= 3 * DAYS / harness.bank.page_rows
    harness.bank.page_rows = 1000
    assert harness.refresh().code == "nothing_new", "all history is read"


def test_days_since_the_last_run_are_walked_forward(harness):
    harness.bank.capabilities = replace(WINDOWED, history_days=DAYS)
    harness.refresh()
    harness.day_later(300)
    for day in range(300):
        harness.bank.buy("-1.00", f"Shop {day}", external_id=f"n{day}", booking_on=TODAY + timedelta(days=day + 1))
    harness.bank.page_rows = 10
    assert Attempts(harness, deadline_s=8)().status == "succeeded"
    assert len(harness.amounts()) == 300
    assert state(harness)[0] == 1
    assert harness.sql("SELECT watermark_on FROM bank_connection_accounts") == [(TODAY + timedelta(days=300),)]


@pytest.mark.parametrize("kind", [RunKind.IMPORT, RunKind.REFRESH])
@pytest.mark.parametrize("scope", Scope)
def test_a_delivery_by_cursor_goes_on_from_the_last_page_that_was_imported(harness, kind, scope):
    for number in range(300):
        harness.bank.buy("-1.00", f"Shop {number}", external_id=f"r{number}")
    harness.bank.page_rows = 10
    harness.bank.capabilities = replace(CURSOR, cursor_scope=scope, fetch_scope=scope, cursor_resumes=True)
    attempts = Attempts(harness, deadline_s=6)
    assert attempts(kind).status == "succeeded"
    assert len(harness.amounts()) == 300
    assert state(harness)[:2] == (1, 300)
    assert attempts.clock.now_s <= 40, "no page that was imported is read again"
    assert attempts.made >= 4


def test_a_row_that_one_page_of_many_tells_again_is_counted_by_the_next_run(harness):
    harness.bank.capabilities = replace(CURSOR, id_class=IdClass.NONE, cursor_resumes=True)
    coffee = harness.bank.buy("-3.50", "Coffee")
    attempts = Attempts(harness, deadline_s=600)
    assert attempts().status == "succeeded"
    harness.bank.rows.append(coffee)
    for number in range(30):
        harness.bank.buy("-1.00", f"Shop {number}")
    harness.bank.page_rows = 2
    attempts.deadline_s = 6
    assert attempts().code == "rows_told_again"
    attempts.deadline_s = 600
    assert attempts().status == "succeeded"
    assert Counter(harness.amounts()) == {"-3.50": 2, "-1.00": 30}


def test_two_accounts_of_a_slow_bank_arrive(harness):
    harness.bank.accounts = [Account(external_id=name, name=name, currency="EUR") for name in "AB"]
    for day in range(100):
        for name in "AB":
            harness.bank.buy("-1.00", external_id=f"{name}{day}", account_id=name, booking_on=TODAY - timedelta(day))
    harness.bank.page_rows = 5
    harness.bank.capabilities = replace(WINDOWED, history_days=100)
    assert Attempts(harness, deadline_s=8)().status == "succeeded"
    assert len(harness.amounts()) == 200
    assert state(harness)[:2] == (1, 200)


def test_a_refresh_that_may_be_an_unchanged_one_keeps_what_it_read_of_many_accounts(harness):
    names = [f"A{number}" for number in range(40)]
    harness.bank.accounts = [Account(external_id=name, name=name, currency="EUR") for name in names]
    for name in names:
        harness.bank.buy("-1.00", external_id=name, account_id=name)
    for _ in range(2):
        harness.refresh()
    assert harness.sql("SELECT answer_digest IS NOT NULL FROM bank_connections") == [(True,)]
    harness.bank.buy("-2.00", external_id="new", account_id=names[-1])
    attempts = Attempts(harness, deadline_s=30)
    assert attempts().status == "succeeded"
    assert len(harness.amounts()) == len(names) + 1
    assert state(harness)[:2] == (1, len(names) + 1), "no attempt is spent"
    assert attempts.clock.now_s <= 1.5 * len(names)


@pytest.mark.parametrize("before", [14, 15])
def test_a_large_account_that_comes_last_of_what_is_fetched_ahead_spends_one_attempt(harness, before):
    names = [f"A{number:02}" for number in range(before)] + ["Z"]
    harness.bank.accounts = [Account(external_id=name, name=name, currency="EUR") for name in names]
    for name in names:
        harness.bank.buy("-1.00", external_id=name, account_id=name)
    for number in range(40):
        on = TODAY - timedelta(days=number)
        harness.bank.buy("-1.00", external_id=f"Z{number}", account_id="Z", booking_on=on)
    harness.bank.page_rows = 2
    for _ in range(2):
        harness.refresh()
    harness.bank.buy("-2.00", external_id="new", account_id="Z")
    assert Attempts(harness, deadline_s=30)().status == "succeeded"
    assert state(harness)[0] <= 2


class EndlessConnector(SlowConnector):
    """Says with every page that there is more, under a cursor that was never there before."""

    def refresh(self, state: SyncState):
        for number in range(int(state.cursor or 0), 1_000_000):
            self.clock.now_s += 1
            yield Page(transactions=tuple(self.bank.rows), next_cursor=str(number + 1))


ENDLESS = replace(CURSOR, cursor_resumes=True)
NEVER_DONE = {  # what the bank can, its rows, how many of them a page holds, and how many arrive
    "longer than a run for one day": (SlowConnector, WINDOWED, 100, 1, 0),
    "pages without rows and without end": (EndlessConnector, ENDLESS, 0, 1, 0),
    "the same rows again and again": (EndlessConnector, ENDLESS, 3, 3, 3),
}


@pytest.mark.parametrize("case", NEVER_DONE)
def test_a_bank_that_never_comes_to_an_end_spends_attempts(harness, case):
    connector, capabilities, rows, page_rows, arrived = NEVER_DONE[case]
    for number in range(rows):
        harness.bank.buy("-1.00", f"Shop {number}", external_id=f"r{number}")
    harness.bank.page_rows, harness.bank.capabilities = page_rows, capabilities
    attempts = Attempts(harness, deadline_s=8)
    attempts.most = 8
    harness.connector = lambda: connector(harness.bank, attempts.clock)
    with pytest.raises(TooManyAttemptsError):
        attempts()
    assert state(harness)[0] >= attempts.most - bool(arrived)
    assert len(harness.amounts()) == arrived


def request(from_on: date, to_on: date) -> FetchRequest:
    return FetchRequest(accounts=[], account_id="A", window=Window(from_on=from_on, to_on=to_on), by_cursor=False)


@pytest.mark.parametrize(
    ("days", "read", "part_days"),
    [(400, 80, 40), (400, 400, 100), (400, 0, 100), (4, 1, 1), (2, 2, 1), (100, 1, 1)],
    ids=["half of what was read", "a quarter at most", "rows without days", "a few days", "two days", "one day"],
)
def test_parts_are_smaller_than_what_took_too_long_and_leave_no_day_out(days, read, part_days):
    asked = request(TODAY - timedelta(days=days - 1), TODAY)
    windows = [part.window for part in parts_of(asked, read)]
    assert (windows[0].to_on - windows[0].from_on).days + 1 == part_days
    assert windows[0].to_on == TODAY
    assert windows[-1].from_on == asked.window.from_on
    assert all(newer.from_on - older.to_on == timedelta(days=1) for newer, older in pairwise(windows))


@pytest.mark.parametrize(
    ("read", "left"),
    [((4, 6), [(7, 9), (1, 3)]), ((1, 9), []), ((1, 4), [(5, 9)]), ((7, 12), [(1, 6)]), ((20, 21), [(1, 9)])],
)
def test_days_that_were_read_are_left_out(read, left):
    day = lambda number: date(2026, 1, number)  # noqa: E731
    windows = without([Window(from_on=day(1), to_on=day(9))], Window(from_on=day(read[0]), to_on=day(read[1])))
    if read == (20, 21):
        windows = sorted(set(windows), key=lambda window: window.from_on)
    assert windows == [Window(from_on=day(first), to_on=day(last)) for first, last in left]


def test_what_is_left_is_asked_for_beside_the_days_that_were_read():
    """Windows of a refresh that walk forward from before the days that a first attempt read of a first load."""
    day = lambda number: date(2026, 1, number)  # noqa: E731
    walked = [Window(from_on=day(n), to_on=day(n + 4)) for n in (6, 11, 16, 21, 26)] + [
        Window(from_on=day(1), to_on=day(5))
    ]
    left = without(walked, Window(from_on=day(16), to_on=day(22)))
    assert [(window.from_on.day, window.to_on.day) for window in left] == [
        (23, 25),
        (26, 30),
        (11, 15),
        (6, 10),
        (1, 5),
    ]


# A first load that was cut, taken over, and cut again: days between those of two attempts counted as read.
TAKEN_OVER = {
    "ages": [25, 43, 2, 9, 7, 18, 4, 120, 4],
    "page_rows": 1,
    "deadline_s": 9,
    "accounts": 1,
    "by_cursor": False,
    "scope": Scope.CONNECTION,
    "kind": RunKind.REFRESH,
    "kills": {2, 5, 28},
}
LIVES = st.fixed_dictionaries(
    {
        "ages": st.lists(st.integers(0, 120), max_size=60),
        "page_rows": st.integers(1, 20),
        "deadline_s": st.integers(6, 12),
        "accounts": st.integers(1, 3),
        "by_cursor": st.booleans(),
        "scope": st.sampled_from(Scope),
        "kind": st.sampled_from([RunKind.IMPORT, RunKind.REFRESH]),
        "kills": st.sets(st.integers(1, 40), max_size=3),
    }
)


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(life=LIVES)
@example(life=TAKEN_OVER)
def test_however_slow_a_bank_is_and_whenever_workers_die_each_row_arrives_once(sessions, new_user, life):
    most_in_a_day = max(Counter(life["ages"]).values(), default=0)
    assume(most_in_a_day / life["page_rows"] < life["deadline_s"] - 2)  # a day is never cut
    harness = Harness(sessions, new_user())
    bank = harness.bank
    bank.accounts = [Account(external_id=f"A{n}", name=f"A{n}", currency="EUR") for n in range(life["accounts"])]
    for number, age in enumerate(life["ages"]):
        bank.buy(
            "-1.00",
            f"Shop {number}",
            external_id=f"r{number}",
            account_id=f"A{number % life['accounts']}",
            booking_on=TODAY - timedelta(days=age),
        )
    bank.page_rows = life["page_rows"]
    bank.capabilities = (
        replace(CURSOR, cursor_resumes=True)
        if life["by_cursor"]
        else replace(WINDOWED, fetch_scope=life["scope"], history_days=120)
    )
    attempts = Attempts(harness, life["deadline_s"])
    attempts.kills = {*life["kills"]}
    outcome = attempts(life["kind"])
    assert outcome.status == "succeeded"
    assert state(harness)[0] <= 1 + len(life["kills"]), "only the dead spend attempts"
    assert len(harness.amounts()) == len(life["ages"])
    bank.page_rows = 1000
    assert harness.refresh().counts.created == 0
    assert len(harness.amounts()) == len(life["ages"])
