"""Four statement files of one account whose days overlap: in whatever order they come, the ledger is the same."""

from collections import Counter
from datetime import timedelta
from itertools import permutations
from random import Random

import pytest

from tests.bank_accounts.histories import FIRST, KINDS, history, state
from tests.bank_accounts.statements import FILES
from tests.file.reader import connector
from tests.importer.bank import Harness
from worker.bank_accounts.answers import undo_answer
from worker.importer.actions.suggestions import accept, list_suggestions

SPANS = {"csv": (0, 20), "ofx": (14, 34), "camt": (28, 48), "mt940": (42, 62)}
"""The days of each file. The CSV states no account number, and the OFX another kind of number than the other two."""

WRITTEN_LIKE = {"mt940": "gocardless"}
ORDERS = list(permutations(SPANS))
TODAY = FIRST + timedelta(days=70)


class Household:
    """A person who uploads files, one connection for each kind."""

    def __init__(self, sessions, user_id, folder, seed):
        self.sessions, self.user_id, self.folder = sessions, user_id, folder
        truth = [one for one in history(Random(seed)) if one.only is None and not one.first_amount]
        truth.sort(key=lambda one: (one.booked, one.number))
        self.files = {
            kind: state(KINDS[WRITTEN_LIKE.get(kind, kind)], kind, truth, *days) for kind, days in SPANS.items()
        }
        self.harnesses: dict[str, Harness] = {}

    @property
    def truth(self) -> Counter[str]:
        purchases = {one.number: one.amount for stated in self.files.values() for one in stated.purchases}
        return Counter(str(amount) for amount in purchases.values())

    def upload(self, kind):
        folder = self.folder / kind
        folder.mkdir()
        (folder / f"statement.{kind}").write_text(FILES[kind](self.files[kind]))
        harness = self.harnesses[kind] = Harness(self.sessions, self.user_id)
        harness.bank.today = TODAY
        harness.connector = lambda: connector(folder, account={"currency": "EUR"})
        harness.refresh()

    def read_again(self):
        for harness in self.harnesses.values():
            harness.refresh()

    def questions(self, kind):
        with self.sessions() as session:
            return [one for one in list_suggestions(session, self.user_id) if one.kind == kind]

    def say_that_accounts_are_one(self):
        """Answer every question about accounts, also those that an answer leads to; return the last one."""
        last_id = None
        while questions := self.questions("account"):
            last_id = questions[0].id
            with self.sessions() as session:
                accept(session, last_id, user_id=self.user_id)
            self.read_again()
        return last_id

    @property
    def any(self) -> Harness:
        return next(iter(self.harnesses.values()))

    def check(self):
        found, truth = Counter(self.any.amounts()), self.truth
        assert not truth - found, "a purchase was swallowed"
        asked = Counter(str(one.bank["amount"]) for one in self.questions("twin"))
        assert not found - truth - asked, "a purchase is doubled, and nobody was asked"
        twice = "SELECT twin_id FROM bank_transactions WHERE expense_state = 'twin' GROUP BY account_id, twin_id"
        assert not self.any.sql(f"{twice} HAVING count(*) > 1"), "one source states a purchase twice"


@pytest.mark.parametrize(("number", "order"), list(enumerate(ORDERS)), ids=["-".join(order) for order in ORDERS])
def test_files_of_overlapping_days_make_each_purchase_one_expense_in_every_order(
    sessions, user_id, tmp_path, number, order
):
    household = Household(sessions, user_id, tmp_path, seed=number)
    for kind in order:
        household.upload(kind)
    household.say_that_accounts_are_one()
    household.check()
    assert household.any.sql("SELECT count(*) FROM bank_accounts") == [(1,)]


def test_accounts_that_a_later_file_shows_to_be_one_are_asked_about_and_parted_again(sessions, user_id, tmp_path):
    household = Household(sessions, user_id, tmp_path, seed=1)
    for kind in ("csv", "mt940", "camt"):
        household.upload(kind)
    assert not household.questions("account")
    household.upload("ofx")
    last_id = household.say_that_accounts_are_one()
    household.check()
    with sessions() as session:
        undo_answer(session, last_id, user_id=user_id)
    doubled = Counter(household.any.amounts()) - household.truth
    assert doubled
    assert household.any.sql("SELECT count(*) FROM bank_accounts") == [(2,)]
    household.say_that_accounts_are_one()
    household.check()
