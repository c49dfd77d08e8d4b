"""Whichever of its days a bank selects rows by: none is absent that was not asked for, none is swallowed or doubled."""

from dataclasses import dataclass, replace
from datetime import date
from itertools import product

import pytest

from tests.importer.decide.rows import DAY, TRUSTED, day, key, line, row, rules, transaction
from worker.connectors.base import Window
from worker.importer.decide.absent_rows import Coverage
from worker.importer.decide.evidence import Evidence
from worker.importer.decide.ids.match import match_by_identity
from worker.importer.decide.ids.reused import set_reused_ids_apart
from worker.importer.decide.pending.match_posted import match_pending_rows
from worker.importer.decide.pending.match_rewritten import UnmatchedRow
from worker.importer.decide.plan import make_plan
from worker.importer.decide.read.identity import id_identity
from worker.importer.decide.read.line import fingerprint
from worker.importer.decide.row_days import DAY_KINDS, RowDays
from worker.importer.decide.slice_matches import (
    RowsInFull,
    correct_matches,
    match_slice,
    undecided_ids,
)
from worker.importer.decide.slice_rows import StoredKeys, read_slice
from worker.importer.decide.stored_row import State

KINDS = ("booking_on", "transaction_on", "value_on")
FORMER_ID = {id_identity("former", ""): 1}


@dataclass(frozen=True)
class Edge:
    """One end of a window, and days on either side of it."""

    coverage: Coverage
    inside: int
    outside: int

    def days(self, places, shift=0):
        """The days of a row: `places` says of each kind on which side it is; None where the bank does not state it."""
        found = {kind: day(getattr(self, place) + shift) for kind, place in places.items() if place is not None}
        return {"booking_on": None} | found

    def has(self, days, by):
        """Say whether the answer of a bank that selects by this day, or the first that it states, has the row."""
        stated = [days.get(kind) for kind in (by, *KINDS) if days.get(kind) is not None]
        return self.coverage.covers(stated[0])


FIRST = Edge(Coverage(window=Window(from_on=day(-10), to_on=DAY), up_to_now=True), -5, -13)
LAST = Edge(Coverage(window=Window(from_on=day(-30), to_on=day(-20))), -25, -17)
PLACES = [
    dict(zip(KINDS, places, strict=True)) for places in product(("inside", "outside", None), repeat=3) if any(places)
]
WHICH = {
    "the first day": (FIRST, True, "transaction"),
    "the first day, nothing promised": (FIRST, False, "booking"),
    "the last day": (LAST, True, "value"),
    "the last day, nothing promised": (LAST, False, "transaction"),
}


def by_basis(basis):
    return replace(TRUSTED, date_basis=basis)


def answers(edge, basis):
    """Each row that may be stored, whether the answer has it while the bank does, and whether it must, however asked.

    The user gave its expense a day of their own.
    """
    for places in PLACES:
        days = edge.days(places)
        known = row(id=1, external_id="a", context=by_basis(basis), **days)
        known = replace(known, expense=known.expense._replace(spent_on=day(-200)))
        for has in {edge.has(days, by) for by in KINDS}:
            yield places, known, has, "outside" not in places.values()


def decide(stored, said, edge, basis, *, complete):
    """Decide about what a bank says of stored rows: what is new, became of them and is gone; and two warnings."""
    chosen, context = rules(windows_complete=complete), by_basis(basis)
    delivered = [fingerprint(one, context, context.fingerprint_salt) for one in said]
    keys = StoredKeys(rows=[key(one) for one in stored], aliases=FORMER_ID)
    rows = read_slice(delivered, keys, context, chosen)
    coverage = edge.coverage.as_told_by(rows.lines)
    found = match_slice(rows, coverage, context, chosen)
    full = RowsInFull(by_id={one.id: one for one in stored if one.id in found.undecided}, named={})
    corrected = correct_matches(found, full, coverage, chosen)
    evidence = Evidence(coverage=coverage, in_full=full.by_id, rows_set_aside=found.rows_set_aside)
    plan = make_plan(corrected.matches, evidence, chosen)
    what = (
        [one.line.external_id for one in plan.creates],
        {one.known.id: one.line.external_id for one in plan.changes if one.line is not None},
        [*(one.known.id for one in plan.changes if one.line is None), *plan.newly_absent],
    )
    return what, corrected.signs_flipped, found.none_known


