"""Matches incoming lines with stored rows by present identity, by former identity, and by equal content.

Lines without a partner here go on to `pending.match_posted`, which weighs evidence.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from worker.importer.decide.absent_rows import Coverage
from worker.importer.decide.ids.interchanged import interchanged_ids
from worker.importer.decide.read.line import Line
from worker.importer.decide.row_days import RowDays
from worker.importer.decide.stored_row import State, StoredKey

FEW_EQUAL_ROWS = 10
"""A line is compared with each of so many rows of its content."""

_Kind: TypeAlias = tuple[str, bool, RowDays]
"""What decides whether a row may be a line, beside their ids: its state, whether it has a trusted id, its days."""


@dataclass(frozen=True, slots=True)
class IdentityMatch:
    """An incoming line and the stored row it is."""

    line: Line
    known_id: int


@dataclass(slots=True, kw_only=True)
class IdentityMatches:
    """What was recognised in a delivery.

    Attributes:
        unchanged: Lines that say what their rows say.
        changed: Lines that say something else, or whose rows were removed.
        new: Lines without a row.
        undelivered: Rows without a line.
        removed: Rows without a line that were removed before.
        returned: Ids of unchanged rows that had been absent.
        delivered_ids: Ids of all rows that were delivered.
        next_occurrence: By content key, the first occurrence that no row has.
        taken_identities: Identities that rows have already.
        shared_ids: Ids that stand for several rows, and the identities they would give.
        delivered_beside: Pending lines whose rows a posted line of the delivery names by a former id, by the rows' ids.
    """

    unchanged: list[IdentityMatch] = field(default_factory=list)
    changed: list[IdentityMatch] = field(default_factory=list)
    new: list[Line] = field(default_factory=list)
    undelivered: list[StoredKey] = field(default_factory=list)
    removed: list[StoredKey] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    delivered_ids: set[int] = field(default_factory=set)
    next_occurrence: dict[bytes, int] = field(default_factory=dict)
    taken_identities: Collection[bytes] = ()
    shared_ids: Mapping[str, bytes] = field(default_factory=dict)
    delivered_beside: dict[int, Line] = field(default_factory=dict)

    def copied(self) -> "IdentityMatches":
        """Return the same matches in lists of their own, which may be changed."""
        return replace(
            self,
            unchanged=[*self.unchanged],
            changed=[*self.changed],
            new=[*self.new],
            undelivered=[*self.undelivered],
            removed=[*self.removed],
            returned=[*self.returned],
            delivered_ids={*self.delivered_ids},
            next_occurrence={**self.next_occurrence},
            delivered_beside={**self.delivered_beside},
        )

    def take(self, line: Line, row: StoredKey) -> None:
        """Keep that a line is this row, and whether it says something else of it."""
        self.delivered_ids.add(row.id)
        renumbered = (line.identity is not None and line.identity != row.identity) or (
            line.external_id is not None and self.shared_ids.get(line.external_id) == row.identity
        )
        if renumbered or line.fingerprint != row.fingerprint or row.state == State.REMOVED:
            self.changed.append(IdentityMatch(line, row.id))
            return
        self.unchanged.append(IdentityMatch(line, row.id))
        if row.absent:
            self.returned.append(row.id)


def match_by_identity(
    lines: Sequence[Line],
    known: Sequence[StoredKey],
    aliases: Mapping[bytes, int],
    coverage: Coverage,
    shared_ids: Mapping[str, bytes] | None = None,
    *,
    links_pending: bool = False,
) -> IdentityMatches:
    """Match lines with stored rows one-to-one; equal rows match in the order in which they came.

    Args:
        known: The stored rows that may be among it.
        aliases: Former identities, and the rows that had them.
        shared_ids: Ids that stand for several rows, and the identities they would give.
        links_pending: The provider says which pending row a posted one was.
    """
    by_identity = {row.identity: row for row in known}
    by_id = {row.id: row for row in known} if aliases else {}
    matches = IdentityMatches(taken_identities=by_identity.keys(), shared_ids=shared_ids or {})
    if not known:
        matches.new += lines
        return matches
    moved = interchanged_ids(lines, by_identity, coverage)
    without_present_id: list[Line] = []
    for place, line in enumerate(lines):
        row = moved[place] if place in moved else by_identity.get(line.identity) if line.identity else None
        if row is None or row.id in matches.delivered_ids:
            without_present_id.append(line)
        else:
            matches.take(line, row)
    # After all present ids: a former id must not take the row from the id it has now.
    former = {identity: by_id[row_id] for identity, row_id in aliases.items() if row_id in by_id}
    rest = _match_by_former_id(matches, without_present_id, former, coverage, links_pending=links_pending)
    _match_by_content(matches, rest, known, coverage)
    for row in known:
        if row.id not in matches.delivered_ids:
            (matches.removed if row.state == State.REMOVED else matches.undelivered).append(row)
    return matches


def _match_by_former_id(
    matches: IdentityMatches,
    lines: Sequence[Line],
    former: Mapping[bytes, StoredKey],
    coverage: Coverage,
    *,
    links_pending: bool,
) -> list[Line]:
    """Match lines with rows that had their ids before; return the lines that are left."""
    rest: list[Line] = []
    for line in lines:
        row = former.get(line.identity) if line.identity else None
        delivered_again = links_pending and row is not None and _is_posted_already(line, row)
        if row is None or (row.id in matches.delivered_ids and not delivered_again):
            rest.append(line)
        elif row.id not in matches.delivered_ids and _may_return_to_former_id(line, row, coverage):
            matches.take(line, row)
        elif delivered_again:
            matches.delivered_ids.add(row.id)
            matches.unchanged.append(IdentityMatch(line, row.id))
        else:
            rest.append(line)
    return rest


def _may_return_to_former_id(line: Line, row: StoredKey, coverage: Coverage) -> bool:
    """Return whether a row takes a former id back; it does not while its present id may still be delivered.

    The row may have become another purchase then, and a list of changes would never mention that one again.
    """
    same_content = row.content_key == line.content_key and not _is_posted_already(line, row)
    own = not row.has_trusted_id or row.state == State.REMOVED or same_content
    return own or coverage.would_have(row.days) or (line.pending and coverage.was_cut_off(row.days))


def _is_posted_already(line: Line, row: StoredKey) -> bool:
    """Return whether a pending line delivers again what became a posted row."""
    return line.pending and row.state == State.POSTED


def _match_by_content(
    matches: IdentityMatches, lines: Sequence[Line], known: Sequence[StoredKey], coverage: Coverage
) -> None:
    if not lines:
        return
    wanted = {line.content_key for line in lines}
    rows: dict[bytes, list[StoredKey]] = defaultdict(list)
    for row in known:
        if row.content_key in wanted:
            matches.next_occurrence[row.content_key] = max(
                matches.next_occurrence.get(row.content_key, 0), row.occurrence + 1
            )
            if row.id not in matches.delivered_ids:
                rows[row.content_key].append(row)
    free = {content: _FreeRows(equal) for content, equal in rows.items()}

    def may_be(line: Line, row: StoredKey) -> bool:
        return _may_be(line, row, coverage, matches.shared_ids)

    def is_in_state(line: Line, row: StoredKey) -> bool:
        return _is_in_state(line, row, matches.shared_ids) and may_be(line, row)

    # All lines with rows in their state first: else the order of a page would decide which of two rows is the booking.
    rest = _match_free(matches, lines, free, is_in_state)
    matches.new += _match_free(matches, rest, free, may_be)


def _match_free(
    matches: IdentityMatches,
    lines: Sequence[Line],
    free: Mapping[bytes, "_FreeRows"],
    fits: Callable[[Line, StoredKey], bool],
) -> list[Line]:
    """Match each line with the first free row of its content that fits; return the lines that are left."""
    rest: list[Line] = []
    for line in lines:
        rows = free.get(line.content_key)
        partner = rows.take_first(line, fits) if rows else None
        if partner is None:
            rest.append(line)
        else:
            matches.take(line, partner)
    return rest


class _FreeRows:
    """The rows of one content that no line has yet.

    Of many a line is compared with the first row of each kind alone, and with the first one of its own id: no rule
    tells rows of one kind apart, and of thousands of equal rows there are millions of pairs.
    """

    def __init__(self, rows: Iterable[StoredKey]) -> None:
        self._rows = sorted(rows, key=lambda row: (row.state == State.REMOVED, row.occurrence, row.id))
        self._taken: set[int] = set()
        self._places: dict[_Kind, dict[str | None, deque[int]]] = defaultdict(lambda: defaultdict(deque))
        for place, row in enumerate(self._rows if len(self._rows) > FEW_EQUAL_ROWS else ()):
            for external_id in {None, row.external_id}:
                self._places[row.state, row.has_trusted_id, row.days][external_id].append(place)

    def take_first(self, line: Line, fits: Callable[[Line, StoredKey], bool]) -> StoredKey | None:
        """Return the first row that fits a line, and keep it from others."""
        candidates = self._firsts(line) if self._places else range(len(self._rows))
        for place in candidates:
            if place not in self._taken and fits(line, self._rows[place]):
                self._taken.add(place)
                return self._rows[place]
        return None

    def _firsts(self, line: Line) -> list[int]:
        firsts = (self._first(of_id.get(id_)) for of_id in self._places.values() for id_ in {None, line.external_id})
        return sorted(place for place in firsts if place is not None)

    def _first(self, places: deque[int] | None) -> int | None:
        while places and places[0] in self._taken:
            places.popleft()
        return places[0] if places else None


def _is_in_state(line: Line, row: StoredKey, shared_ids: Mapping[str, bytes]) -> bool:
    """Return whether a row is in the line's state, and is of its id where several rows share that.

    A pending row that was cancelled must not be matched with an equal posted one.
    """
    state = State.PENDING if line.pending else State.POSTED
    return row.state == state and (line.external_id not in shared_ids or row.external_id == line.external_id)


def _may_be(line: Line, row: StoredKey, coverage: Coverage, shared_ids: Mapping[str, bytes]) -> bool:
    """Return whether equal content is the same row: unless both carry trusted ids, or one could come on its own.

    A row with another trusted id, absent from a delivery that covers its day, was renumbered by the bank; one that
    the bank took back returns under whatever id. A line without a trusted id is recognised by its content alone, but
    a posted row does not become pending again.
    """
    if not row.has_trusted_id or row.state == State.REMOVED or coverage.would_have(row.days):
        return True
    if line.external_id is not None and line.external_id == row.external_id:
        return True
    if line.identity is not None or line.external_id in shared_ids:
        return False
    return not (line.pending and row.state == State.POSTED and line.external_id is None)
