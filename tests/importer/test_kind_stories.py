"""Refunds, fees, zero amounts, transfers between one's own accounts, inverted cards."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.importer.bank import CURSOR, WINDOWED, Harness
from worker.connections.connection_changes import invert_account
from worker.connectors.base import Account, AccountType, IdClass, TransactionKind
from worker.runs.states import RunStatus

TWO = [
    Account(external_id="A", name="Checking", currency="EUR", anchor="iban:DE1", mask="1111"),
    Account(external_id="B", name="Card", currency="EUR", account_type=AccountType.CREDIT, mask="4242"),
]


@pytest.mark.parametrize(
    ("amount", "description", "kind", "expected"),
    [
        ("12", "CREDIT CARD PAYMENT", None, ["12.00"]),
        ("-12", "REFUND INTEREST SALARY", None, ["-12.00"]),
        ("12", "Return", TransactionKind.REFUND, ["12.00"]),
        ("-2.50", "Account fee", TransactionKind.FEE, ["-2.50"]),
        ("0.33", "Interest", TransactionKind.INTEREST, ["0.33"]),
        ("0", "Card check", None, []),
    ],
)
def test_the_direction_is_the_sign_and_never_a_word(harness, amount, description, kind, expected):
    harness.bank.buy(amount, description, kind=kind, external_id="1")
    harness.refresh()
    assert harness.amounts() == expected
    assert harness.sql("SELECT count(*) FROM bank_transactions") == [(1,)], "the bank's line is kept in any case"


@pytest.mark.parametrize(
    "evidence",
    [
        {"kind": TransactionKind.TRANSFER},
        {"kind": TransactionKind.CARD_PAYMENT},
        {"description": "Payment to card ...4242"},
    ],
    ids=["called a transfer", "called a card payment", "names the card"],
)
def test_both_legs_of_a_transfer_are_linked_and_neither_is_spending(harness, evidence):
    harness.bank.accounts = TWO
    harness.bank.buy("-500", **({"description": "Settlement", "external_id": "1"} | evidence))
    harness.bank.buy("500", "Received", external_id="2", account_id="B")
    harness.refresh()
    assert harness.amounts() == []
    assert harness.sql("SELECT count(*) FROM bank_transactions WHERE transfer_peer_id IS NOT NULL") == [(2,)]
    harness.refresh()
    assert harness.amounts() == []


def test_both_legs_can_be_shown(sessions, user_id):
    harness = Harness(sessions, user_id, options={"transfers": "show_both"})
    harness.bank.accounts = TWO
    harness.bank.buy("-500", kind=TransactionKind.TRANSFER, external_id="1")
    harness.bank.buy("500", external_id="2", account_id="B")
    harness.refresh()
    assert sorted(harness.amounts()) == ["-500.00", "500.00"]


def test_equal_amounts_alone_are_no_transfer_but_a_question(harness):
    harness.bank.accounts = TWO
    harness.bank.buy("-500", "Rent", external_id="1")
    harness.bank.buy("500", "Salary", external_id="2", account_id="B")
    harness.refresh()
    assert sorted(harness.amounts()) == ["-500.00", "500.00"]
    assert harness.sql("SELECT kind, status FROM bank_match_suggestions") == [("transfer", "open")]


def test_a_leg_that_comes_days_later_hides_the_first(harness):
    harness.bank.accounts = TWO
    harness.bank.buy("-500", kind=TransactionKind.TRANSFER, external_id="1")
    harness.refresh()
    assert harness.amounts() == ["-500.00"], "one leg alone is an expense"
    harness.day_later(3)
    harness.bank.buy("500", external_id="2", account_id="B")
    harness.refresh()
    assert harness.amounts() == []


def test_when_one_leg_is_withdrawn_the_other_is_an_expense_again(harness):
    harness.bank.accounts = TWO
    harness.bank.buy("-1", external_id="0", account_id="B")
    harness.bank.buy("-500", kind=TransactionKind.TRANSFER, external_id="1")
    leg = harness.bank.buy("500", external_id="2", account_id="B")
    harness.refresh()
    harness.bank.rows.remove(leg)
    harness.refresh()
    assert sorted(harness.amounts()) == ["-1.00", "-500.00"]


def test_a_leg_the_user_made_their_own_is_a_question(harness):
    harness.bank.accounts = TWO
    harness.bank.buy("-500", kind=TransactionKind.TRANSFER, external_id="1")
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Loan to Bob'")
    harness.bank.buy("500", external_id="2", account_id="B")
    harness.refresh()
    assert sorted(harness.amounts()) == ["-500.00", "500.00"]


def test_a_card_whose_bank_states_purchases_as_positive(sessions, user_id):
    harness = Harness(sessions, user_id, options={"inverted_accounts": ["B"]})
    harness.bank.accounts = TWO
    harness.bank.buy("30", "Shop", external_id="1", account_id="B")
    harness.refresh()
    assert harness.amounts() == ["-30.00"]


@pytest.mark.parametrize("capabilities", [WINDOWED, replace(WINDOWED, id_class=IdClass.NONE), CURSOR])
def test_rows_that_are_there_follow_when_the_person_says_that_the_account_is_inverted(harness, capabilities):
    harness.bank.capabilities = capabilities
    for number, ago in enumerate((1, 2, 3, 80)):
        day = harness.bank.today - timedelta(days=ago)
        harness.bank.buy(f"{number + 1}0", f"Shop {number}", external_id=f"{number}", booking_on=day)
    harness.bank.balance("100")
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Mine' WHERE amount = 20")
    harness.sql("DELETE FROM expenses WHERE amount = 30")
    with harness.sessions() as session:
        invert_account(session, harness.connection_id, "A", inverted=True)
    harness.day_later()
    for _ in range(2):
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert harness.amounts() == ["-40.00", "-20.00", "-10.00"]
    assert "Mine" in {expense[3] for expense in harness.expenses()}


PAIRS = {
    "named by number": ({"counterparty_account": "DE1"}, {}, 2),
    "named by last digits": ({"description": "To card x4242"}, {}, 2),
    "called one on both sides": ({"kind": TransactionKind.TRANSFER}, {"kind": TransactionKind.CARD_PAYMENT}, 2),
    "called one, but to a stranger": ({"kind": TransactionKind.TRANSFER}, {"counterparty_account": "DE99"}, 0),
    "called one, met by interest": ({"kind": TransactionKind.TRANSFER}, {"kind": TransactionKind.INTEREST}, 0),
    "a purchase and a refund": ({"kind": TransactionKind.PURCHASE}, {"kind": TransactionKind.REFUND}, 0),
    "digits inside a reference": ({"description": "Invoice 42427", "kind": TransactionKind.PURCHASE}, {}, 0),
}


@pytest.mark.parametrize(("out", "back", "legs"), PAIRS.values(), ids=PAIRS.keys())
def test_evidence_for_and_against_a_transfer(harness, out, back, legs):
    harness.bank.accounts = TWO
    into = {"counterparty_account": out["counterparty_account"]} if "counterparty_account" in out else {}
    harness.bank.buy("-500", **({"description": "Sent", "external_id": "1"} | ({} if into else out)))
    harness.bank.buy("500", **({"description": "Received", "external_id": "2", "account_id": "B"} | back | into))
    harness.refresh()
    assert harness.sql("SELECT count(*) FROM bank_transactions WHERE transfer_peer_id IS NOT NULL") == [(legs,)]
    assert len(harness.amounts()) == 2 - legs


def test_of_two_legs_that_may_be_the_other_side_none_is_chosen(harness):
    harness.bank.accounts = TWO
    harness.bank.buy("-500", "Sent", kind=TransactionKind.TRANSFER, external_id="1")
    for number in ("2", "3"):
        harness.bank.buy("500", "Received", external_id=number, account_id="B")
    harness.refresh()
    assert sorted(harness.amounts()) == ["-500.00", "500.00", "500.00"]


def test_two_equal_transfers_of_one_day_are_two_pairs(harness):
    harness.bank.accounts = TWO
    for number in ("1", "2"):
        harness.bank.buy("-500", "Sent", kind=TransactionKind.TRANSFER, external_id=number)
        harness.bank.buy("500", "Received", external_id=number, account_id="B")
    harness.refresh()
    assert harness.amounts() == []


@pytest.mark.parametrize(
    ("out", "back", "asked"),
    [
        ("Transfer to savings", "Deposit", 1),
        ("Moved to Wallet", "Deposit", 1),
        ("Bean There", "Deposit", 0),
    ],
    ids=["it says transfer", "it names the account", "nothing but the amount"],
)
def test_equal_amounts_are_asked_about_only_with_a_hint(harness, out, back, asked):
    harness.bank.accounts = [TWO[0], Account(external_id="B", name="Wallet", currency="EUR")]
    harness.bank.buy("-500", out, external_id="1")
    harness.bank.buy("500", back, external_id="2", account_id="B")
    assert harness.refresh().counts.created == 2
    assert harness.sql("SELECT count(*) FROM bank_match_suggestions") == [(asked,)]
