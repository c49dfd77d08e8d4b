"""What is loaded for the rows of a slice, and what the loaded rows correct."""

from dataclasses import replace

import pytest

from tests.importer.decide.rows import COMPLETE, TRUSTED, UNTRUSTED, day, key, line, row, rules, transaction
from worker.importer.decide.ids.match import match_by_identity
from worker.importer.decide.pending.match_posted import MAX_DAYS_TO_POST, match_pending_rows
from worker.importer.decide.pending.match_rewritten import UnmatchedRow
from worker.importer.decide.read.line import fingerprint
from worker.importer.decide.slice_matches import (
    RowsInFull,
    correct_matches,
    identities_maybe_taken,
    match_slice,
    undecided_ids,
)
from worker.importer.decide.slice_rows import StoredKeys, read_slice
from worker.importer.decide.stored_row import State


def found_and_corrected(said, stored, context=TRUSTED, named=(), *, whole_days=True):
    """Match transactions with stored rows of which all that is undecided is loaded."""
    chosen = rules(whole_days=whole_days)
    delivered = [fingerprint(one, context, context.fingerprint_salt) for one in said]
    rows = read_slice(delivered, StoredKeys(rows=[key(one) for one in stored]), context, chosen)
    found = match_slice(rows, COMPLETE, context, chosen)
    in_full = {one.id: one for one in stored if one.id in found.undecided.union(named)}
    full = RowsInFull(by_id=in_full, named=dict.fromkeys(named, "p"))
    return found, correct_matches(found, full, COMPLETE, chosen)


SIGNS = {
    "both rows have the other sign": (["3.50", "9"], True),
    "one has": (["3.50", "-9"], False),
    "both are as they were": (["-3.50", "-9"], False),
}


@pytest.mark.parametrize(("amounts", "flipped"), SIGNS.values(), ids=SIGNS)
def test_signs_flipped_where_every_row_has_the_other_one(amounts, flipped):
    stored = [row("-3.50", id=1, external_id="a"), row("-9", id=2, external_id="b")]
    said = [transaction(amount, external_id=id_) for amount, id_ in zip(amounts, "ab", strict=True)]
    assert found_and_corrected(said, stored)[1].signs_flipped is flipped


def test_a_sign_that_the_user_chose_has_not_flipped():
    stored = [row("-3.50", id=1, external_id="a"), row("-9", id=2, external_id="b")]
    said = [transaction("-3.50", external_id="a"), transaction("-9", external_id="b")]
    inverted = replace(TRUSTED, sign=-1)
    assert not found_and_corrected(said, stored, inverted)[1].signs_flipped


def test_what_is_to_be_loaded_follows_from_what_was_recognised():
    changed, absent = row(id=1, external_id="a", expense_id=None), row(id=2, text="Books", external_id="b")
    said = [transaction(text="Bar", external_id="a"), transaction("-1", "Tea", pending_external_id="p")]
    found, corrected = found_and_corrected(said, [changed, absent])
    assert (found.undecided, list(found.named_ids), found.rows_set_aside) == ({1, 2}, ["p"], 0)
    assert list(corrected.without_expense) == [1]
    assert [one.description for one in corrected.visible] == ["Tea", "Bar"]


def test_rows_to_be_loaded_whole_are_changed_ones_and_those_whose_absence_may_mean_something():
    changed, covered, far = row(id=1, external_id="a"), row(id=2, text="x"), row(id=3, text="y", booking_on=day(-90))
    pending = row(id=4, text="z", booking_on=day(-90), pending=True)
    said = [line(text="Bar", external_id="a")]
    matches = match_by_identity(said, [key(r) for r in (changed, covered, far, pending)], {}, COMPLETE)
    assert undecided_ids(matches, COMPLETE) == {1, 2, 4}


@pytest.mark.parametrize(("days", "loaded"), [(MAX_DAYS_TO_POST, {1}), (MAX_DAYS_TO_POST + 1, set())])
def test_a_removed_row_is_loaded_as_far_from_its_day_as_it_is_matched(days, loaded):
    removed = row(id=1, pending=True, state=State.REMOVED, former_state=State.PENDING, expense_id=None)
    said = line(booking_on=day(days), pending=True, external_id="new")
    matches = match_by_identity([said], [key(removed)], {}, COMPLETE)
    assert undecided_ids(matches, COMPLETE) == loaded
    candidate = UnmatchedRow(known=removed, withdrawn=False, complete=False, removed_before=True)
    assert {match.right.known.id for match in match_pending_rows([said], [candidate])} == loaded


def test_a_row_without_an_id_may_be_restated_where_its_days_are_whole():
    stored, said = row(id=1), [transaction(text="Coffee Bar Mitte")]
    for whole_days, restated in ((True, {1}), (False, set())):
        _, corrected = found_and_corrected(said, [stored], UNTRUSTED, whole_days=whole_days)
        assert corrected.maybe_restated == restated


@pytest.mark.parametrize(("stored_to", "looked_up"), [(0, False), (1, True), (9, True)])
def test_identities_are_looked_up_for_rows_without_ids_of_days_of_which_there_may_be_rows(stored_to, looked_up):
    _, corrected = found_and_corrected([transaction(booking_on=day(1))], [row(id=1, text="Books")], UNTRUSTED)
    assert bool(identities_maybe_taken(corrected.matches, day(stored_to))) is looked_up


def test_a_pending_row_that_a_posted_one_links_is_released():
    pending = row(id=1, external_id="p2", pending=True)
    said = [
        transaction(external_id="p2", pending=True),
        transaction("-4", external_id="b", pending_external_id="p"),
    ]
    found, corrected = found_and_corrected(said, [replace(pending, fingerprint=b"other")], named=[1])
    assert corrected.matches.delivered_beside == {1: line(external_id="p2", pending=True)}
    assert 1 not in corrected.matches.delivered_ids
    assert (found.matches.delivered_beside, found.matches.delivered_ids) == ({}, {1})
