"""What a person's act replaced comes back whole when the act is undone: expenses with their ids, edits and categories.

Every kind of answer and of unmatching is one row of a table. All columns of expenses and rows of the bank are compared
but those that say when and by which run a row was written.
"""

from datetime import timedelta

import pytest

from tests.factories import subscribe
from tests.importer.bank import CURSOR, TODAY, Harness
from worker.bank_accounts.answers import undo_answer
from worker.bank_accounts.unmatching import unmatch
from worker.connectors.base import Account, TransactionKind
from worker.importer.actions.suggestions import accept, list_suggestions
from worker.importer.store.suggestions.ask import suggest_account

GIRO = Account(external_id="A", name="Giro", currency="EUR", anchor="iban:DE1")
SAVINGS = Account(external_id="A", name="Savings", currency="EUR", anchor="iban:DE2")
LONG_AGO = TODAY - timedelta(days=28)
EDITS = "UPDATE expenses SET notes = 'Dinner with Bo', amount = amount - 1, category_id = :category WHERE {}"
ROWS = "SELECT to_jsonb(t) - 'updated_at' - 'last_run_id' FROM bank_transactions t ORDER BY id"
SEEN = "SELECT id, amount::text, currency, expense_type, notes, spent_at::text, category_id FROM expenses"
EVENTS = """SELECT (data ->> 'id')::int AS id, type, data ->> 'amount', data ->> 'currency', data ->> 'expense_type',
    data ->> 'description', data ->> 'date', (data ->> 'category_id')::int FROM webhook_events
    WHERE type LIKE 'expense.%' ORDER BY sequence"""
EXPENSES = "SELECT to_jsonb(e) FROM expenses e ORDER BY id"


class Ledger:
    """Banks of one user, and what is written of them."""

    def __init__(self, sessions, user_id):
        self.sessions, self.user_id = sessions, user_id
        self.banks = [Harness(sessions, user_id) for _ in range(2)]
        for harness in self.banks:
            harness.bank.accounts = [GIRO]
        (category,) = self.sql("INSERT INTO categories (user_id, name) VALUES (:u, 'Food') RETURNING id", u=user_id)
        self.category = category.id

    def sql(self, statement, **values):
        return self.banks[0].sql(statement, **values)

    def everything(self):
        return self.sql(EXPENSES), self.sql(ROWS)

    def seen(self):
        """The expenses as FinMind shows them: by id, what an event says of one."""
        return {row.id: tuple(row[1:]) for row in self.sql(SEEN)}

    def told(self, known):
        """The expenses as a receiver knows them who knew these and then read all new events."""
        for event in self.sql(EVENTS):
            known.pop(event.id, None)
            if event.type != "expense.deleted":
                known[event.id] = tuple(event[2:])
        self.sql("DELETE FROM webhook_events")
        return known

    def edit(self, which="TRUE"):
        self.sql(EDITS.format(which), category=self.category)

    def question(self, kind):
        with self.sessions() as session:
            return next(one.id for one in list_suggestions(session, self.user_id) if one.kind == kind)

    def row(self, words):
        return self.sql("SELECT id FROM bank_transactions WHERE description = :w ORDER BY id DESC", w=words)[0].id


@pytest.fixture
def ledger(sessions, user_id):
    return Ledger(sessions, user_id)


def a_typed_expense(ledger):
    giro, _ = ledger.banks
    giro.bank.buy("-4.20", "Cafe Central", external_id="1")
    giro.refresh()
    ledger.edit()
    ledger.banks[0].type_in("4.20", "Cafe Central")
    giro.refresh()
    return "expense"


def a_transfer(ledger):
    giro, savings = ledger.banks
    savings.bank.accounts = [SAVINGS]
    giro.bank.buy("-50", "To savings", external_id="1", counterparty_account="DE2", kind=TransactionKind.TRANSFER)
    savings.bank.buy("50", "From giro", external_id="1", counterparty_account="DE1", kind=TransactionKind.TRANSFER)
    giro.refresh()
    ledger.edit()
    savings.refresh()
    return "transfer"


def a_twin(ledger, *, edited):
    for harness, on, words, far in zip(
        ledger.banks, (LONG_AGO - timedelta(days=2), LONG_AGO), ("Cafe Central", "SQ 8821"), (22, -28), strict=True
    ):
        harness.bank.buy("-4.20", words, external_id="1", booking_on=on)
        harness.bank.buy("-9.99", "Far away", external_id="2", booking_on=LONG_AGO - timedelta(days=far))
        harness.refresh()
    ledger.edit(f"notes = '{edited}'")
    return "twin"


def a_pending_row_beside(ledger, *, edited):
    giro, _ = ledger.banks
    giro.bank.capabilities = CURSOR
    giro.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    giro.refresh()
    giro.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    giro.refresh()
    ledger.edit(f"notes = '{edited}'")
    return "twin"


def a_category(ledger):
    giro, _ = ledger.banks
    giro.bank.buy("-4.20", "Cafe Central", external_id="1")
    giro.refresh()
    ledger.sql(
        "INSERT INTO bank_match_suggestions (user_id, kind, transaction_id, expense_id, reason, detail)"
        " SELECT :u, 'category', id, expense_id, 'categorised_before', jsonb_build_object('category_id', :c)"
        " FROM bank_transactions", u=ledger.user_id, c=ledger.category,
    )  # fmt: skip
    return "category"


def a_row_that_may_be_gone(ledger):
    giro, _ = ledger.banks
    giro.bank.capabilities = CURSOR
    giro.bank.buy("-20", "Hotel", external_id="p", pending=True)
    giro.refresh()
    ledger.edit()
    giro.day_later(32)
    giro.refresh()
    return "withdrawn"


