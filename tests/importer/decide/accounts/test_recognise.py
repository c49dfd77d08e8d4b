"""Whether a new source is an account that the person has."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.decide.rows import day
from worker.importer.decide.accounts.recognise import AccountFacts, Recognition, best, recognise
from worker.importer.decide.sources.rows import SourceRow

MERCHANTS = ("Bus", "Coffee Bar", "Trattoria Luigi", "Bookshop", "Pharmacy")


def bought(offset, amount, words):
    return SourceRow(on=day(offset), amount=Decimal(amount), currency="EUR", words=words)


def history(first=0, last=20):
    return [bought(n, f"-{n + 1}.10", MERCHANTS[n % len(MERCHANTS)]) for n in range(first, last)]


def renamed(rows):
    return [replace(row, words=f"KARTENZAHLUNG {number}") for number, row in enumerate(rows)]


def facts(rows=(), **more):
    sets = ("anchors", "masks", "named_masks", "names", "institutions", "connectors")
    values = {name: frozenset(value) if name in sets else value for name, value in more.items()}
    return AccountFacts(rows=rows, **({"currency": "EUR", "names": frozenset({"Checking"})} | values))


OWN = {"masks": ["1234"], "institutions": ["Chase"]}
OTHERS = [bought(n, f"-{n + 50}.35", "Else") for n in range(20)]
SAME, MAYBE, OTHER = Recognition

CASES = {
    "one account number": (facts(anchors=["iban:A"]), facts(anchors=["iban:A"]), SAME),
    "one account number, nothing else alike": (
        facts(anchors=["iban:A"], names=["X"], masks=["1"]), facts(OTHERS, anchors=["iban:A"], masks=["2"]), SAME,
    ),
    "another account number": (facts(history(), anchors=["iban:A"]), facts(history(), anchors=["iban:B"]), OTHER),
    "a number and an aggregator's id say nothing of each other": (
        facts(history(), anchors=["iban:A"]), facts(history(), anchors=["plaid:x"]), SAME,
    ),
    "hashes of two connectors say nothing of each other": (
        facts(history(), anchors=["hash:a"], connectors=["file"]),
        facts(history(), anchors=["hash:b"], connectors=["other"]),
        SAME,
    ),
    "hashes of one connector": (
        facts(history(), anchors=["hash:a"], connectors=["file"]),
        facts(history(), anchors=["hash:b"], connectors=["file"]),
        OTHER,
    ),
    "another currency": (facts(history(), **OWN), facts(history(), currency="USD", **OWN), OTHER),
    "the same rows, nothing else known": (facts(history(), names=["A"]), facts(history(), names=["B"]), SAME),
    "the same rows, every payee renamed": (facts(renamed(history())), facts(history()), SAME),
    "four rows, every payee renamed": (facts(renamed(history(0, 4))), facts(history()), MAYBE),
    "one row and nothing else": (facts(history(0, 1), names=["A"]), facts(history(0, 1), names=["B"]), OTHER),
    "two rows of a week, and nothing else": (
        facts(history(0, 2), names=["A"]), facts(history(0, 2), names=["B"]), MAYBE,
    ),
    "two of three rows of a week": (
        facts([*history(0, 2), bought(1, "-77", "Shoes")], names=["A"]), facts(history(0, 2), names=["B"]), OTHER,
    ),
    "two rows of a month, and no others": (
        facts([*history(0, 1), *history(30, 31)], names=["A"]), facts([*history(0, 1), *history(30, 31)], names=["B"]),
        MAYBE,
    ),
    "two rows of a month, and other digits": (
        facts([*history(0, 1), *history(30, 31)], names=["A"], masks=["1"]),
        facts([*history(0, 1), *history(30, 31)], names=["B"], masks=["2"]),
        OTHER,
    ),
    "two rows, digits and name": (facts(history(0, 2), **OWN), facts(history(0, 2), **OWN), SAME),
    "a replaced card with the same rows": (facts(history(), masks=["1"]), facts(history(), masks=["2"]), SAME),
    "other digits and not every row": (
        facts([*history(), bought(9, "-77", "Shoes")], masks=["1"]), facts(history(), masks=["2"]), MAYBE,
    ),
    "half of the rows": (facts([*history(0, 10), *OTHERS[10:20]]), facts(history()), MAYBE),
    "other rows, the same name": (facts(OTHERS), facts(history()), OTHER),
    "other rows, all hints equal": (facts(OTHERS, **OWN), facts(history(), **OWN), MAYBE),
    "no common day, all hints equal": (facts(history(0, 20), **OWN), facts(history(30, 60), **OWN), MAYBE),
    "no common day, the same name": (facts(history(0, 20)), facts(history(21, 60)), MAYBE),
    "years between, the same name": (facts(history(0, 20)), facts(history(400, 420)), OTHER),
    "no common day, other digits": (facts(history(0, 20), masks=["1"]), facts(history(21, 60), masks=["2"]), OTHER),
    "weeks between, another name": (facts(history(0, 20), names=["A"]), facts(history(30, 40), names=["B"]), OTHER),
    "one ends where the other begins": (
        facts(history(0, 20), names=["A"]), facts(history(21, 40), names=["B"]), MAYBE,
    ),
    "one row, digits that two accounts of a connection share, and the name": (
        facts(history(0, 1), named_masks=[("4711", "Main")], names=["Main"]),
        facts(history(0, 1), named_masks=[("4711", "Main")], names=["Main"]),
        SAME,
    ),
    "one row, digits that two accounts share, another name": (
        facts(history(0, 1), named_masks=[("4711", "Main")], names=["Main"]),
        facts(history(0, 1), named_masks=[("4711", "Savings")], names=["Savings"]),
        OTHER,
    ),
    "its only row, of an account that nothing serves": (
        facts(history(0, 1), masks=["1"], names=["A"]),
        facts(history(0, 1), masks=["2"], names=["B"], served=False),
        MAYBE,
    ),
    "its only row, of an account that is served": (
        facts(history(0, 1), masks=["1"], names=["A"]), facts(history(0, 1), masks=["2"], names=["B"]), OTHER,
    ),
    "no row yet, digits and name": (facts([], **OWN), facts(history(), **OWN), SAME),
    "no row yet, the same name": (facts([]), facts(history()), OTHER),
}  # fmt: skip


@pytest.mark.parametrize(("new", "known", "verdict"), CASES.values(), ids=CASES)
def test_whether_a_source_is_an_account(new, known, verdict):
    assert recognise(new, known).verdict == verdict


def test_the_evidence_is_in_words_and_numbers():
    rows = [*history(0, 20), bought(9, "-77", "Shoes"), bought(10, "-78", "Hats")]
    evidence = recognise(facts(rows, masks=["9999"]), facts(history(), masks=["1234"]))
    assert evidence.sentences[:2] == (
        f"20 of 22 rows of {day(0)} to {day(19)} agree",
        "the last digits differ (9999, 1234)",
    )
    assert evidence.as_json()["overlap_rows"] == 22


def test_two_accounts_that_fit_equally_well_are_a_question():
    new = facts(history(), names=["A"])
    found = [(number, recognise(new, facts(history(), names=["B"]))) for number in (1, 2)]
    chosen = best(found)
    assert chosen is not None
    assert chosen[1].verdict == MAYBE


def test_the_name_decides_between_two_accounts_with_the_same_rows():
    new = facts(history(), names=["Savings"])
    found = [
        (1, recognise(new, facts(history(), names=["Main"]))),
        (2, recognise(new, facts(history(), names=["Savings"]))),
    ]
    chosen = best(found)
    assert chosen is not None
    assert (chosen[0], chosen[1].verdict) == (2, SAME)
