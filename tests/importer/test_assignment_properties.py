"""Whatever is put before the rules: nothing is consumed twice, and nothing is made up."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
from hypothesis import given

from worker.connectors.base import Transaction, TransactionKind
from worker.importer.decide.expenses.match import Counterpart, match_user_expenses
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.line import Line, read_transaction
from worker.importer.decide.transfers.evidence import TransferLeg
from worker.importer.decide.transfers.match import match_transfers

DAY = date(2026, 6, 15)
GROUND = ReadContext(zone=ZoneInfo("UTC"), today=DAY, currency="EUR", trusted=False)
AMOUNTS = st.sampled_from([Decimal("-3.50"), Decimal("3.50"), Decimal(-20)])
DAYS = st.integers(-4, 4).map(lambda days: DAY + timedelta(days=days))
WORDS = st.sampled_from(["Coffee Bar", "COFFEE BAR ROMA", "lunch", "", "Trattoria Luigi"])


@st.composite
def lines(draw):
    amount, day, words = draw(AMOUNTS), draw(DAYS), draw(WORDS)
    line = read_transaction(Transaction(account_id="A", amount=amount, description=words, booking_on=day), GROUND)
    assert isinstance(line, Line)
    return line


@st.composite
def expenses(draw):
    amount = draw(AMOUNTS)
    twin_id = draw(st.sampled_from([None, None, 1]))
    return Counterpart(
        expense_id=draw(st.integers(1, 9**6)),
        amount=abs(amount),
        currency="EUR",
        expense_type="INCOME" if amount > 0 else "EXPENSE",
        notes=draw(WORDS),
        spent_on=draw(DAYS),
        twin_id=twin_id,
    )


@given(st.lists(lines(), max_size=7), st.lists(expenses(), max_size=7, unique_by=lambda e: e.expense_id))
def test_no_assignment_consumes_one_expense_or_one_line_twice(rows, known):
    found = match_user_expenses(rows, known)
    pairs = [*found.matches, *found.suggestions]
    assert len({match.right.expense_id for match in pairs}) == len(pairs)
    assert len({match.left_place for match in pairs}) == len(pairs)
    for match in pairs:
        assert match.left.expense_amount == match.right.amount
        assert (match.left.amount > 0) == (match.right.expense_type == "INCOME")


KINDS = st.sampled_from([None, None, *TransactionKind])


@st.composite
def legs(draw, account):
    return TransferLeg(
        id=draw(st.integers(1, 9**6)),
        account_id=account,
        bank_account_id=account,
        amount=draw(AMOUNTS),
        currency="EUR",
        on=draw(DAYS),
        kind=draw(KINDS),
        counterparty_account=draw(st.sampled_from([None, "DE1", "DE2", "DE3", "DE9"])),
        words=draw(WORDS),
        anchor=f"iban:DE{account}",
        mask=None,
        name="Savings",
        account_type="savings",
    )


@given(st.lists(st.one_of(legs(1), legs(2), legs(3)), max_size=12, unique_by=lambda leg: leg.id), st.randoms())
def test_no_leg_has_two_peers_and_none_is_paired_against_its_own_words_in_whatever_order_they_come(rows, chance):
    found = match_transfers(rows)
    pairs = [*found.certain, *found.suggestions]
    assert len({leg.id for match in pairs for leg in (match.left, match.right)}) == 2 * len(pairs)
    for match in pairs:
        assert match.left.amount == -match.right.amount
        assert match.left.account_id != match.right.account_id
        assert {match.left.counterparty_account, match.right.counterparty_account} <= {None, "DE1", "DE2", "DE3"}
    chance.shuffle(rows)
    again = match_transfers(rows)
    assert {(m.left, m.right) for m in again.certain} == {(m.left, m.right) for m in found.certain}


def test_thousands_of_equal_coffees_on_two_accounts_are_no_transfers_and_no_millions_of_pairs():
    """Looked at pair by pair, these would be 160 million."""
    coffee = {"currency": "EUR", "on": DAY, "kind": None, "counterparty_account": None, "words": "Coffee"}
    account = {"bank_account_id": None, "anchor": None, "mask": None, "name": "Checking", "account_type": "checking"}
    ours = [TransferLeg(id=n, account_id=1, amount=Decimal("-3.50"), **coffee, **account) for n in range(12_500)]
    theirs = [TransferLeg(id=-n, account_id=2, amount=Decimal("3.50"), **coffee, **account) for n in range(1, 12_501)]
    found = match_transfers([*ours, *theirs])
    assert (found.certain, found.suggestions) == ([], [])
    told = replace(theirs[0], words="Transfer from checking")
    assert len(match_transfers([ours[0], told]).suggestions) == 1
