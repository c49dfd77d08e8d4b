"""Which two rows of unequal amounts are one transfer, or may be one, and what it cost."""

from dataclasses import replace

import pytest

from tests.importer.decide.rows import day, leg
from worker.connectors.base import TransactionKind
from worker.importer.decide.reasons import Reason
from worker.importer.decide.transfers.money_moved import costs_of
from worker.importer.decide.transfers.unequal import match_unequal

TRANSFER, FEE = TransactionKind.TRANSFER, TransactionKind.FEE
DOLLARS = {"original_amount": "-108.20", "original_currency": "USD"}
EUROS = {"original_amount": "100", "original_currency": "EUR"}
WITH_FEE = {"gross": "-100.00", "fee": "0.50"}


def out(amount="-100", words="", **more):
    return leg(amount, words, id=1, **more)


def into(amount, words="", currency="EUR", **more):
    return leg(amount, words, id=2, currency=currency, **more)


CERTAIN = {
    "called a transfer, and the sum abroad is stated": (
        out(kind=TRANSFER, stated_amounts=DOLLARS), into("108.20", currency="USD"), Reason.CALLED_A_TRANSFER, [],
    ),
    "it is stated where it arrives": (
        out(kind=TRANSFER), into("108.20", currency="USD", stated_amounts=EUROS), Reason.CALLED_A_TRANSFER, [],
    ),
    "names the other account": (
        out(words="to ..4321", stated_amounts=DOLLARS), into("108.20", currency="USD", mask="4321"),
        Reason.NAMES_THE_ACCOUNT, [],
    ),
    "each states the amount of the other": (
        out(stated_amounts=DOLLARS), into("108.20", currency="USD", stated_amounts=EUROS),
        Reason.STATES_THE_AMOUNT, [],
    ),
    "the rate is stated": (
        out(kind=TRANSFER, stated_amounts={"exchange_rate": "1.082"}), into("108.20", currency="USD"),
        Reason.CALLED_A_TRANSFER, [],
    ),
    "the rate is stated the other way round": (
        out(kind=TRANSFER), into("108.20", currency="USD", stated_amounts={"exchange_rate": "1.082"}),
        Reason.CALLED_A_TRANSFER, [],
    ),
    "the fee is stated where it leaves": (
        out("-100.50", kind=TRANSFER, stated_amounts=WITH_FEE), into("100"),
        Reason.CALLED_A_TRANSFER, [("0.50", "EUR")],
    ),
    "the fee is stated where it arrives": (
        out(kind=TRANSFER), into("99.50", stated_amounts={"gross": "100.00", "fee": "0.50"}),
        Reason.CALLED_A_TRANSFER, [("0.50", "EUR")],
    ),
    "the fee and the sum abroad are stated": (
        out("-100.50", kind=TRANSFER, stated_amounts=WITH_FEE | DOLLARS), into("108.20", currency="USD"),
        Reason.CALLED_A_TRANSFER, [("0.50", "EUR")],
    ),
    "both banks charge": (
        out("-100.50", kind=TRANSFER, stated_amounts=WITH_FEE | DOLLARS),
        into("107.20", currency="USD", stated_amounts={"gross": "108.20", "fee": "1.00"}),
        Reason.CALLED_A_TRANSFER, [("0.50", "EUR"), ("1.00", "USD")],
    ),
}  # fmt: skip
ASKED = {
    "little is missing, and it names the other account": (
        out("-100.50", counterparty_account="DE2"), into("100", anchor="iban:DE2"),
        Reason.LESS_A_FEE, [("0.50", "EUR")],
    ),
    "little is missing, and both say so": (
        out("-100", "Transfer sent"), into("99.50", "Transfer received", on=day(1)),
        Reason.LESS_A_FEE, [("0.50", "EUR")],
    ),
    "two currencies, and it names the other account": (
        out(words="to ..4321"), into("108.20", currency="USD", mask="4321", on=day(3)), Reason.EXCHANGED, [],
    ),
    "two currencies, and it says the name of the other account": (
        out(words="Transfer to Dollar pot"), into("108.20", currency="USD", name="Dollar pot"), Reason.EXCHANGED, [],
    ),
    "two currencies, and both say so": (
        out(words="Exchanged to USD"), into("108.20", "Exchanged from EUR", currency="USD"), Reason.EXCHANGED, [],
    ),
    "a currency of which nobody knows the rate, and it names the other account": (
        out(words="to ..4321"), into("4100", currency="TRY", mask="4321"), Reason.EXCHANGED, [],
    ),
    "less arrives than is stated to be sent abroad": (
        out(words="to ..4321", stated_amounts=DOLLARS), into("107.20", currency="USD", mask="4321"),
        Reason.EXCHANGED, [("1.00", "USD")],
    ),
    "two currencies, and the fee is stated where it arrives": (
        out(words="to ..4321"),
        into("107.20", currency="USD", mask="4321", stated_amounts={"gross": "108.20", "fee": "1.00"}),
        Reason.EXCHANGED, [("1.00", "USD")],
    ),
    "no fee where it leaves, and less arrives than is stated to be sent abroad": (
        out(words="to ..4321", stated_amounts=DOLLARS | {"gross": "-100", "fee": "0"}),
        into("107.20", currency="USD", mask="4321"), Reason.EXCHANGED, [("1.00", "USD")],
    ),
    "the sum abroad is stated, and only a word says transfer": (
        out(words="Transfer", stated_amounts=DOLLARS), into("108.20", currency="USD"), Reason.EXCHANGED, [],
    ),
    "little is missing, and both name who owns both": (
        out("-100", "SEPA-Überweisung Max Mustermann"), into("99.50", "Gutschrift Max Mustermann Überweisung"),
        Reason.LESS_A_FEE, [("0.50", "EUR")],
    ),
}  # fmt: skip
NEITHER = {
    "each is for something else": (out("-1000", "SEPA-Überweisung Miete"), into("990", "Überweisung Gehalt")),
    "a common word is the name of the account": (out("-1000", "Miete"), into("990", "Gehalt", name="Miete")),
    "nothing but the sum abroad": (out(stated_amounts=DOLLARS), into("108.20", currency="USD")),
    "a purchase abroad": (
        out(kind=TransactionKind.PURCHASE, stated_amounts=DOLLARS), into("108.20", "Transfer", currency="USD"),
    ),
    "one of them says so": (out("-100.50", "Transfer"), into("100")),
    "called transfers, as most rows of some providers are": (
        out("-100.50", "Shop", kind=TRANSFER), into("100", "Bob", kind=TRANSFER),
    ),
    "another one was paid": (
        out("-100.50", "Transfer", counterparty_account="DE99"), into("100", "Transfer", kind=TRANSFER),
    ),
    "more arrives than left": (out("-100", "to ..4321"), into("100.50", mask="4321")),
    "much is missing": (out("-100", "to ..4321"), into("89", mask="4321")),
    "more than a fee is missing, by words": (out("-100", "Transfer"), into("97", "Transfer")),
    "no such rate": (out(words="to ..4321"), into("50", currency="USD", mask="4321")),
    "hardly such a rate, by words": (out(words="Transfer"), into("90", "Transfer", currency="USD")),
    "less than is stated to be sent abroad by much": (
        out(words="to ..4321", stated_amounts=DOLLARS), into("90", currency="USD", mask="4321"),
    ),
    "a currency of which nobody knows the rate, by words": (
        out(words="Transfer"), into("4100", "Transfer", currency="TRY"),
    ),
    "days apart, by words": (out("-100.50", "Transfer"), into("100", "Transfer", on=day(2))),
    "days apart, by name": (out("-100.50", "to ..4321"), into("100", mask="4321", on=day(5))),
    "another kind": (out("-100.50", "Transfer"), into("100", "Transfer", kind=FEE)),
    "equal amounts": (out(kind=TRANSFER), into("100")),
}  # fmt: skip


