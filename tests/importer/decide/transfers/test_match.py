"""Which two rows are one transfer."""

import pytest

from tests.importer.decide.rows import day, leg
from worker.connectors.base import AccountType, TransactionKind
from worker.importer.decide.reasons import Reason
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
    found = match_transfers([ours], [theirs])
    assert [match.reason for match in found.certain] == [reason]
    assert found.suggestions == []


@pytest.mark.parametrize(("ours", "theirs"), ASKED.values(), ids=ASKED)
def test_two_rows_that_may_be_one_are_a_question(ours, theirs):
    found = match_transfers([ours], [theirs])
    assert found.certain == []
    assert [match.reason for match in found.suggestions] == [Reason.EQUAL_AND_OPPOSITE]


@pytest.mark.parametrize(("ours", "theirs"), NEITHER.values(), ids=NEITHER)
def test_two_rows_that_are_none(ours, theirs):
    found = match_transfers([ours], [theirs])
    assert (found.certain, found.suggestions) == ([], [])


def test_a_label_with_two_candidates_is_no_transfer():
    ours = [leg("-20", kind=TRANSFER)]
    assert match_transfers(ours, [IN, leg("20", id=3)]).certain == []


def test_as_many_equal_transfers_on_both_sides_are_matched_by_day():
    ours = [leg("-20", kind=TRANSFER, id=1), leg("-20", kind=TRANSFER, id=2, on=day(1))]
    theirs = [leg("20", id=3, on=day(1)), leg("20", id=4)]
    found = match_transfers(ours, theirs)
    assert {(match.left.id, match.right.id) for match in found.certain} == {(1, 4), (2, 3)}
