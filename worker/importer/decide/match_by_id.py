"""Which incoming line is which known row, by identity and then by content and occurrence. Pure.

It does not weigh evidence: what finds no partner here goes on to `evidence`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias

from worker.connectors.base import Transaction, Window
from worker.importer.decide.identity import content_identity
from worker.importer.decide.line import Line
from worker.importer.decide.stored_row import State, StoredKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """For which days a delivery proves absence. window None: none. cut: days it was to hold and does not prove."""

    window: Window | None
    cut: Window | None = None

    def covers(self, day: date) -> bool:
        """Whether a row of this day would be in the delivery if the bank still had it."""
        return self.window is not None and day in self.window

    def is_past(self, day: date) -> bool:
        """Whether the bank is no longer asked about this day: what was proven of it stands."""
        return self.window is not None and day < self.window.from_on

    def lacks(self, day: date) -> bool:
        """Whether a row of this day should be in the delivery, of which something was cut off."""
        return self.cut is not None and day in self.cut


Marked: TypeAlias = tuple[Transaction, bytes | None, bytes]
"""A transaction with its identity (None when its id is not trusted) and its fingerprint."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An incoming line and the known row it is."""

    line: Line
    known_id: int


@dataclass(slots=True, kw_only=True)
class Pairing:
    """The outcome. seen: ids of all known rows that were delivered; returned: unchanged ones that had been absent.

    taken: identities that rows have already.
    """

    unchanged: list[Pair] = field(default_factory=list)
    changed: list[Pair] = field(default_factory=list)
    new: list[Line] = field(default_factory=list)
    absent: list[StoredKey] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    next_occurrence: dict[bytes, int] = field(default_factory=dict)
    taken: Collection[bytes] = ()

    def wanted_identities(self) -> list[bytes]:
        """Return the identities that new rows without trusted ids may get, with room for as many equal ones again."""
        alike = Counter(line.content_key for line in self.new if line.identity is None)
        return [
            content_identity(key, occurrence)
            for key, count in alike.items()
            for occurrence in range(self.next_occurrence.get(key, 0), self.next_occurrence.get(key, 0) + 2 * count)
        ]

    def undecided(self, coverage: Coverage) -> set[int]:
        """Return the rows to be looked at whole: changed ones, and those whose absence may mean something."""
        gone = {row.id for row in self.absent if row.state == State.PENDING or coverage.covers(row.day)}
        return gone | {one.known_id for one in self.changed}


@dataclass(frozen=True, slots=True, kw_only=True)
class Distinct:
    """Lines of one delivery without the same row twice. distrusted: one id stood for two different rows."""

    lines: Sequence[Line]
    repeated: int
    distrusted: bool


@dataclass(slots=True, kw_only=True)
class Sifted:
    """Rows of a delivery that are known by their id and say what they said before. rest: all others, to be read.

    distrusted: one id stood for two different rows.
    """

    unchanged: int = 0
    repeated: int = 0
    distrusted: bool = False
    seen: set[int] = field(default_factory=set)
    returned: list[int] = field(default_factory=list)
    rest: list[Marked] = field(default_factory=list)


def sift(marked: Iterable[Marked], known: Mapping[bytes, StoredKey]) -> Sifted:
    """Set aside what needs no further look: most rows of most refreshes."""
    sifted = Sifted()
    same: dict[bytes, bytes] = {}
    for item in marked:
        _, identity, fingerprint = item
        row = known.get(identity) if identity is not None else None
        if row is None or identity is None:
            sifted.rest.append(item)
        elif identity in same and same[identity] == fingerprint:
            sifted.repeated += 1
        elif identity in same:
            sifted.distrusted = True
            sifted.rest.append(item)
        elif row.fingerprint != fingerprint or row.state == State.REMOVED:
            sifted.rest.append(item)
        else:
            same[identity] = fingerprint
            sifted.unchanged += 1
            sifted.seen.add(row.id)
            if row.absent:
                sifted.returned.append(row.id)
    return sifted


def distinct(lines: Iterable[Line]) -> Distinct:
    """Drop rows delivered twice under one id; rows that differ under one id are all kept, and the id distrusted."""
    by_identity: dict[bytes, Line] = {}
    kept: list[Line] = []
    repeated, distrusted = 0, False
    for line in lines:
        earlier = by_identity.setdefault(line.identity, line) if line.identity else line
        if earlier is line:
            kept.append(line)
        elif earlier.fingerprint == line.fingerprint:
            repeated += 1
        else:
            kept.append(line)
            distrusted = True
    return Distinct(lines=kept, repeated=repeated, distrusted=distrusted)


