"""Plans the move of an account to another source: which rows meet, from which day the new source leads. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from worker.importer.decide.sources.meet import meet_rows
from worker.importer.decide.sources.rows import MovableRow, Spans, places_apart


@dataclass(frozen=True, slots=True, kw_only=True)
class MovePair:
    """A row of the old sources and the row of the new one that is the same purchase.

    Attributes:
        doubled: Both are expenses now, so that one of the two goes.
    """

    old: MovableRow
    new: MovableRow
    doubled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MovePlan:
    """What a move would do.

    Attributes:
        cut_over_on: From this day on, the rows of the new source have the expenses.
        moved: Pairs from that day on: the expense goes over to the new row.
        joined: Pairs before it that are two expenses: the new row becomes the old one's twin.
        met: How many rows meet in all.
        only_old: Rows of the old sources within the new one's days that it does not have.
        only_new: Rows of the new source within the old ones' days that they do not have.
        in_doubt: Pairs that nothing decides, or of which the person changed both expenses; both rows stay.
        standing: Rows of both that stand for a purchase before the move; one that has a twin in the new source, under
            the days of the twin.
    """

    cut_over_on: date
    moved: Sequence[MovePair] = ()
    joined: Sequence[MovePair] = ()
    met: int = 0
    only_old: Sequence[MovableRow] = ()
    only_new: Sequence[MovableRow] = ()
    in_doubt: Sequence[MovePair] = ()
    standing: Sequence[MovableRow] = ()

    @property
    def ended(self) -> list[MovableRow]:
        """Old rows of purchases that stand twice before the move, and once after it, as the new row says."""
        return [pair.old for pair in (*self.moved, *self.joined) if pair.old.owns and pair.new.owns]


def plan_move(
    old: Sequence[MovableRow],
    new: Sequence[MovableRow],
    *,
    apart: Collection[frozenset[int]] = (),
    cut_over_on: date | None = None,
) -> MovePlan:
    """Plan the move of an account from its old sources to a new one.

    Args:
        old: The rows of the old sources, without those that were removed at the bank.
        new: The rows of the new source.
        apart: Pairs of ids of which a person said that they are two purchases.
        cut_over_on: The day that a person chose; None lets the rows decide.
    """
    known, paired_old, paired_new = _known_pairs(old, new)
    free_old = [row for row in old if row.owns and row.id not in paired_old]
    free_new = [row for row in new if row.owns and row.id not in paired_new]
    meetings = meet_rows(
        [row.row for row in free_new],
        [row.row for row in free_old],
        spans=Spans.of([row.row for row in new], [row.row for row in old]),
        apart=places_apart(free_new, free_old, apart),
    )
    found, undecided = (
        [MovePair(old=free_old[m.right], new=free_new[m.left], doubled=True) for m in pairs]
        for pairs in (meetings.met, meetings.doubtful)
    )
    met_old, met_new = {pair.old.id for pair in found}, {pair.new.id for pair in found}
    only_old = _within([row for row in free_old if row.id not in met_old], new)
    only_new = _within([row for row in free_new if row.id not in met_new], old)
    found = _without_deleted_doubles(found)
    doubt = [*undecided, *(pair for pair in found if _in_doubt(pair))]
    doubt += (tidied := _tidied(found))
    kept = {pair.new.id for pair in tidied}
    sure = [pair for pair in [*known, *found] if not _in_doubt(pair) and pair.new.id not in kept]
    chosen = cut_over_on or choose_cut_over(old, new, only_old, only_new)
    return MovePlan(
        cut_over_on=chosen,
        moved=[pair for pair in sure if pair.old.owns and pair.new.row.on >= chosen],
        joined=[pair for pair in sure if pair.doubled and pair.new.row.on < chosen],
        met=len(known) + len(found),
        only_old=only_old,
        only_new=only_new,
        in_doubt=doubt,
        standing=_standing(old, new, known),
    )


def _standing(old: Sequence[MovableRow], new: Sequence[MovableRow], known: Sequence[MovePair]) -> Sequence[MovableRow]:
    twins = {pair.old.id: pair.new.row for pair in known}

    def as_new(row: MovableRow) -> MovableRow:
        twin = twins.get(row.id)
        if twin is None:
            return row
        return replace(row, row=replace(row.row, on=twin.on, stated_on=twin.stated_on, pending=twin.pending))

    return [*(as_new(row) for row in old if row.owns), *(row for row in new if row.owns)]


def _without_deleted_doubles(pairs: Sequence[MovePair]) -> list[MovePair]:
    """Return the pairs; where the person deleted the new expense of two, the old one is the purchase's and stays."""
    return [
        replace(pair, doubled=False, new=replace(pair.new, touched=False))
        if pair.doubled
        and pair.new.expense_id is None
        and pair.new.transfer_peer_id is None
        and pair.old.expense_id is not None
        else pair
        for pair in pairs
    ]