def beside(edge, amount="-2", text="Bread"):
    """Another row of the account, which is inside by all its days."""
    return {"amount": amount, "text": text, "external_id": text} | edge.days(dict.fromkeys(KINDS, "inside"))


BOUGHT = {
    "booked together with it": ("Coffee Bar", "b", 0),
    "on the next day": ("Coffee Bar", "b", 1),
    "on the next day in more words": ("Coffee Bar Roma", "b", 1),
    "under an id that it had before": ("Coffee Bar", "former", 1),
}


@pytest.mark.parametrize(("edge", "complete", "basis"), WHICH.values(), ids=WHICH)
@pytest.mark.parametrize(("text", "id_", "shift"), BOUGHT.values(), ids=BOUGHT)
def test_an_equal_purchase_is_new_though_the_answer_lacks_one_that_it_may_not_have(
    edge, complete, basis, text, id_, shift
):
    wrong = []
    for places, known, has, _ in answers(edge, basis):
        inside = {kind: place and "inside" for kind, place in places.items()}
        said = [transaction(**beside(edge)), transaction(text=text, external_id=id_, **edge.days(inside, shift))]
        said += [transaction(external_id="a", **edge.days(places))] if has else []
        what, *_ = decide(
            [row(**beside(edge), id=2, context=by_basis(basis)), known], said, edge, basis, complete=complete
        )
        wrong += [] if what == ([id_], {}, []) else [(places, has, what)]
    assert not wrong


BECAME = {
    "it has another id": ([("-3.50", "Coffee Bar", "b")], ([], {1: "b"}, [])),
    "it has another id and more words": ([("-3.50", "Coffee Bar Roma", "b")], ([], {1: "b"}, [])),
    "its id is that of a new one before it": (
        [("-9", "Tea", "a"), ("-3.50", "Coffee Bar", "b")], (["a"], {1: "b"}, []),
    ),
    "it is as it was": ([("-3.50", "Coffee Bar", "a")], ([], {}, [])),
}  # fmt: skip


@pytest.mark.parametrize(("edge", "complete", "basis"), WHICH.values(), ids=WHICH)
@pytest.mark.parametrize(("said", "expected"), BECAME.values(), ids=BECAME)
def test_a_row_is_recognised_where_the_answer_has_it_and_absent_where_it_must_have_it(
    edge, complete, basis, said, expected
):
    wrong = []
    bread = row(**beside(edge), id=2, context=by_basis(basis))
    for places, known, has, must in answers(edge, basis):
        days, gone = edge.days(places), ([], {}, [1] if must else [])
        lines = [transaction(amount, text, external_id=id_, **days) for amount, text, id_ in said if has]
        pending = replace(known, state=State.PENDING)
        for stored, told, result in ((known, lines, expected if has else gone), (pending, [], gone)):
            what, *_ = decide([bread, stored], [transaction(**beside(edge)), *told], edge, basis, complete=complete)
            wrong += [] if what == result else [(places, stored.state, has, what)]
    assert not wrong


@pytest.mark.parametrize(("edge", "basis"), [(FIRST, "transaction"), (LAST, "booking")], ids=["first", "last"])
def test_a_row_that_the_answer_may_lack_says_nothing_of_signs_and_unknown_rows(edge, basis):
    wrong = []
    others = [beside(edge), beside(edge, "-9", "Tea")]
    for places, known, has, must in answers(edge, basis):
        stored = [known, *(row(**one, id=place, context=by_basis(basis)) for place, one in enumerate(others, 2))]
        said = [*others, *([{"external_id": "a"} | edge.days(places)] if has else [])]
        flipped = [transaction(**one | {"amount": one.get("amount", "-3.50").lstrip("-")}) for one in said]
        _, signs_flipped, _ = decide(stored, flipped, edge, basis, complete=True)
        wrong += [] if signs_flipped or (must and not has) else [(places, has, "signs")]
        _, _, unknown = decide([known], [transaction(**beside(edge))], edge, basis, complete=True)
        wrong += [] if unknown is must else [(places, has, "unknown")]
    assert not wrong


