"""Finds transactions of a delivery that share an id: repeats, pending and posted ones, or different rows.

An id of two different rows is not trusted. The other ids of the account are, and so is this one again
when only one row has it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from worker.connectors.base import Transaction
from worker.importer.decide.compare.text_similarity import ALIKE, days_apart, similarity
from worker.importer.decide.pending.match_posted import MAX_DAYS_TO_POST
from worker.importer.decide.read.clean_text import id_text
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.days import rough_day
from worker.importer.decide.read.line import FingerprintedTransaction, Rejection, fingerprint, transaction_as_text
from worker.importer.decide.stored_row import StoredKey
from worker.words import payment_text, words_apart

MAX_DAYS_CHANGED = MAX_DAYS_TO_POST
"""By so many days a row may move when it changes: no change moves it further than its posting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistinctTransactions:
    """The transactions of a slice, each once.

    Attributes:
        transactions: Without repeats; those of a shared id have no identity.
        repeats: The repeats that were dropped.
        shared_ids: Ids of several different rows, as stored, and the identities that they would give.
    """

    transactions: Sequence[FingerprintedTransaction]
    repeats: Sequence[FingerprintedTransaction] = ()
    shared_ids: Mapping[str, bytes] = field(default_factory=dict)


def without_superseded_pending(transactions: list[Transaction], *, trusted: bool) -> list[Transaction]:
    """Leave out pending transactions of which the same delivery has the posted one: by its link, or under the same id.

    An id under which the delivery has two purchases in one state tells nothing of what became of a pending one.

    Args:
        trusted: The ids of the account are identities.
    """
    posted = {t.pending_external_id for t in transactions if t.pending_external_id}
    pending_ids = {t.external_id for t in transactions if t.pending and t.external_id and t.external_id.strip()}
    if trusted and pending_ids:
        in_both_states = {t.external_id for t in transactions if not t.pending and t.external_id in pending_ids}
        posted |= in_both_states - _ids_of_several_purchases(transactions, in_both_states)
    return [t for t in transactions if not (t.pending and t.external_id in posted)] if posted else transactions


def _ids_of_several_purchases(transactions: Iterable[Transaction], among: Collection[str | None]) -> set[str | None]:
    """Return ids of two transactions in one state of which each has words of its own: no states of one row are so."""
    words: dict[tuple[str | None, bool], str] = {}
    return {
        one.external_id
        for one in transactions
        if one.external_id in among
        and words_apart(words.setdefault((one.external_id, one.pending), payment_text(one)), payment_text(one)) is None
    }


def latest_states(transactions: Sequence[FingerprintedTransaction]) -> list[FingerprintedTransaction]:
    """Return the last state of every row of a list of changes, in which one row may have changed twice.

    Rows under one id that neither words nor days make one row are all kept, and the id is not trusted.
    """
    latest: dict[bytes, int] = {}
    kept: list[FingerprintedTransaction | None] = []
    for item in transactions:
        place = None if item.identity is None else latest.get(item.identity)
        earlier = None if place is None else kept[place]
        if place is not None and earlier is not None and _is_later_state(earlier.transaction, item.transaction):
            kept[place] = None
        if item.identity is not None:
            latest[item.identity] = len(kept)
        kept.append(item)
    return [item for item in kept if item is not None]


def _is_later_state(earlier: Transaction, later: Transaction) -> bool:
    days = days_apart(rough_day(earlier), rough_day(later))
    return days <= MAX_DAYS_CHANGED and similarity(payment_text(earlier), payment_text(later)) >= ALIKE


def distinct_transactions(
    transactions: Iterable[FingerprintedTransaction], distrusted: Collection[bytes] = ()
) -> DistinctTransactions:
    """Drop rows delivered twice under one id; those of an id of different rows are all kept, without an identity.

    Such an id says nothing: equal rows under it are as many purchases, as equal rows without ids are.

    Args:
        distrusted: Identities that other rows are known to have too.
    """
    items = list(transactions)
    shared = {*distrusted, *_identities_of_different_rows(items)}
    delivered: set[bytes] = set()
    kept: list[FingerprintedTransaction] = []
    repeats: list[FingerprintedTransaction] = []
    for item in items:
        if item.identity is None or item.identity in shared:
            kept.append(item)
        elif item.identity not in delivered:
            delivered.add(item.identity)
            kept.append(item)
        else:
            repeats.append(item)
    if not shared:
        return DistinctTransactions(transactions=kept, repeats=repeats)
    doubtful = [item for item in kept if item.identity in shared]
    return DistinctTransactions(
        transactions=[item._replace(identity=None) if item.identity in shared else item for item in kept],
        repeats=repeats,
        shared_ids={stored_id: item.identity for item in doubtful if item.identity and (stored_id := _stored_id(item))},
    )


def with_ids_of_their_own(
    repeats: Iterable[FingerprintedTransaction], times_on_page: Mapping[str, int], context: ReadContext
) -> Iterator[FingerprintedTransaction]:
    """Yield the repeats that may be purchases of their own, each under an id that counts it (`17 #2`).

    A bank repeats a row on another page while rows are added; on one page, the id may be computed from what a row says.

    Args:
        times_on_page: How often one page tells an id, where it does so several times.
    """
    if not times_on_page:
        return
    numbers: Counter[str] = Counter()
    salt = context.fingerprint_salt
    for item in repeats:
        external_id = item.transaction.external_id or ""
        numbers[external_id] += 1
        if numbers[external_id] < times_on_page.get(external_id, 1):
            counted = f"{external_id} #{numbers[external_id] + 1}"
            yield fingerprint(replace(item.transaction, external_id=counted), context, salt)


def as_repeated_id(transaction: Transaction) -> Rejection:
    """Return a row that may be a purchase of its own as what is kept of it until somebody says so."""
    return Rejection(
        code="id_repeated",
        message="told several times under one id: replay it if it is a purchase of its own, dismiss it if it is none",
        raw=transaction_as_text(transaction),
        external_id=transaction.external_id,
    )


def _identities_of_different_rows(items: Sequence[FingerprintedTransaction]) -> set[bytes]:
    fingerprints: dict[bytes, bytes] = {}
    return {
        item.identity
        for item in items
        if item.identity is not None and fingerprints.setdefault(item.identity, item.fingerprint) != item.fingerprint
    }


def possibly_shared_ids(
    transactions: Iterable[FingerprintedTransaction], aliases: Mapping[bytes, int], known: Iterable[StoredKey]
) -> dict[str, bytes]:
    """Return ids that stood for several rows in an earlier delivery, and the identities they would give.

    Their rows carry the id without being recognised by it. Whether several rows still do is for the caller to ask.
    """
    if not aliases:
        return {}
    by_id = {row.id: row for row in known}
    found: dict[str, bytes] = {}
    for item in transactions:
        row = by_id.get(aliases.get(item.identity, 0)) if item.identity is not None else None
        stored_id = _stored_id(item)
        if row is not None and item.identity and stored_id and stored_id == row.external_id and not row.has_trusted_id:
            found[stored_id] = item.identity
    return found


def _stored_id(item: FingerprintedTransaction) -> str | None:
    return id_text(item.transaction.external_id)
