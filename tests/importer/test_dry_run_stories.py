"""A dry run writes nothing but its report, and the import after it does exactly what the report says."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.importer.bank import TODAY, WINDOWED, Harness
from tests.importer.test_kind_stories import TWO
from worker.connectors.base import Account, IdClass, RemovedTransaction, TransactionKind
from worker.connectors.errors import InvalidDataError, RateLimitError, RateLimitScope
from worker.importer.store.expenses.locks import ExpensesChangedError
from worker.runs.run_queries import decisions_of
from worker.runs.states import RunKind

# when the user was last seen is written by whoever asks for a run
OWN = ("bank_import_runs", "bank_transaction_changes", "bank_import_run_accounts", "user_preferences")


def everything(harness):
    """What every table holds, the runs' own records apart."""
    tables = harness.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return {t: harness.sql(f"SELECT md5(string_agg(x::text, '|' ORDER BY x::text)) FROM {t} x") for (t,) in tables
            if t not in OWN}  # fmt: skip


def told(harness):
    with harness.sessions() as session:
        rows = decisions_of(session, harness.run_id, limit=1000)
    return sorted((d["decision"], d["reason"], str(d["amount"]), d["description"], d["account"]) for d in rows)


def suggested(harness):
    return harness.sql("SELECT reason FROM bank_match_suggestions WHERE run_id = :r ORDER BY 1", r=harness.run_id)


def posted(harness):
    pending = harness.bank.buy("-20", "Trattoria", external_id="p", pending=True)
    harness.refresh()
    harness.bank.rows.remove(pending)
    harness.bank.buy("-23", "TRATTORIA ROMA", external_id="q")


def vanished(harness):
    harness.bank.buy("-1", external_id="1")
    gone = harness.bank.buy("-20", "Hotel", external_id="p", pending=True)
    harness.refresh()
    harness.bank.rows.remove(gone)
    harness.refresh()
    harness.day_later(8)


def amended_and_removed(harness):
    row = harness.bank.buy("-1", "Baker", external_id="1")
    harness.bank.buy("-2", "Butcher", external_id="2")
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Mine' WHERE amount = 1")
    harness.bank.change(row, description="Baker & Co", amount=row.amount * 2)
    harness.bank.rows.pop()
    harness.bank.removed = [RemovedTransaction(external_id="2")]


def renumbered(harness):
    for n in range(3):
        harness.bank.buy("-3.50", external_id=f"old-{n}")
    harness.refresh()
    harness.bank.rows = [replace(row, external_id=f"new-{n}") for n, row in enumerate(harness.bank.rows)]


def transfers(harness):
    harness.bank.accounts = TWO
    harness.bank.buy("-500", "Sent", kind=TransactionKind.TRANSFER, external_id="1")
    harness.bank.buy("500", "Received", external_id="2", account_id="B")
    harness.bank.buy("-70", "Transfer", external_id="3")
    harness.bank.buy("70", "Deposit", external_id="4", account_id="B")


def one_leg_known(harness):
    harness.bank.accounts = TWO
    harness.bank.buy("-500", "Sent", kind=TransactionKind.TRANSFER, external_id="1")
    harness.refresh()
    harness.bank.buy("500", "Received", external_id="2", account_id="B")


def existing(harness):
    harness.type_in("7.00", "Butcher")
    harness.type_in("20.00", "lunch")
    harness.bank.buy("-7", "BUTCHER", external_id="3")
    harness.bank.buy("-20", "Trattoria", external_id="4")


def many_windows_with_an_undated_row(harness):
    harness.bank.capabilities = replace(WINDOWED, window_days=30, history_days=100)
    harness.bank.buy("-20", external_id="p", pending=True, booking_on=None)
    for day in (0, 40, 80):
        harness.bank.buy("-1", external_id=str(day), booking_on=TODAY - timedelta(days=day))


def relinked_account(harness):
    harness.bank.accounts = [Account(external_id="A", name="Checking", mask="1234", currency="EUR")]
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.bank.accounts = [Account(external_id="N", name="Checking", mask="1234", currency="EUR")]
    harness.bank.rows = [replace(harness.bank.rows[0], account_id="N", external_id="n")]