def _in_doubt(pair: MovePair) -> bool:
    """Return whether the person changed both expenses, or changed one of a purchase that the other calls a transfer."""
    transfer = pair.new.transfer_peer_id is not None and pair.old.transfer_peer_id is None
    return pair.doubled and pair.old.touched and (pair.new.touched or transfer)


def _tidied(pairs: Sequence[MovePair]) -> list[MovePair]:
    """Return pairs whose old expense was deleted while the new one stayed, where that is no choice but a tidying up.

    A single deletion is the person's wish and stays. Who deleted half of the doubles of the old source wants one of
    each.
    """
    doubled = [pair for pair in pairs if pair.doubled]
    gone = [
        pair
        for pair in doubled
        if pair.old.expense_id is None and pair.old.transfer_peer_id is None and pair.new.expense_id is not None
    ]
    return gone if len(gone) * 2 >= len(doubled) else []


def choose_cut_over(
    old: Sequence[MovableRow], new: Sequence[MovableRow], only_old: Sequence[MovableRow], only_new: Sequence[MovableRow]
) -> date:
    """Return the day from which the new source should lead: the one that contradicts the fewest rows, the earliest.

    From that day on, a row that only the old sources have contradicts the new one; before it, the other way round.
    """
    if not new:
        return max((row.row.on for row in old), default=date.min) + timedelta(days=1)
    first_on = min(row.row.on for row in new)
    last_on = max((row.row.on for row in old), default=first_on)
    lost = sorted(row.row.on for row in only_old)
    early = sorted(row.row.on for row in only_new)
    days = [first_on, *(on + timedelta(days=1) for on in lost if first_on <= on <= last_on)]
    return min(days, key=lambda on: (sum(day >= on for day in lost) + sum(day < on for day in early), on))


def _known_pairs(old: Sequence[MovableRow], new: Sequence[MovableRow]) -> tuple[list[MovePair], set[int], set[int]]:
    """Return the pairs that are twins already; of two twins the one with the expense may be on either side.

    A pending row that a person took for the posted one beside it is a twin as well, and no pair of its own.
    """
    old_by_id, new_by_id = {row.id: row for row in old}, {row.id: row for row in new}
    pairs = [
        MovePair(old=old_by_id[row.twin_id], new=row, doubled=False)
        for row in _twins(new)
        if row.twin_id is not None and row.twin_id in old_by_id
    ]
    pairs += [
        MovePair(old=row, new=new_by_id[row.twin_id], doubled=False)
        for row in _twins(old)
        if row.twin_id is not None and row.twin_id in new_by_id
    ]
    return pairs, {pair.old.id for pair in pairs}, {pair.new.id for pair in pairs}


def _twins(rows: Sequence[MovableRow]) -> list[MovableRow]:
    """Return the twins among rows: of several that one source has of a purchase, the posted one."""
    found: dict[tuple[int, int], MovableRow] = {}
    for row in rows:
        if row.twin_id is not None:
            purchase = row.twin_id, row.source_id
            if purchase not in found or found[purchase].row.pending:
                found[purchase] = row
    return list(found.values())


def _within(rows: Sequence[MovableRow], others: Sequence[MovableRow]) -> list[MovableRow]:
    """Return the rows of days that the other side has rows of before and after."""
    if not others:
        return []
    first_on, last_on = min(row.row.on for row in others), max(row.row.on for row in others)
    return [row for row in rows if first_on <= row.row.on <= last_on]
