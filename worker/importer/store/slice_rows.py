"""Loads what is stored for a slice of a delivery, sets repeated and unchanged rows aside, and reads the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from worker.importer.decide.duplicate_ids import distinct_transactions, latest_states, possibly_shared_ids
from worker.importer.decide.line import Line, Rejection, read_line
from worker.importer.decide.match_by_identity import UnchangedSplit, split_unchanged
from worker.importer.decide.stored_row import State, StoredKey
from worker.importer.fetch.slices import Slice
from worker.importer.store.account_share import AccountShare
from worker.importer.store.load import load_keys, shared_external_ids, stored_identities
from worker.importer.store.seen_rows import SeenRows


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRows:
    """The rows of a slice that are to be decided about, and the stored rows that they may be.

    Attributes:
        lines: The delivered rows that are neither repeated nor unchanged.
        rejections: Those that cannot be imported.
        split: The unchanged rows, and the transactions that `lines` and `rejections` were read from.
        repeated: How many rows were delivered more than once.
        known: Stored rows without the unchanged ones and without those of earlier slices.
        aliases: Stored rows by identities that they had before.
        shared_ids: Ids that stand for several rows, and the identities they would give.
    """

    lines: Sequence[Line]
    rejections: Sequence[Rejection]
    split: UnchangedSplit
    repeated: int
    known: Sequence[StoredKey]
    aliases: Mapping[bytes, int]
    shared_ids: Mapping[str, bytes]


def read_slice(session: Session, share: AccountShare, slice_: Slice, seen: SeenRows) -> SliceRows:
    """Load the stored rows of the slice's days and those of its ids on any day; return what is to be decided."""
    account_id, job = share.account.id, share.job
    identities = [identity for _, identity, _ in slice_.transactions if identity is not None]
    known: list[StoredKey] = []
    aliases: dict[bytes, int] = {}
    if seen.new_ids is None:
        days = slice_.span(share.read_context.today)
        known, aliases = load_keys(session, account_id, days, identities, reimport=job.options.reimport)
        taken = frozenset(key.identity for key in known if seen.has(key.id))
    else:
        taken = stored_identities(session, account_id, seen.new_ids.add(identities))
    # An id that several rows have, here, in an earlier slice or stored, is not trusted.
    rows = latest_states(slice_.transactions) if share.is_list_of_changes else slice_.transactions
    possible = possibly_shared_ids(rows, aliases, known)
    shared = shared_external_ids(session, account_id, possible)
    distinct = distinct_transactions(rows, {*taken, *(possible[external_id] for external_id in shared)})
    unseen = [key for key in known if not seen.has(key.id)]
    split = UnchangedSplit(rest=distinct.transactions)
    if not job.dry_run:  # it decides every row, because it reports every row
        split = split_unchanged(distinct.transactions, {key.identity: key for key in unseen})
    if share.capabilities.links_pending:
        _leave_out_delivered_again(split, aliases, unseen)
    read = [read_line(item, share.read_context) for item in split.rest]
    return SliceRows(
        lines=[item for item in read if isinstance(item, Line)],
        rejections=[item for item in read if isinstance(item, Rejection)],
        split=split,
        repeated=distinct.repeated + len(slice_.transactions) - len(rows),
        known=[key for key in unseen if key.id not in split.seen],
        aliases=aliases,
        shared_ids=distinct.shared_ids,
    )


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