def pair(
    lines: Sequence[Line], known: Sequence[StoredKey], aliases: Mapping[bytes, int], coverage: Coverage
) -> Pairing:
    """Pair lines with known rows one-to-one; equal rows pair in the order in which they came."""
    by_identity = {row.identity: row for row in known}
    pairing = Pairing(taken=by_identity.keys())
    by_id = {row.id: row for row in known}
    renamed: list[Line] = []
    for line in lines:
        row = by_identity.get(line.identity) if line.identity else None
        if row is None or row.id in pairing.seen:
            renamed.append(line)
        else:
            _take(pairing, line, row)
    rest: list[Line] = []
    for line in renamed:  # after all present ids: a former id must not take the row from the id it has now
        row = by_id.get(aliases.get(line.identity, 0)) if line.identity else None
        if row is None or row.id in pairing.seen or not _may_return(line, row, coverage):
            rest.append(line)
        else:
            _take(pairing, line, row)
    _pair_by_content(pairing, rest, known, coverage)
    pairing.absent = [row for row in known if row.id not in pairing.seen and row.state != State.REMOVED]
    return pairing


def _may_return(line: Line, row: StoredKey, coverage: Coverage) -> bool:
    """Whether a former id stands for its row again: not while the id the row has now may be somewhere else.

    The row may have been taken for another purchase then, and a list of changes would never mention that one again.
    """
    own = not row.by_id or row.state == State.REMOVED or row.content_key == line.content_key
    return own or coverage.covers(row.day) or (line.pending and coverage.lacks(row.day))


def _pair_by_content(pairing: Pairing, rest: Sequence[Line], known: Sequence[StoredKey], coverage: Coverage) -> None:
    if not rest:
        return
    wanted = {line.content_key for line in rest}
    free: dict[bytes, list[StoredKey]] = defaultdict(list)
    for row in known:
        if row.content_key in wanted:
            pairing.next_occurrence[row.content_key] = max(
                pairing.next_occurrence.get(row.content_key, 0), row.occurrence + 1
            )
            if row.id not in pairing.seen:
                free[row.content_key].append(row)
    for rows in free.values():
        rows.sort(key=lambda row: (row.state == State.REMOVED, row.occurrence, row.id))
    for line in rest:
        partner = _partner(line, free[line.content_key], coverage)
        if partner is None:
            pairing.new.append(line)
        else:
            free[line.content_key].remove(partner)
            _take(pairing, line, partner)


def _partner(line: Line, rows: Sequence[StoredKey], coverage: Coverage) -> StoredKey | None:
    """Booked twins stay booked: a pending row beside them that was called off must not live on in one of them."""
    state = State.PENDING if line.pending else State.POSTED
    alike = next((row for row in rows if row.state == state and _may_be(line, row, coverage)), None)
    return alike or next((row for row in rows if _may_be(line, row, coverage)), None)


def _may_be(line: Line, row: StoredKey, coverage: Coverage) -> bool:
    """Equal content is the same row unless both carry trusted ids, or one id could still come on its own.

    A row with another trusted id, absent from a delivery that covers its day, was renumbered by the bank; one that
    the bank took back returns under whatever id.
    """
    if not row.by_id or row.state == State.REMOVED or _only_says(line):
        return True
    if line.external_id is not None and line.external_id == row.external_id:
        return True
    return coverage.covers(row.day)


def _only_says(line: Line) -> bool:
    """Whether the line's id is not trusted, as those of its whole account."""
    return line.identity is None and line.external_id is not None


def _take(pairing: Pairing, line: Line, row: StoredKey) -> None:
    pairing.seen.add(row.id)
    renumbered = line.identity is not None and line.identity != row.identity
    if renumbered or line.fingerprint != row.fingerprint or row.state == State.REMOVED:
        pairing.changed.append(Pair(line, row.id))
        return
    pairing.unchanged.append(Pair(line, row.id))
    if row.absent:
        pairing.returned.append(row.id)


def identity_of(line: Line, pairing: Pairing) -> tuple[bytes, int]:
    """Return the identity and occurrence of a row that says this now, counting equal content up."""
    if line.identity is not None:
        return line.identity, 0
    occurrence = pairing.next_occurrence.get(line.content_key, 0)
    while (identity := content_identity(line.content_key, occurrence)) in pairing.taken:
        occurrence += 1
    pairing.next_occurrence[line.content_key] = occurrence + 1
    return identity, occurrence
