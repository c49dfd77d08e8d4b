"""Reads the rows of a slice: sets repeated and unchanged ones aside, and turns the others into lines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from worker.importer.decide.decisions import RowRules
from worker.importer.decide.ids.duplicates import (
    as_repeated_id,
    distinct_transactions,
    latest_states,
    with_ids_of_their_own,
)
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.line import FingerprintedTransaction, Line, Rejection, read_line
from worker.importer.decide.row_days import RowDays
from worker.importer.decide.stored_row import State, StoredKey

_NEVER_TWICE: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKeys:
    """What is stored of an account that the rows of a slice may be.

    Attributes:
        rows: Stored rows, without those of earlier slices.
        aliases: Stored rows by identities that they had before.
        distrusted: Identities that more than one row is known to have; not used.
    """

    rows: Sequence[StoredKey] = ()
    aliases: Mapping[bytes, int] = field(default_factory=dict)
    distrusted: frozenset[bytes] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is stored that the rows may be."""
        return not (self.rows or self.aliases or self.distrusted)


@dataclass(slots=True, kw_only=True)
class SetAside:
    """The rows of a slice that were set aside as unchanged, apart from all others.

    Attributes:
        transactions: How many transactions: those of these rows, and pending ones that deliver a posted row again.
        row_ids: Ids of the stored rows.
        posted_days: The days of those of them that are posted.
        rest: All other transactions, to be read.
    """

    transactions: int = 0
    row_ids: set[int] = field(default_factory=set)
    posted_days: list[RowDays] = field(default_factory=list)
    rest: Sequence[FingerprintedTransaction] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRows:
    """The rows of a slice that are to be decided about, and the stored rows that they may be.

    Attributes:
        lines: The delivered rows that are neither repeated nor unchanged.
        rejections: Those that cannot be imported.
        set_aside: The unchanged rows, and the transactions that `lines` and `rejections` were read from.
        repeated: How many rows were delivered more than once.
        ids_repeated: Some of these share an id with an equal row of another page, and nothing explains it: equal
            purchases may be one row now.
        known: Stored rows without the unchanged ones and without those of earlier slices.
        aliases: Stored rows by identities that they had before.
        shared_ids: Ids that stand for several rows, and the identities they would give.
    """

    lines: Sequence[Line]
    rejections: Sequence[Rejection]
    set_aside: SetAside
    repeated: int
    ids_repeated: bool
    known: Sequence[StoredKey]
    aliases: Mapping[bytes, int]
    shared_ids: Mapping[str, bytes]


def read_slice(
    transactions: Sequence[FingerprintedTransaction],
    stored: StoredKeys,
    context: ReadContext,
    rules: RowRules,
    times_on_page: Mapping[str, int] = _NEVER_TWICE,
) -> SliceRows:
    """Set repeated and unchanged rows aside and read the others.

    Args:
        transactions: The rows of the slice, in the bank's order.
        times_on_page: How often one page tells an id, where it does so several times.
    """
    # An id that several rows have, here, in an earlier slice or stored, is not trusted.
    latest = latest_states(transactions) if rules.list_of_changes else transactions
    distinct = distinct_transactions(latest, stored.distrusted)
    known = {key.identity: key for key in stored.rows}
    # A list of changes repeats what changed, and files overlap: there, equal rows under one id are one.
    explained = rules.list_of_changes or rules.whole_days
    counted = [] if explained else [*with_ids_of_their_own(distinct.repeats, times_on_page, context)]
    delivered = [*distinct.transactions, *(item for item in counted if item.identity in known)]
    doubtful = [as_repeated_id(item.transaction) for item in counted if item.identity not in known]
    set_aside = SetAside(rest=delivered)
    if not rules.report_all:
        set_aside = set_unchanged_aside(delivered, known)
    if rules.links_pending:
        _leave_out_delivered_again(set_aside, stored.aliases, stored.rows)
    read = [read_line(item, context) for item in set_aside.rest]
    exact_repeats = len(distinct.repeats) - len(counted)
    return SliceRows(
        lines=[item for item in read if isinstance(item, Line)],
        rejections=[*(item for item in read if isinstance(item, Rejection)), *doubtful],
        set_aside=set_aside,
        ids_repeated=bool(exact_repeats) and not explained,
        repeated=exact_repeats + len(transactions) - len(latest),
        known=[key for key in stored.rows if key.id not in set_aside.row_ids],
        aliases=stored.aliases,
        shared_ids=distinct.shared_ids,
    )


def set_unchanged_aside(transactions: Iterable[FingerprintedTransaction], known: Mapping[bytes, StoredKey]) -> SetAside:
    """Set unchanged rows aside, which are most rows of most refreshes, but for those that were absent.

    No identity may occur twice.
    """
    set_aside = SetAside()
    rest: list[FingerprintedTransaction] = []
    for item in transactions:
        row = known.get(item.identity) if item.identity is not None else None
        if row is None or row.fingerprint != item.fingerprint or row.state == State.REMOVED or row.absent:
            rest.append(item)
            continue
        set_aside.transactions += 1
        set_aside.row_ids.add(row.id)
        if row.state == State.POSTED:
            set_aside.posted_days.append(row.days)
    set_aside.rest = rest
    return set_aside


def _leave_out_delivered_again(set_aside: SetAside, aliases: Mapping[bytes, int], known: Sequence[StoredKey]) -> None:
    """Set pending transactions aside that deliver again what became one of the unchanged posted rows."""
    posted = {key.id for key in known if key.id in set_aside.row_ids and key.state == State.POSTED}
    rest = [
        item
        for item in set_aside.rest
        if not (item.transaction.pending and item.identity is not None and aliases.get(item.identity) in posted)
    ]
    set_aside.transactions += len(set_aside.rest) - len(rest)
    set_aside.rest = rest
