"""A bank that answers a few requests and then asks to wait: what it gave before is kept, so that all of it arrives."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from tests.importer.bank import CURSOR, TODAY, WINDOWED, Bank, ScriptedConnector
from worker.connectors.base import Page, Scope, SyncState
from worker.connectors.errors import RateLimitError, RateLimitScope
from worker.importer.engine import run
from worker.runs.lease import claim
from worker.runs.states import RunKind, RunStatus

PAGES_AT_ONCE = 5
DAYS = 100


@dataclass
class Patience:
    """How many pages the bank still gives before it asks to wait."""

    refusal: Exception
    pages: int = PAGES_AT_ONCE

    def ask(self):
        if self.pages == 0:
            raise self.refusal
        self.pages -= 1


class LimitedConnector(ScriptedConnector):
    def __init__(self, bank: Bank, patience: Patience) -> None:
        super().__init__(bank)
        self.patience = patience

    def get_transactions(self, account_id, from_date, to_date):
        pages = super().get_transactions(account_id, from_date, to_date)
        while True:
            self.patience.ask()
            page = next(pages, None)
            if page is None:
                return
            yield page

    def refresh(self, state: SyncState):
        for at in range(int(state.cursor or 0), len(self.bank.rows), self.bank.page_rows):
            self.patience.ask()
            rows = tuple(self.bank.rows[at : at + self.bank.page_rows])
            yield Page(transactions=rows, next_cursor=str(at + len(rows)))


TOO_MANY = RateLimitError("too many requests", retry_after_s=60)
SPENT = RateLimitError("the allowance is spent", retry_after_s=3600, scope=RateLimitScope.QUOTA)
CASES = {
    "windows, too many at once": (replace(WINDOWED, fetch_scope=Scope.ACCOUNT, history_days=DAYS), TOO_MANY),
    "a cursor, too many at once": (replace(CURSOR, cursor_resumes=True), TOO_MANY),
    "a cursor, an allowance": (replace(CURSOR, cursor_resumes=True), SPENT),
}


@pytest.mark.parametrize("case", CASES)
def test_a_first_import_of_more_pages_than_the_bank_gives_at_once_arrives_in_the_end(harness, case):
    capabilities, refusal = CASES[case]
    harness.bank.capabilities, harness.bank.page_rows = capabilities, 5
    for day in range(DAYS):
        harness.bank.buy("-1.00", f"Shop {day}", external_id=f"r{day}", booking_on=TODAY - timedelta(days=day))
    patience = Patience(refusal)
    harness.connector = lambda: LimitedConnector(harness.bank, patience)

    def limit_days(days):
        harness.sql("UPDATE bank_import_runs SET part_days = :d WHERE id = :id", d=days, id=harness.run_id)

    context = replace(harness.context(), note_part_days=limit_days)
    claimed, waits = harness.claim(RunKind.REFRESH), 0
    while (outcome := run(claimed, context)).status is not RunStatus.SUCCEEDED:
        assert outcome.status is RunStatus.DEFERRED
        waits += 1
        assert waits <= DAYS / PAGES_AT_ONCE
        patience.pages = PAGES_AT_ONCE
        harness.sql("UPDATE bank_import_runs SET not_before = now()")
        with harness.sessions() as session:
            claimed = claim(session, harness.run_id, worker_name="test", lease_s=60)
    assert len(harness.amounts()) == DAYS