def dated(booked, bought, value, basis):
    """What a line is made of: days, so many after the day of the table, and which is the day of the expense."""
    days = {"booking_on": booked, "transaction_on": bought, "value_on": value}
    stated = {"booking_on": None} | {kind: day(offset) for kind, offset in days.items() if offset is not None}
    return stated | {"context": by_basis(basis)}


NEAR = {
    "the purchase alone, and its settlement": ((None, 0, None), (35, 0, 35), 0),
    "the purchase alone, and its booking": ((None, 0, None), (2, 0, 2), 0),
    "the purchase alone, and a booking that does not state it": ((None, 0, None), (4, None, 4), 4),
    "the booking of both": ((3, 0, 3), (3, -9, 3), 0),
    "a settlement of both, weeks after its value": ((30, None, 0), (31, None, 15), 1),
    "the value of both alone": ((0, 0, 3), (8, 8, 3), 8),
    "nothing": ((0, -1, 0), (9, 8, 9), 9),
}


@pytest.mark.parametrize("basis", ["transaction", "booking", "value"])
@pytest.mark.parametrize(("one", "other", "gap"), NEAR.values(), ids=NEAR)
def test_how_near_two_rows_are_does_not_depend_on_the_day_of_the_expense(one, other, gap, basis):
    known = row(id=1, external_id="p", pending=True, **dated(*one, basis))
    again = line(external_id="q", pending=True, **dated(*other, basis))
    assert known.days.nearest_gap(again.days) == again.days.nearest_gap(known.days) == gap
    assert set(known.days.points(5)).isdisjoint(again.days.points()) is (gap > 5)
    removed = replace(known, state=State.REMOVED, former_state=State.PENDING, expense_id=None)
    matches = match_by_identity([again], [key(removed)], {}, FIRST.coverage)
    assert bool(undecided_ids(matches, FIRST.coverage)) is (gap <= 5)
    candidate = UnmatchedRow(known=removed, withdrawn=False, complete=False, removed_before=True)
    assert bool(match_pending_rows([again], [candidate])) is (gap <= 5)


def test_a_booking_long_after_the_purchase_is_the_row_that_was_told_without_it():
    known = row(external_id="a", booking_on=None, transaction_on=day(-40))
    later = line(external_id="a", transaction_on=day(-40), booking_on=DAY)
    matches = match_by_identity([later], [key(known)], {}, FIRST.coverage)
    set_reused_ids_apart(matches, {1: known}, FIRST.coverage)
    assert ([match.known_id for match in matches.changed], matches.new) == ([1], [])


def test_a_line_outside_by_some_of_its_days_says_by_which_the_bank_does_not_select():
    inside, before = day(-5), day(-13)
    cases: list[tuple[list[tuple[date, date]], list[str]]] = [
        ([(inside, inside)], [*DAY_KINDS]),
        ([(inside, before)], ["stated", "value"]),
        ([(before, inside)], ["purchase"]),
        ([(before, before)], [*DAY_KINDS]),
        ([(inside, before), (before, inside)], ["stated"]),
    ]
    for days, kinds in cases:
        lines = [line(booking_on=booked, transaction_on=bought) for booked, bought in days]
        assert list(FIRST.coverage.as_told_by(lines).selected_by) == kinds
    assert list(FIRST.coverage.as_told_by([line(booking_on=before, value_on=inside, pending=True)]).selected_by) == [
        *DAY_KINDS
    ]
    assert (
        not Coverage(window=None)
        .as_told_by([line(booking_on=inside, value_on=before)])
        .would_have(RowDays(inside, inside))
    )
