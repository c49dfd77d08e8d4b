"""Several transactions of one delivery under one id."""

import pytest

from tests.importer.decide.rows import TRUSTED, UNTRUSTED, key, row, transaction
from worker.importer.decide.ids.duplicates import (
    distinct_transactions,
    latest_states,
    possibly_shared_ids,
    without_superseded_pending,
)
from worker.importer.decide.read.identity import content_identity, id_identity
from worker.importer.decide.read.line import fingerprint

X = id_identity("x")
PENDING, POSTED = {"pending": True}, {"pending": False}

ONE_ANSWER = {
    "pending and posted under one id": ([PENDING | {"external_id": "x"}, {"external_id": "x"}], [1]),
    "posted first": ([{"external_id": "x"}, PENDING | {"external_id": "x"}], [0]),
    "posted with a tip": ([PENDING | {"external_id": "x"}, {"external_id": "x", "amount": "-4"}], [1]),
    "the posted one names the pending one": (
        [PENDING | {"external_id": "p"}, {"external_id": "q", "pending_external_id": "p"}], [1],
    ),
    "different ids": ([PENDING | {"external_id": "p"}, {"external_id": "q"}], [0, 1]),
    "both without an id": ([PENDING, POSTED], [0, 1]),
    "both with a blank id": ([PENDING | {"external_id": " "}, {"external_id": " "}], [0, 1]),
    "two pending rows under one id": ([PENDING | {"external_id": "x"}, PENDING | {"external_id": "x"}], [0, 1]),
    "two states of a pending row, and the posted one": (
        [PENDING | {"external_id": "x", "amount": "-1"}, PENDING | {"external_id": "x"}, {"external_id": "x"}], [2],
    ),
    "pending purchases under the id of a posted one": (
        [PENDING | {"external_id": "0", "text": "Book Bar"}, {"external_id": "0"}, PENDING | {"external_id": "0"}],
        [0, 1, 2],
    ),
    "a pending purchase under the id of posted ones": (
        [PENDING | {"external_id": "0"}, {"external_id": "0", "text": "Book Bar"}, {"external_id": "0"}], [0, 1, 2],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "kept"), ONE_ANSWER.values(), ids=ONE_ANSWER)
def test_of_one_purchase_in_two_states_the_posted_one_counts(said, kept):
    rows = [transaction(**fields) for fields in said]
    assert without_superseded_pending(rows, trusted=True) == [rows[place] for place in kept]


def test_ids_that_are_no_identities_say_nothing_of_one_purchase():
    rows = [transaction(external_id="1", pending=True), transaction(external_id="1")]
    assert without_superseded_pending(rows, trusted=False) == rows


def said(external_id, text="Coffee Bar", context=TRUSTED):
    return fingerprint(transaction(text=text, external_id=external_id), context, context.fingerprint_salt)


DELIVERIES = {
    "different ids": ([said("x"), said("y")], ["x", "y"], 0, {}),
    "one row twice": ([said("x"), said("x")], ["x"], 1, {}),
    "two rows under one id": ([said("x"), said("x", "Bar"), said("y")], [None, None, "y"], 0, {"x": X}),
    "two rows under one id, each twice": ([said("x"), said("x", "Bar")] * 2, [None] * 4, 0, {"x": X}),
    "one row thrice under an id that another has, too": (
        [said("x"), said("x"), said("y"), said("x", "Bar"), said("x")], [None, None, "y", None, None], 0, {"x": X},
    ),
    "one row thrice": ([said("x"), said("y")] * 3, ["x", "y"], 4, {}),
    "equal rows without ids are two": ([said(None), said(None)], [None, None], 0, {}),
    "ids that are no identities": ([said("x", context=UNTRUSTED)] * 2, [None, None], 0, {}),
}  # fmt: skip


@pytest.mark.parametrize(("items", "identities", "repeated", "shared"), DELIVERIES.values(), ids=DELIVERIES)
def test_rows_under_one_id(items, identities, repeated, shared):
    distinct = distinct_transactions(items)
    assert [item.identity for item in distinct.transactions] == [i and id_identity(i) for i in identities]
    assert (len(distinct.repeats), distinct.shared_ids) == (repeated, shared)


def test_an_id_that_is_known_to_lie_is_not_trusted_and_the_others_are():
    distinct = distinct_transactions([said("x"), said("y")] * 2, {X})
    assert [item.identity for item in distinct.transactions] == [None, id_identity("y"), None]
    assert (len(distinct.repeats), distinct.shared_ids) == (1, {"x": X})


CHANGES = {
    "one row changed twice": ([said("x", "Coffee Bar"), said("y"), said("x", "COFFEE BAR 12")], [1, 2]),
    "an id that lies": ([said("x", "Coffee Bar"), said("x", "Bookshop")], [0, 1]),
    "rows without ids": ([said(None), said(None)], [0, 1]),
    "three states": ([said("x", f"Coffee Bar {number}") for number in range(3)], [2]),
}


@pytest.mark.parametrize(("items", "kept"), CHANGES.values(), ids=CHANGES)
def test_of_a_row_that_a_list_of_changes_tells_twice_the_last_state_counts(items, kept):
    assert latest_states(items) == [items[place] for place in kept]


CONTENT = content_identity(row().content_key, 0)
STORED = {
    "recognised by its content though it has the id": (row(external_id="x", identity=CONTENT), {"x": X}),
    "recognised by the id": (row(external_id="x"), {}),
    "renumbered since": (row(external_id="y"), {}),
}


@pytest.mark.parametrize(("known", "found"), STORED.values(), ids=STORED)
def test_an_id_that_may_have_lied_before(known, found):
    assert possibly_shared_ids([said("x")], {X: known.id}, [key(known)]) == found
