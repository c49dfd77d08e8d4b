"""Which line is which stored row: present id, former id, content."""

from dataclasses import replace

import pytest

from tests.importer.decide.rows import (
    COMPLETE,
    CUT,
    NOTHING_PROVEN,
    UNTRUSTED,
    day,
    key,
    line,
    row,
)
from worker.importer.decide.ids.match import match_by_identity
from worker.importer.decide.read.identity import content_identity, id_identity
from worker.importer.decide.stored_row import State


def match(said, known, coverage=COMPLETE, aliases=None):
    return match_by_identity([said], [key(known)], aliases or {}, coverage)


SAME = {
    "the same id": (line(external_id="a"), row(external_id="a"), NOTHING_PROVEN, "unchanged"),
    "the same id, another text": (line(text="Bar", external_id="a"), row(external_id="a"), NOTHING_PROVEN, "changed"),
    "the same id, removed before": (
        line(external_id="a"), row(external_id="a", state=State.REMOVED), NOTHING_PROVEN, "changed",
    ),
    "equal content, no id": (line(), row(), NOTHING_PROVEN, "unchanged"),
    "equal content, an id that came later": (line(external_id="a"), row(), NOTHING_PROVEN, "changed"),
    "equal content, the id is gone": (line(), row(external_id="a"), COMPLETE, "unchanged"),
    "equal content, the id is gone, nothing proven": (line(), row(external_id="a"), NOTHING_PROVEN, "unchanged"),
    "pending without an id beside a posted row": (line(pending=True), row(external_id="a"), NOTHING_PROVEN, "new"),
    "equal content, another id, the day is proven": (
        line(external_id="b"), row(external_id="a"), COMPLETE, "changed",
    ),
    "equal content, another id, nothing proven": (
        line(external_id="b"), row(external_id="a"), NOTHING_PROVEN, "new",
    ),
    "equal content, another id, removed before": (
        line(external_id="b"), row(external_id="a", state=State.REMOVED), NOTHING_PROVEN, "changed",
    ),
    "equal content, ids no longer trusted": (
        line(external_id="b", context=UNTRUSTED), row(external_id="a"), NOTHING_PROVEN, "unchanged",
    ),
    "another content": (line(text="Bar"), row(), COMPLETE, "new"),
    "another day": (line(booking_on=day(1)), row(), COMPLETE, "new"),
}  # fmt: skip


@pytest.mark.parametrize(("said", "known", "coverage", "outcome"), SAME.values(), ids=SAME)
def test_a_line_and_a_row(said, known, coverage, outcome):
    matches = match(said, known, coverage)
    assert {name: len(getattr(matches, name)) for name in ("unchanged", "changed", "new")} == {
        "unchanged": 0, "changed": 0, "new": 0, outcome: 1,
    }  # fmt: skip
    assert [absent.id for absent in matches.undelivered] == ([1] if outcome == "new" else [])


FORMER = {
    "the row has no id of its own": (row(), NOTHING_PROVEN, True),
    "its new id is absent from a proven day": (row(text="Bar", external_id="b"), COMPLETE, True),
    "its new id may be elsewhere": (row(text="Bar", external_id="b"), NOTHING_PROVEN, False),
    "removed before": (row(text="Bar", external_id="b", state=State.REMOVED), NOTHING_PROVEN, True),
    "posted, in an incomplete answer": (row(text="Bar", external_id="b"), CUT, False),
}


@pytest.mark.parametrize(("known", "coverage", "found"), FORMER.values(), ids=FORMER)
def test_a_former_id_stands_for_its_row_while_the_present_one_cannot_come_on_its_own(known, coverage, found):
    said = line(text="Something else", external_id="a")
    matches = match(said, known, coverage, {id_identity("a"): known.id})
    assert bool(matches.changed) == found


def test_a_present_id_is_stronger_than_a_former_one():
    one, other = row(id=1, external_id="a"), row(id=2, text="Bar", external_id="b")
    lines = [line(text="x", external_id="b"), line(external_id="a")]
    matches = match_by_identity(lines, [key(one), key(other)], {id_identity("b"): 1}, COMPLETE)
    assert {m.known_id: m.line.external_id for m in [*matches.changed, *matches.unchanged]} == {1: "a", 2: "b"}


def test_equal_coffees_match_one_to_one_and_one_more_is_new():
    first, second = row(id=1), row(id=2)
    second = replace(second, identity=content_identity(second.content_key, 1), occurrence=1)
    matches = match_by_identity([line()] * 3, [key(first), key(second)], {}, COMPLETE)
    assert [m.known_id for m in matches.unchanged] == [1, 2]
    assert len(matches.new) == 1
    assert matches.next_occurrence == {first.content_key: 2}


def test_a_posted_twin_matches_the_posted_row():
    """A pending twin that was called off must not live on in the posted one."""
    pending, posted = row(id=1, pending=True, external_id="p"), row(id=2, external_id="q")
    matches = match_by_identity([line()], [key(pending), key(posted)], {}, COMPLETE)
    assert [m.known_id for m in matches.unchanged] == [2]


@pytest.mark.parametrize("known_pending", [True, False])
@pytest.mark.parametrize("pending_first", [True, False])
def test_a_row_and_a_booking_of_its_content_match_by_their_state_in_either_order(known_pending, pending_first):
    """Without ids: else the order of a page would make the pending row a second purchase that nobody is asked about."""
    lines = sorted([line(pending=True), line()], key=lambda one: one.pending, reverse=pending_first)
    matches = match_by_identity(lines, [key(row(pending=known_pending))], {}, COMPLETE)
    assert [match.line.pending for match in matches.unchanged] == [known_pending]
    assert [one.pending for one in matches.new] == [not known_pending]


X = id_identity("x")
LIED = {"x": X}
SHARED = {
    "the row that had the id as its identity loses it": (
        line(external_id="x", context=UNTRUSTED), row(external_id="x"), "changed",
    ),
    "a row that has it without being recognised by it": (
        line(external_id="x", context=UNTRUSTED),
        row(external_id="x", identity=content_identity(line().content_key, 0)),
        "unchanged",
    ),
    "a row of another trusted id is another row": (
        line(external_id="x", context=UNTRUSTED), row(external_id="y"), "new",
    ),
    "another content is another row": (
        line(text="Bar", external_id="x", context=UNTRUSTED), row(external_id="x"), "new",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "known", "outcome"), SHARED.values(), ids=SHARED)
def test_a_line_of_an_id_that_stands_for_several_rows(said, known, outcome):
    matches = match_by_identity([said], [key(known)], {}, NOTHING_PROVEN, LIED)
    assert [len(matches.unchanged), len(matches.changed), len(matches.new)] == [
        int(outcome == name) for name in ("unchanged", "changed", "new")
    ]
