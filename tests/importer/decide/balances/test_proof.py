"""Whether the balance follows from the rows."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from worker.importer.decide.balances.mismatch import PostedRow, explain, without_rows
from worker.importer.decide.balances.proof import BalanceProof, Books, Explanation, lasts, prove

OPENED_ON, TODAY, PROVEN_ON = date(2026, 1, 1), date(2026, 6, 15), date(2026, 6, 1)
FITS = {
    "booked": Decimal(80), "balance_on": TODAY, "opening": Decimal(100), "opening_on": OPENED_ON,
    "posted": Decimal(-20),
}  # fmt: skip

# 300 were owed after purchases of 20; since then there was one of 30.
OWED = {
    "booked": Decimal(330), "opening_balance": Decimal(300), "opening_balance_on": PROVEN_ON, "opening": Decimal(320),
    "posted": Decimal(-50), "may_be_owed": True,
}  # fmt: skip

PROOFS = {
    "the rows explain the balance": ({}, "proven", "balances", None),
    "the same balance again": (
        {"opening_balance": Decimal(80), "opening_balance_on": TODAY},
        "unproven",
        "no_other_balance",
        None,
    ),
    "another balance of the day": (
        {"opening_balance": Decimal(85), "opening_balance_on": TODAY},
        "proven",
        "balances",
        None,
    ),
    "pending rows are counted": ({"booked": Decimal(75), "pending": Decimal(-5)}, "proven", "pending_counted", None),
    "pending rows were counted": (
        {"booked": Decimal(85), "opening_pending": Decimal(-5)},
        "proven",
        "pending_counted",
        None,
    ),
    "rows of the next two days are counted": (
        {"booked": Decimal(73), "ahead": (Decimal(0), Decimal(-7), Decimal(-9))},
        "proven",
        "coming_days_counted",
        None,
    ),
    "the day is not counted yet": (
        {"booked": Decimal(87), "last": (Decimal(-7),)},
        "unproven",
        "day_not_counted",
        None,
    ),
    "the day of the first balance was not counted by it": (
        {"booked": Decimal(73), "last_before_opening": (Decimal(-7),)},
        "proven",
        "opening_day_not_counted",
        None,
    ),
    "the same, with rows that the first load may have doubled": (
        {"booked": Decimal(73), "last_before_opening": (Decimal(-7),), "equal_rows": (1, 2)},
        "unproven",
        "equal_rows_in_first_load",
        None,
    ),
    "neither balance counts its own day": (
        {"booked": Decimal(76), "last_before_opening": (Decimal(-7),), "last": (Decimal(-3),)},
        "unproven",
        "day_not_counted",
        None,
    ),
    "the last two days are not counted yet": (
        {"lagged_by": frozenset({Decimal(4)}), "booked": Decimal(89), "last": (Decimal(0), Decimal(-9))},
        "unproven",
        "day_not_counted",
        None,
    ),
    "the last two days seem not to be counted for the first time": (
        {"booked": Decimal(89), "last": (Decimal(0), Decimal(-9))},
        "mismatch",
        "does_not_balance",
        Decimal(9),
    ),
    "the last two days would explain a difference that was there before": (
        {"booked": Decimal(89), "last": (Decimal(0), Decimal(-9)), "lagged_by": frozenset({Decimal(9)})},
        "mismatch",
        "does_not_balance",
        Decimal(9),
    ),
    "neither balance counts its last days": (
        {
            "lagged_by": frozenset({Decimal(4)}),
            "booked": Decimal(82),
            "last_before_opening": (Decimal(0), Decimal(-7)),
            "last": (Decimal(-4), Decimal(-9)),
        },
        "unproven",
        "day_not_counted",
        None,
    ),
    "the first balance did not count its last days, and nothing happened on those of this one": (
        {
            "lagged_by": frozenset({Decimal(4)}),
            "booked": Decimal(73),
            "last_before_opening": (Decimal(-2), Decimal(-7)),
            "last": (Decimal(0), Decimal(0)),
        },
        "proven",
        "opening_day_not_counted",
        None,
    ),
    "rows of the last days are there twice": (
        {"lagged_by": frozenset({Decimal(4)}), "booked": Decimal(89), "last": (Decimal(-18), Decimal(-20))},
        "mismatch",
        "does_not_balance",
        Decimal(9),
    ),
    "a balance fits with the rows of both days or of neither": (
        {"last_before_opening": (Decimal(-7),), "last": (Decimal(-7),), "opening_balance_on": PROVEN_ON},
        "proven",
        "equal_days",
        None,
    ),
    "another balance of the first balance's day": (
        {"last_before_opening": (Decimal(-7),), "last": (Decimal(-7),), "opening_balance_on": TODAY},
        "proven",
        "balances",
        None,
    ),
    "the day of the first balance was counted by it": (
        {"booked": Decimal(73), "last_before_opening": (Decimal(-7),), "opening_day_counted": True},
        "mismatch",
        "does_not_balance",
        Decimal(-7),
    ),
    "rows of the first balance's day are there twice": (
        {"booked": Decimal(87), "last_before_opening": (Decimal(-7),)},
        "mismatch",
        "does_not_balance",
        Decimal(7),
    ),
    "a card states what is owed": (OWED, "proven", "balances", None),
    "what is owed does not follow from the rows": (
        OWED | {"booked": Decimal(335)},
        "mismatch",
        "does_not_balance",
        Decimal(65),
    ),
    "a card that was owed is overpaid": (
        OWED | {"booked": Decimal(-20), "posted": Decimal(300), "was_owed": True},
        "proven",
        "balances",
        None,
    ),
    "a card of which nothing says that it was owed, and one row with a wrong sign": (
        OWED | {"booked": Decimal(-20), "posted": Decimal(300)},
        "mismatch",
        "does_not_balance",
        Decimal(-640),
    ),
    "a card that was owed has its first balance again": (
        OWED | {"booked": Decimal(300), "posted": Decimal(-20), "was_owed": True},
        "proven",
        "balances",
        None,
    ),
    "a row of a card that was owed is there twice": (
        OWED | {"posted": Decimal(-80), "was_owed": True},
        "mismatch",
        "does_not_balance",
        Decimal(30),
    ),
    "an account that is no card": (OWED | {"may_be_owed": False}, "mismatch", "does_not_balance", Decimal(60)),
    "a card with a sign, and rows with the other one": (
        OWED
        | {"booked": Decimal(-330), "opening_balance": Decimal(-300), "opening": Decimal(-320)}
        | {"posted": Decimal(50)},
        "mismatch",
        "does_not_balance",
        Decimal(-60),
    ),
    "no balance": ({"booked": None}, "unproven", "no_balance", None),
    "a balance of no day": ({"balance_on": None}, "unproven", "no_balance", None),
    "no opening amount": ({"opening": None}, "unproven", "no_opening", None),
    "the rows say too much": ({"booked": Decimal(70)}, "mismatch", "does_not_balance", Decimal(-10)),
    "the rows say too little": ({"booked": Decimal(90)}, "mismatch", "does_not_balance", Decimal(10)),
}


@pytest.mark.parametrize(("books", "result", "reason", "difference"), PROOFS.values(), ids=PROOFS)
def test_what_a_balance_proves(books, result, reason, difference):
    proof = prove(Books(**(FITS | books)))
    assert (proof.result, proof.reason, proof.difference) == (result, reason, difference)


OWED_ON = {
    "as what is owed alone": ({"booked": Decimal(330)}, "other_amount_owed"),
    "either way": ({"booked": Decimal(300), "posted": Decimal(-20)}, "other_amount_owed"),
    "as the rows stand alone": ({"booked": Decimal(270)}, "other_balance"),
    "neither way": ({"booked": Decimal(335)}, "other_amount_owed"),
}


@pytest.mark.parametrize(("books", "rests_on"), OWED_ON.values(), ids=OWED_ON)
def test_a_card_is_owed_until_a_balance_fits_as_the_rows_stand_alone(books, rests_on):
    assert prove(Books(**(FITS | OWED | {"was_owed": True} | books))).rests_on == rests_on


@pytest.mark.parametrize(("proven_on", "since"), [(None, OPENED_ON), (PROVEN_ON, PROVEN_ON)])
def test_a_mismatch_says_since_when(proven_on, since):
    proof = prove(Books(**(FITS | {"booked": Decimal(70), "proven_on": proven_on})))
    assert proof.as_json() == {
        "result": "mismatch", "reason": "does_not_balance", "difference": "-10", "since_on": since.isoformat(),
        "balance_on": TODAY.isoformat(), "rests_on": None, "from_on": None, "explanation": None,
        "told_on": None,
    }  # fmt: skip


KEPT = {
    "without figures": BalanceProof(result="unproven", reason="no_balance"),
    "with an explanation": BalanceProof(
        result="mismatch", reason="does_not_balance", difference=Decimal("-10.50"), since_on=PROVEN_ON,
        explanation=Explanation(code="row_doubled", transaction_ids=(1, 2)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("proof", KEPT.values(), ids=KEPT)
def test_a_proof_is_read_as_it_was_stored(proof):
    assert BalanceProof.from_json(json.loads(json.dumps(proof.as_json()))) == proof


def test_a_proof_of_an_older_worker_is_read_without_what_it_lacks():
    assert BalanceProof.from_json({"result": "proven"}) == BalanceProof(result="proven", reason="")


def test_a_proof_says_what_it_rests_on_and_since_when():
    proof = prove(Books(**(FITS | {"opening_balance": Decimal(90), "opening_balance_on": PROVEN_ON})))
    assert (proof.rests_on, proof.from_on) == ("other_balance", PROVEN_ON)


@pytest.mark.parametrize(("booked", "fits"), [(80, True), (73, False)])
@pytest.mark.parametrize("equal_rows", [(), (1, 2)])
def test_rows_fit_where_the_balance_follows_from_them_as_they_stand(booked, fits, equal_rows):
    said = {"booked": Decimal(booked), "last_before_opening": (Decimal(-7),), "opening_balance_on": PROVEN_ON}
    proof = prove(Books(**(FITS | said), equal_rows=equal_rows))
    assert proof.fits_after_on == (PROVEN_ON if fits else None)


def row(number, amount, alike=b"", *, removed=False):
    return PostedRow(id=number, amount=Decimal(amount), alike=alike or bytes([number]), removed=removed)


EXPLANATIONS = {
    "one row doubled": (5, [row(1, -5, b"x"), row(2, -5, b"x"), row(3, -7)], ("row_doubled", (1, 2))),
    "one of two unlike rows of the amount": (5, [row(1, -5), row(2, -5)], None),
    "a row the bank took back": (-5, [row(1, -5, removed=True), row(2, -7)], ("row_removed", (1,))),
    "a wrong sign": (-14, [row(1, 7), row(2, -3)], ("sign_of_one_row", (1,))),
    "two rows may have the wrong sign": (-14, [row(1, 7), row(2, 7), row(3, 5)], None),
    "all signs": (-20, [row(1, 3), row(2, 7)], ("signs_of_all_rows", ())),
    "nothing": (1, [row(1, 3), row(2, 7)], None),
}


@pytest.mark.parametrize(("difference", "rows", "expected"), EXPLANATIONS.values(), ids=EXPLANATIONS)
def test_what_explains_a_difference(difference, rows, expected):
    found = explain(Decimal(difference), rows)
    assert (found and (found.code, found.transaction_ids)) == expected


@pytest.mark.parametrize("explanation", [None, Explanation(code="row_doubled")])
def test_a_balance_that_changes_without_rows_contradicts_only_what_explains_the_difference(explanation):
    mismatch = prove(Books(**(FITS | {"booked": Decimal(70)})))
    judged = without_rows(replace(mismatch, explanation=explanation))
    assert (judged.result, judged.reason) == (
        ("mismatch", "does_not_balance") if explanation else ("unproven", "changes_without_rows")
    )


def mismatch(number):
    return BalanceProof(
        result="mismatch", reason="does_not_balance", difference=Decimal(1), balance_on=OPENED_ON.replace(day=number)
    )


PROVEN, SILENT = BalanceProof(result="proven", reason="balances"), BalanceProof(result="unproven", reason="no_balance")
LASTING = {
    "two days": ([mismatch(2), mismatch(1)], False),
    "three days": ([mismatch(3), mismatch(2), mismatch(1)], True),
    "three runs of two days": ([mismatch(2), mismatch(2), mismatch(1)], False),
    "three days with one that states no balance": ([mismatch(3), SILENT, mismatch(2), mismatch(1)], True),
    "three days with one that fits": ([mismatch(4), mismatch(3), PROVEN, mismatch(1)], False),
}


@pytest.mark.parametrize(("proofs", "asked"), LASTING.values(), ids=LASTING)
def test_a_person_is_asked_about_a_balance_that_differs_for_three_days_in_a_row(proofs, asked):
    assert lasts(proofs[0], proofs[1:]) is asked
