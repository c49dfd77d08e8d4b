"""How an account ends, by what is known of its ledger."""

from dataclasses import replace
from decimal import Decimal

import pytest

from worker.importer import run_messages
from worker.importer.decide.balances.proof import BalanceProof, Explanation
from worker.importer.outcome import AccountResult, DoubtfulRows, StandingRejections, judge_account

COUNTED = AccountResult(account_id=1, status="succeeded", code="nothing_new")
MISMATCH = BalanceProof(result="mismatch", reason="does_not_balance", difference=Decimal(5))


@pytest.mark.parametrize(
    ("proof", "code"),
    [
        (BalanceProof(result="unproven", reason="no_balance"), "balance_mismatch"),
        (BalanceProof(result="unproven", reason="no_opening"), "balance_mismatch"),
        (BalanceProof(result="unproven", reason="day_not_counted"), "balance_mismatch"),
        (MISMATCH, "balance_mismatch"),
        (BalanceProof(result="unproven", reason="equal_rows_in_first_load"), "nothing_new"),
        (BalanceProof(result="unproven", reason="no_other_balance"), "nothing_new"),
        (BalanceProof(result="proven", reason="balances"), "nothing_new"),
    ],
)
def test_a_mismatch_holds_until_a_balance_fits(proof, code):
    judged = judge_account(
        COUNTED,
        rejections=StandingRejections(),
        doubtful=DoubtfulRows(),
        proof=proof,
        mismatch_before="differs by 5",
    )
    assert judged.code == code


@pytest.mark.parametrize(
    ("proof", "code"),
    [
        (BalanceProof(result="unproven", reason="no_balance"), "rows_told_again"),
        (BalanceProof(result="unproven", reason="no_other_balance"), "rows_told_again"),
        (MISMATCH, "balance_mismatch"),
        (BalanceProof(result="proven", reason="balances"), "nothing_new"),
    ],
)
def test_a_row_told_again_is_known_or_one_more_as_a_balance_says(proof, code):
    rejections = StandingRejections(open=0 if code != "rows_told_again" else 1)
    judged = judge_account(COUNTED, rejections=rejections, doubtful=DoubtfulRows(told_again=1), proof=proof)
    assert judged.code == code


def test_an_explanation_that_a_newer_worker_wrote_is_left_out_of_the_sentence():
    newer = replace(MISMATCH, explanation=Explanation(code="of_a_newer_worker"))
    assert run_messages.mismatch(newer) == run_messages.mismatch(MISMATCH)
