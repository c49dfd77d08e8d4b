"""Which two rows are one transfer."""

import pytest

from tests.importer.decide.rows import day, leg
from worker.connectors.base import AccountType, TransactionKind
from worker.importer.decide.reasons import Reason
from worker.importer.decide.transfers import match
from worker.importer.decide.transfers.match import match_transfers

OUT, IN = leg("-20", id=1), leg("20", id=2)
TRANSFER, FEE = TransactionKind.TRANSFER, TransactionKind.FEE
OURS, THEIRS, STRANGER = {"anchor": "iban:DE1"}, {"anchor": "iban:DE2"}, "DE99"

CERTAIN = {
    "names the other account's number": (
        leg("-20", counterparty_account="DE 2"), leg("20", id=2, **THEIRS), Reason.NAMES_THE_ACCOUNT,
    ),
    "names its last digits": (leg("-20", "to ...4321"), leg("20", id=2, mask="4321"), Reason.NAMES_THE_ACCOUNT),
    "the other leg names ours": (
        leg("-20", **OURS), leg("20", id=2, counterparty_account="DE1"), Reason.NAMES_THE_ACCOUNT,
    ),
    "both are called transfers": (leg("-20", kind=TRANSFER), leg("20", id=2, kind=TRANSFER), Reason.CALLED_A_TRANSFER),
    "one is called a transfer": (leg("-20", kind=TRANSFER), IN, Reason.CALLED_A_TRANSFER),
    "some days apart": (leg("-20", kind=TRANSFER), leg("20", id=2, on=day(4)), Reason.CALLED_A_TRANSFER),
    "each names the other over holidays": (
        leg("-20", counterparty_account="DE2", **OURS),
        leg("20", id=2, on=day(7), counterparty_account="DE1", **THEIRS),
        Reason.NAMES_THE_ACCOUNT,
    ),
}  # fmt: skip
ASKED = {
    "words of a transfer": (leg("-20", "Umbuchung"), IN),
    "the other account's name": (leg("-20", "to savings"), leg("20", id=2, name="Savings")),
    "the shape of a card payment": (OUT, leg("20", id=2, account_type=AccountType.CREDIT)),
}
NEITHER = {
    "nothing but amount and day": (OUT, IN),
    "too far apart": (leg("-20", kind=TRANSFER), leg("20", id=2, on=day(5))),
    "each names the other, too far apart": (
        leg("-20", counterparty_account="DE2", **OURS),
        leg("20", id=2, on=day(8), counterparty_account="DE1", **THEIRS),
    ),
    "one names the other, some days too far apart": (
        leg("-20", counterparty_account="DE2", **OURS),
        leg("20", id=2, on=day(5), **THEIRS),
    ),
    "another amount": (leg("-20", kind=TRANSFER), leg("20.01", id=2)),
    "the same direction": (leg("-20", kind=TRANSFER), leg("-20", id=2, account_id=2)),
    "another currency": (leg("-20", kind=TRANSFER), leg("20", id=2, currency="USD")),
    "a stranger's number": (leg("-20", kind=TRANSFER, counterparty_account=STRANGER), leg("20", id=2, **THEIRS)),
    "another kind": (leg("-20", kind=TRANSFER), leg("20", id=2, kind=FEE)),
    "words of a transfer, two days apart": (leg("-20", "Umbuchung"), leg("20", id=2, on=day(2))),
    "digits inside a longer number": (leg("-20", "ref 43219"), leg("20", id=2, mask="4321")),
}


@pytest.mark.parametrize(("ours", "theirs", "reason"), CERTAIN.values(), ids=CERTAIN)
def test_two_rows_that_are_evidently_one_transfer(ours, theirs, reason):
    found = match_transfers([ours, theirs])
    assert [match.reason for match in found.certain] == [reason]
    assert found.suggestions == []


@pytest.mark.parametrize(("ours", "theirs"), ASKED.values(), ids=ASKED)
def test_two_rows_that_may_be_one_are_a_question(ours, theirs):
    found = match_transfers([ours, theirs])
    assert found.certain == []
    assert [match.reason for match in found.suggestions] == [Reason.EQUAL_AND_OPPOSITE]


@pytest.mark.parametrize(("ours", "theirs"), NEITHER.values(), ids=NEITHER)
def test_two_rows_that_are_none(ours, theirs):
    found = match_transfers([ours, theirs])
    assert (found.certain, found.suggestions) == ([], [])


def out(id_, words="", **more):
    return leg("-20", words, id=id_, **({"kind": TRANSFER} | more))


def into(id_, words="", **more):
    return leg("20", words, id=id_, **({"account_id": 2} | more))


