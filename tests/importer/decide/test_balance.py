"""Whether the balance follows from the rows."""

from datetime import date
from decimal import Decimal

import pytest

from worker.importer.decide.balance import BalanceProof, Books, prove

OPENED_ON, TODAY, PROVEN_ON = date(2026, 1, 1), date(2026, 6, 15), date(2026, 6, 1)
FITS = {
    "booked": Decimal(80), "balance_on": TODAY, "opening": Decimal(100), "opening_on": OPENED_ON,
    "posted": Decimal(-20),
}  # fmt: skip

PROOFS = {
    "the rows explain the balance": ({}, "proven", "balances", None),
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


@pytest.mark.parametrize(("proven_on", "since"), [(None, OPENED_ON), (PROVEN_ON, PROVEN_ON)])
def test_a_mismatch_says_since_when(proven_on, since):
    proof = prove(Books(**(FITS | {"booked": Decimal(70), "proven_on": proven_on})))
    assert proof.as_json() == {
        "result": "mismatch", "reason": "does_not_balance", "difference": "-10", "since_on": since.isoformat(),
        "balance_on": TODAY.isoformat(),
    }  # fmt: skip


def test_a_proof_without_figures_is_stored_without_them():
    assert BalanceProof(result="unproven", reason="no_balance").as_json()["difference"] is None