def costs(match):
    return [(f"{cost.amount:.2f}", cost.currency) for cost in costs_of(match.left, match.right) if cost is not None]


@pytest.mark.parametrize(("left", "arrived", "reason", "cost"), CERTAIN.values(), ids=CERTAIN)
def test_two_rows_that_state_one_amount_are_a_transfer_by_the_same_evidence_as_equal_ones(left, arrived, reason, cost):
    found = match_unequal([arrived, left])
    assert [(match.reason, costs(match)) for match in found.certain] == [(reason, cost)]
    assert found.suggestions == []
    assert match_unequal([arrived, left], {(1, 2)}).certain == []


@pytest.mark.parametrize(("left", "arrived", "reason", "cost"), ASKED.values(), ids=ASKED)
def test_two_rows_that_may_be_one_are_a_question(left, arrived, reason, cost):
    found = match_unequal([left, arrived])
    assert found.certain == []
    assert [(match.reason, costs(match)) for match in found.suggestions] == [(reason, cost)]
    assert match_unequal([left, arrived], {(1, 2)}).suggestions == []


@pytest.mark.parametrize(("left", "arrived"), NEITHER.values(), ids=NEITHER)
def test_two_rows_that_are_none(left, arrived):
    found = match_unequal([left, arrived])
    assert (found.certain, found.suggestions) == ([], [])


def test_of_several_rows_those_that_hardly_say_anything_are_not_asked_about():
    first, arrived = leg("-100.40", "Transfer", id=1), leg("100", "Transfer", id=3, mask="4321")
    assert match_unequal([first, leg("-100.50", "Transfer", id=2), arrived]).suggestions == []
    (match,) = match_unequal([first, leg("-100.50", "Transfer ..4321", id=2), arrived]).suggestions
    assert match.left.id == 2


def test_as_many_equal_exchanges_on_either_side_are_transfers():
    outs = [leg("-100", id=n, kind=TRANSFER, stated_amounts=DOLLARS) for n in (1, 2)]
    ins = [leg("108.20", id=n, currency="USD") for n in (3, 4)]
    assert {(match.left.id, match.right.id) for match in match_unequal([*outs, *ins]).certain} == {(1, 3), (2, 4)}


def test_a_row_that_waits_for_an_answer_is_asked_about_no_second_time_and_paired_all_the_same():
    left, perhaps = out(words="Transfer", stated_amounts=DOLLARS), into("108.00", "Transfer", currency="USD")
    certain = leg("108.20", "to ..4321", id=3, currency="USD", mask="1111")
    assert match_unequal([left, perhaps], waiting={1}).suggestions == []
    (match,) = match_unequal([replace(left, mask="4321"), perhaps, certain], waiting={1, 2}).certain
    assert match.right.id == 3
