"""Reads the rows of a slice: sets repeated and unchanged ones aside, and turns the others into lines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from worker.importer.decide.decisions import RowRules
from worker.importer.decide.duplicate_ids import distinct_transactions, latest_states
from worker.importer.decide.line import FingerprintedTransaction, Line, Rejection, read_line
from worker.importer.decide.read_context import ReadContext
from worker.importer.decide.stored_row import State, StoredKey


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


@dataclass(slots=True, kw_only=True)
class UnchangedSplit:
    """The rows of a delivery that are known by their id and unchanged, apart from all others.

    Attributes:
        unchanged: How many are known and unchanged.
        seen: Ids of the unchanged rows.
        returned: Those of them that had been absent.
        rest: All other transactions, to be read.
    """

    unchanged: int = 0
    seen: set[int] = field(default_factory=set)
    returned: list[int] = field(default_factory=list)
    rest: Sequence[FingerprintedTransaction] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRows:
    """The rows of a slice that are to be decided about, and the stored rows that they may be.

    Attributes:
        lines: The delivered rows that are neither repeated nor unchanged.
        rejections: Those that cannot be imported.
        split: The unchanged rows, and the transactions that `lines` and `rejections` were read from.
        repeated: How many rows were delivered more than once.
        exact_repeats: How many of these equal another row under an id that no different row has.
        known: Stored rows without the unchanged ones and without those of earlier slices.
        aliases: Stored rows by identities that they had before.
        shared_ids: Ids that stand for several rows, and the identities they would give.
    """

    lines: Sequence[Line]
    rejections: Sequence[Rejection]
    split: UnchangedSplit
    repeated: int
    exact_repeats: int
    known: Sequence[StoredKey]
    aliases: Mapping[bytes, int]
    shared_ids: Mapping[str, bytes]


def read_slice(
    transactions: Sequence[FingerprintedTransaction], stored: StoredKeys, context: ReadContext, rules: RowRules
) -> SliceRows:
    """Set repeated and unchanged rows aside and read the others.

    Args:
        transactions: The rows of the slice, in the bank's order.
        stored: The stored rows that they may be.
        context: What is known of the account.
        rules: What decisions depend on.
    """
    # An id that several rows have, here, in an earlier slice or stored, is not trusted.
    latest = latest_states(transactions) if rules.list_of_changes else transactions
    distinct = distinct_transactions(latest, stored.distrusted)
    split = UnchangedSplit(rest=distinct.transactions)
    if not rules.report_all:
        split = split_unchanged(distinct.transactions, {key.identity: key for key in stored.rows})
    if not rules.guess_pending:
        _leave_out_delivered_again(split, stored.aliases, stored.rows)
    read = [read_line(item, context) for item in split.rest]
    return SliceRows(
        lines=[item for item in read if isinstance(item, Line)],
        rejections=[item for item in read if isinstance(item, Rejection)],
        split=split,
        exact_repeats=distinct.repeated,
        repeated=distinct.repeated + len(transactions) - len(latest),
        known=[key for key in stored.rows if key.id not in split.seen],
        aliases=stored.aliases,
        shared_ids=distinct.shared_ids,
    )


def split_unchanged(
    transactions: Iterable[FingerprintedTransaction], known: Mapping[bytes, StoredKey]
) -> UnchangedSplit:
    """Split off unchanged rows, which are most rows of most refreshes. No identity may occur twice."""
    split = UnchangedSplit()
    rest: list[FingerprintedTransaction] = []
    for item in transactions:
        row = known.get(item.identity) if item.identity is not None else None
        if row is None or row.fingerprint != item.fingerprint or row.state == State.REMOVED:
            rest.append(item)
            continue
        split.unchanged += 1
        split.seen.add(row.id)
        if row.absent:
            split.returned.append(row.id)
    split.rest = rest
    return split


def _leave_out_delivered_again(split: UnchangedSplit, aliases: Mapping[bytes, int], known: Sequence[StoredKey]) -> None:
    """Count pending transactions as unchanged that deliver again what became one of the unchanged posted rows."""
    posted = {key.id for key in known if key.id in split.seen and key.state == State.POSTED}
    rest = [
        item
        for item in split.rest
        if not (item.transaction.pending and item.identity is not None and aliases.get(item.identity) in posted)
    ]
    split.unchanged += len(split.rest) - len(rest)
    split.rest = rest