def ids_lose_trust(harness):
    harness.bank.buy("-1", "Baker", external_id="1")
    harness.refresh()
    harness.bank.buy("-2", "Butcher", external_id="1")


def twins_without_ids(harness):
    harness.bank.capabilities = replace(WINDOWED, id_class=IdClass.NONE)
    harness.bank.buy("-3.50")
    harness.refresh()
    harness.bank.buy("-3.50")


STORIES = [
    posted, vanished, amended_and_removed, renumbered, transfers, one_leg_known, existing,
    many_windows_with_an_undated_row, relinked_account, ids_lose_trust, twins_without_ids,
]  # fmt: skip


@pytest.mark.parametrize("story", STORIES, ids=[story.__name__.replace("_", " ") for story in STORIES])
def test_the_import_does_what_the_dry_run_promised(harness, story):
    story(harness)
    before = everything(harness)
    promised = harness.refresh(dry_run=True)
    assert everything(harness) == before
    rows = told(harness)
    real = harness.refresh()
    assert (real.counts, real.status, real.code) == (promised.counts, promised.status, promised.code)
    done = told(harness)
    known = {account for (account,) in harness.sql("SELECT name FROM bank_connection_accounts")}
    assert [row[:4] for row in rows if row[0] not in ("unchanged", "suggested")] == [row[:4] for row in done]
    assert [(reason,) for decision, reason, *_ in rows if decision == "suggested"] == suggested(harness)
    assert {row[4] for row in rows} <= known | {None}


def test_rejected_rows_are_in_the_report_and_nowhere_else(harness):
    harness.bank.buy("-1", external_id="1", currency="???")
    outcome = harness.run(RunKind.IMPORT, dry_run=True)
    assert (outcome.code, outcome.counts.rejected) == ("rows_rejected", 1)
    assert [row[:2] for row in told(harness)] == [("rejected", "currency_unknown")]
    assert harness.sql("SELECT count(*) FROM bank_import_rejections") == [(0,)]


def test_what_is_decided_again_because_the_person_changed_an_expense_is_told_once(harness, monkeypatch):
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    tries = iter([ExpensesChangedError])

    def lock_if_unchanged(_session, _expenses):
        if (error := next(tries, None)) is not None:
            raise error

    monkeypatch.setattr("worker.importer.store.write.lock_if_unchanged", lock_if_unchanged)
    harness.refresh(dry_run=True)
    assert (next(tries, None), [row[0] for row in told(harness)]) == (None, ["unchanged"])


def test_one_failing_account_is_told_and_the_others_are_tried(harness):
    harness.bank.accounts.append(Account(external_id="B", name="Savings", currency="EUR"))
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-2", external_id="1", account_id="B")
    harness.bank.errors["transactions:A"] = [InvalidDataError("broken")]
    outcome = harness.refresh(dry_run=True)
    assert (outcome.status, outcome.code, outcome.counts.created) == ("partial", "bad_data", 1)
    assert harness.amounts() == []


def test_a_spent_allowance_defers_a_dry_run_too(harness):
    harness.bank.errors["transactions:A"] = [RateLimitError(scope=RateLimitScope.QUOTA, retry_after_s=60)]
    assert harness.refresh(dry_run=True).status == "deferred"
    assert harness.sql("SELECT count(*) FROM bank_connection_accounts") == [(0,)]


def test_no_transaction_is_open_while_the_bank_is_asked(sessions, user_id):
    harness = Harness(sessions, user_id)
    harness.bank.buy("-1", external_id="1")
    seen = []
    ask = harness.bank.calls
    harness.bank.calls = Listening(ask, lambda: seen.append(harness.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
    )))  # fmt: skip
    harness.refresh(dry_run=True)
    assert seen == [[(0,)]]


class Listening(list):
    """A list of calls that tells of each."""

    def __init__(self, calls, tell):
        super().__init__(calls)
        self.tell = tell

    def append(self, call):
        self.tell()
        super().append(call)