BOB, SAVED, DAILY = "To Bob", "To savings", "Daily saving ref {}"
# What is paired, and what is asked about, by ids.
SEVERAL = {
    "a label with two candidates": ([out(1), into(3), into(4)], set(), {(1, 3)}),
    "as many on both sides, by day": (
        [out(1), out(2, on=day(1)), into(3, on=day(1)), into(4)], {(1, 4), (2, 3)}, set(),
    ),
    "two accounts that are paid from one": (
        [out(1), out(2), into(3, account_id=2), into(4, account_id=3)], {(1, 3), (2, 4)}, set(),
    ),
    "two accounts that pay one": (
        [out(1, account_id=1), out(2, account_id=3), into(3), into(4)], {(1, 3), (2, 4)}, set(),
    ),
    "a ring of three accounts": (
        [out(1, account_id=1), out(2, account_id=2), out(3, account_id=3),
         into(4, account_id=1), into(5, account_id=2), into(6, account_id=3)],
        {(1, 5), (2, 6), (3, 4)}, set(),
    ),
    "a chain of days, where one leg each arrives days later": (
        [out(1), into(3, on=day(4)), out(2, on=day(8)), into(4, on=day(12))], {(1, 3), (2, 4)}, set(),
    ),
    "more that say different things": ([out(1, BOB), out(2, SAVED), into(3)], set(), {(1, 3)}),
    "more of another day that say different things": (
        [out(1, BOB), out(2, SAVED, on=day(1)), into(3)], set(), {(1, 3)},
    ),
    "one more in a chain of days": (
        [*(out(n, SAVED, on=day(n)) for n in range(1, 8)), out(8, BOB, on=day(4)),
         *(into(10 + n, on=day(n)) for n in range(1, 8))],
        {(n, 10 + n) for n in range(1, 8)}, set(),
    ),
    "a chain of days of which each leg says something else": (
        [*(out(n, f"To {'abcdefgh'[n]}", on=day(n)) for n in range(8)),
         *(into(10 + n, on=day(n)) for n in range(1, 8))],
        {(n, 10 + n) for n in range(1, 8)}, set(),
    ),
    "more that say the same: the last one waits": (
        [*(out(n, DAILY.format(n), on=day(n)) for n in (1, 2, 3)), into(4, on=day(2)), into(5, on=day(3))],
        {(1, 4), (2, 5)}, set(),
    ),
    "more that arrive, of which one may be anything": ([out(1), into(3, "Deposit"), into(4, "Sale")], set(), {(1, 3)}),
    "more that name the account, whatever else they say": (
        [out(1, BOB, counterparty_account="DE2"), out(2, SAVED, counterparty_account="DE2"), into(3, **THEIRS)],
        {(1, 3)}, set(),
    ),
    "one that names the account, and two that may be it": (
        [out(1, counterparty_account="DE2", kind=None), into(3, "Deposit", **THEIRS), into(4, "Sale", **THEIRS)],
        set(), {(1, 3)},
    ),
    "two accounts, one of which is named": (
        [out(1, counterparty_account="DE2"), out(2), into(3, account_id=3), into(4, account_id=2, **THEIRS)],
        {(1, 4), (2, 3)}, set(),
    ),
    "hints of which one fits alone": (
        [out(1, SAVED, kind=None), out(2, "Coffee", kind=None), into(3, name="Savings")], set(), {(1, 3)},
    ),
    "more hints on one side": (
        [out(1, "Umbuchung A", kind=None), out(2, "Umbuchung B", kind=None), into(3)], set(), {(1, 3)},
    ),
    "two sources of one account": ([out(1, bank_account_id=7), into(3, bank_account_id=7)], set(), set()),
}  # fmt: skip


@pytest.mark.parametrize(("legs", "certain", "asked"), SEVERAL.values(), ids=SEVERAL)
def test_of_several_rows_of_an_amount_as_many_on_either_side_are_transfers(legs, certain, asked):
    for order in (legs, legs[::-1]):
        found = match_transfers(order)
        assert (ids_of(found.certain), ids_of(found.suggestions)) == (certain, asked)


def test_a_pair_that_the_user_parted_is_no_rival():
    found = match_transfers([out(1, BOB), out(2, SAVED), into(3)], {(1, 3)})
    assert (ids_of(found.certain), ids_of(found.suggestions)) == ({(2, 3)}, set())


def test_of_an_amount_with_too_many_pairs_each_leg_is_asked_about(monkeypatch):
    monkeypatch.setattr(match, "MAX_COMPARED_PAIRS", 8)
    found = match_transfers([*map(out, (1, 2, 3)), *map(into, (4, 5, 6))])
    assert (ids_of(found.certain), ids_of(found.suggestions)) == (set(), {(1, 4), (2, 5), (3, 6)})


def ids_of(matches):
    return {(one.left.id, one.right.id) for one in matches}