def an_account(ledger):
    _, other = ledger.banks
    other.bank.accounts = [SAVINGS]
    for harness in ledger.banks:
        harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.bank.buy("-7", "Baker", external_id="2")
        harness.refresh()
    ledger.edit("id = (SELECT max(id) FROM expenses)")
    sources = [row.id for row in ledger.sql("SELECT id FROM bank_connection_accounts ORDER BY id")]
    with ledger.sessions() as session:
        suggest_account(session, ledger.user_id, sources[1], sources[0])
    return "account"


ANSWERS = {
    "a typed expense": a_typed_expense,
    "a transfer": a_transfer,
    "a twin, the first edited": lambda ledger: a_twin(ledger, edited="Cafe Central"),
    "a twin, the second edited": lambda ledger: a_twin(ledger, edited="SQ 8821"),
    "a pending row beside, edited": lambda ledger: a_pending_row_beside(ledger, edited="Trattoria Luigi"),
    "its booking, edited": lambda ledger: a_pending_row_beside(ledger, edited="TRATTORIA LUIGI 4711"),
    "a category": a_category,
    "a row that may be gone": a_row_that_may_be_gone,
    "an account": an_account,
}


def answer_and_undo(ledger, question, between=lambda: None):
    with ledger.sessions() as session:
        accept(session, question, user_id=ledger.user_id)
    between()
    with ledger.sessions() as session:
        undo_answer(session, question, user_id=ledger.user_id)


@pytest.mark.parametrize("prepare", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_is_undone_leaves_everything_as_it_was_and_tells_it(ledger, prepare):
    question = ledger.question(prepare(ledger))
    before, known = ledger.everything(), ledger.seen()
    with ledger.sessions() as session:
        subscribe(session, ledger.user_id)
    for _ in range(2):
        answer_and_undo(ledger, question, lambda: check_that_all_was_told(ledger, known))
        check_that_all_was_told(ledger, known)
        assert ledger.everything() == before


def check_that_all_was_told(ledger, known):
    assert ledger.told(known) == ledger.seen()


def a_linked_expense(ledger):
    giro, _ = ledger.banks
    ledger.banks[0].type_in("4.20", "Cafe Central")
    giro.bank.buy("-4.20", "Cafe Central", external_id="1")
    giro.refresh()
    ledger.edit()


def twins(ledger):
    for harness in ledger.banks:
        harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.refresh()
    ledger.edit()


def legs(ledger):
    giro, savings = ledger.banks
    savings.bank.accounts = [SAVINGS]
    giro.bank.buy("-50", "Cafe Central", external_id="1", counterparty_account="DE2", kind=TransactionKind.TRANSFER)
    savings.bank.buy("50", "From giro", external_id="1", counterparty_account="DE1", kind=TransactionKind.TRANSFER)
    for harness in ledger.banks:
        harness.refresh()


@pytest.mark.parametrize("prepare", [a_linked_expense, twins, legs])
def test_a_match_that_was_taken_back_is_as_it_was_once_that_is_undone(ledger, prepare):
    prepare(ledger)
    before = ledger.everything()
    for _ in range(2):
        with ledger.sessions() as session:
            parted = unmatch(session, ledger.row("Cafe Central"), user_id=ledger.user_id)
        assert ledger.everything() != before
        with ledger.sessions() as session:
            undo_answer(session, parted.suggestion_id, user_id=ledger.user_id)
        assert ledger.everything() == before


def test_edits_between_an_answer_and_its_undoing_stay_with_what_the_answer_replaced(ledger):
    question = ledger.question(a_typed_expense(ledger))
    answer_and_undo(ledger, question, lambda: ledger.sql("UPDATE expenses SET notes = 'With Cy', currency = 'CHF'"))
    found = ledger.sql("SELECT amount, currency, notes, category_id FROM expenses ORDER BY id")
    assert [tuple(map(str, row)) for row in found] == [
        ("3.20", "EUR", "Dinner with Bo", str(ledger.category)),
        ("4.20", "CHF", "With Cy", "None"),
    ]


def test_a_deletion_between_an_answer_and_its_undoing_stays(ledger):
    question = ledger.question(a_twin(ledger, edited="Cafe Central"))
    answer_and_undo(ledger, question, lambda: ledger.sql("DELETE FROM expenses WHERE notes = 'Dinner with Bo'"))
    assert [row.notes for row in ledger.sql("SELECT notes FROM expenses WHERE amount < 9 ORDER BY id")] == ["SQ 8821"]


def test_what_the_bank_says_of_a_leg_between_an_answer_and_its_undoing_is_in_the_expense(ledger):
    question = ledger.question(a_transfer(ledger))
    giro = ledger.banks[0]

    def amend():
        giro.bank.change(giro.bank.rows[0], booking_on=TODAY - timedelta(days=1))
        giro.refresh()

    answer_and_undo(ledger, question, amend)
    assert giro.expenses() == [
        ("2026-06-14", "-49.00", "EUR", "Dinner with Bo"), ("2026-06-15", "50.00", "EUR", "From giro"),
    ]  # fmt: skip


def test_an_answer_that_is_undone_at_one_of_its_rows_leaves_everything_as_it_was(ledger):
    question = ledger.question(a_transfer(ledger))
    before = ledger.everything()
    with ledger.sessions() as session:
        accept(session, question, user_id=ledger.user_id)
        joined = ledger.row("To savings")
    for _ in range(2):
        with ledger.sessions() as session:
            parted = unmatch(session, joined, user_id=ledger.user_id)
        assert ledger.everything() == before
        with ledger.sessions() as session:
            undo_answer(session, parted.suggestion_id, user_id=ledger.user_id)
