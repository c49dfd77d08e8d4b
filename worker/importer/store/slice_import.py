"""Imports some days of an account's delivery: loads what is stored, matches, plans and writes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy.orm import Session

from worker.importer.decide.duplicate_ids import (
    DistinctTransactions,
    distinct_transactions,
    latest_states,
    possibly_shared_ids,
)
from worker.importer.decide.expense import has_expense
from worker.importer.decide.line import Line, Rejection, fingerprint, read_line
from worker.importer.decide.match_by_identity import (
    IdentityMatches,
    UnchangedSplit,
    match_by_identity,
    split_unchanged,
)
from worker.importer.decide.match_user_expense import MAX_DAYS_OF_ANY, Counterpart
from worker.importer.decide.plan import Evidence, Plan, make_plan
from worker.importer.decide.removed_at_bank import Coverage
from worker.importer.decide.reused_ids import set_reused_ids_apart
from worker.importer.decide.sign_flip import inverted_by_user, match_inverted_rows, signs_flipped
from worker.importer.decide.stored_row import StoredKey
from worker.importer.fetch.slices import Slice
from worker.importer.outcome import AccountTally, SignsFlippedError
from worker.importer.store.account_share import AccountShare
from worker.importer.store.bulk import insert_values
from worker.importer.store.categories import suggest_categories
from worker.importer.store.change_rows import unchanged_rows
from worker.importer.store.leading_source import let_sources_lead
from worker.importer.store.load import (
    ids_by_external_id,
    load_details,
    load_keys,
    shared_external_ids,
    stored_identities,
)
from worker.importer.store.seen_rows import SeenRows
from worker.importer.store.transfers import pair_transfers
from worker.importer.store.user_expenses import load_asked, load_counterparts, load_spans, until_as_read
from worker.importer.store.write import Written, write_plan


def import_slice(
    session: Session,
    share: AccountShare,
    slice_: Slice,
    removed: frozenset[int],
    seen: SeenRows,
    tally: AccountTally,
) -> list[Rejection]:
    """Import some days of the delivery, and return the rows that cannot be imported."""
    known, aliases = ([], {}) if seen.first_load else _load_known(session, share, slice_)
    unseen = [key for key in known if not seen.has(key.id)]
    distinct = _distinct(session, share, slice_, known, aliases, seen)
    # A dry run decides every row, because it reports every row.
    by_identity = {key.identity: key for key in unseen}
    split = (
        UnchangedSplit(rest=distinct.transactions)
        if share.job.dry_run
        else split_unchanged(distinct.transactions, by_identity)
    )
    read = [read_line(item, share.read_context) for item in split.rest]
    lines = [item for item in read if isinstance(item, Line)]

    evidence = Evidence(
        coverage=Coverage(
            window=slice_.covers, days_cut_off=slice_.days_cut_off, up_to_now=slice_.is_up_to(share.read_context.today)
        ),
        unchanged_elsewhere=len(split.seen),
        removed=removed - seen.row_ids,
        only_changes=share.request.by_cursor and share.request.moves and share.delivery.complete,
    )
    unmatched = [key for key in unseen if key.id not in split.seen]

    def decide_and_write() -> tuple[IdentityMatches, Plan, Written]:
        matches = match_by_identity(
            lines,
            unmatched,
            aliases,
            evidence.coverage,
            distinct.shared_ids,
            links_pending=share.capabilities.links_pending,
        )
        matches.returned += split.returned
        if not seen.first_load:
            # Rows of equal content may be filed under far days: booked together, bought weeks apart.
            far = stored_identities(session, share.account.id, matches.possible_identities())
            matches.taken_identities = {*matches.taken_identities, *far}
        opposite = _opposite_fingerprints(share, matches, split)
        match_inverted_rows(matches, opposite)
        plan = _plan(session, share, evidence, matches, seen, opposite)
        return matches, plan, _write(session, share, plan)

    matches, plan, written = until_as_read(decide_and_write)
    seen.add(split, matches, plan, written)
    tally.add(plan, split.unchanged + distinct.repeated + slice_.superseded, share.account.watermark_on)
    tally.months |= written.months
    return [item for item in read if isinstance(item, Rejection)]


def _load_known(session: Session, share: AccountShare, slice_: Slice) -> tuple[list[StoredKey], dict[bytes, int]]:
    """Load the stored rows that may be delivered here: those of the slice's days, and those of its ids on any day."""
    identities = [identity for _, identity, _ in slice_.transactions if identity is not None]
    reimport = share.job.options.reimport
    return load_keys(session, share.account.id, slice_.span(share.read_context.today), identities, reimport=reimport)


def _distinct(
    session: Session,
    share: AccountShare,
    slice_: Slice,
    known: Sequence[StoredKey],
    aliases: Mapping[bytes, int],
    seen: SeenRows,
) -> DistinctTransactions:
    """Return the slice without repeated rows; an id that several rows have, here or stored, is not trusted."""
    taken = _identities_taken(session, share, slice_, known, seen)
    rows = latest_states(slice_.transactions) if share.is_list_of_changes else slice_.transactions
    possible = possibly_shared_ids(rows, aliases, known)
    shared = shared_external_ids(session, share.account.id, possible)
    distinct = distinct_transactions(rows, {*taken, *(possible[external_id] for external_id in shared)})
    return replace(distinct, repeated=distinct.repeated + len(slice_.transactions) - len(rows))


def _identities_taken(
    session: Session, share: AccountShare, slice_: Slice, known: Sequence[StoredKey], seen: SeenRows
) -> Collection[bytes]:
    """Return identities of the slice that rows of earlier slices have."""
    if seen.new_ids is None:
        return {key.identity for key in known if seen.has(key.id)}
    suspects = seen.new_ids.add(identity for _, identity, _ in slice_.transactions if identity is not None)
    return stored_identities(session, share.account.id, suspects)


def _opposite_fingerprints(
    share: AccountShare, matches: IdentityMatches, split: UnchangedSplit
) -> Mapping[bytes, bytes]:
    """Return the fingerprints that lines have with the opposite sign, where all known rows changed."""
    if split.unchanged or matches.unchanged or not (matches.changed or matches.absent):
        return {}
    context = replace(share.read_context, sign=-share.read_context.sign)
    salt = context.fingerprint_salt
    return {item.fingerprint: fingerprint(item.transaction, context, salt).fingerprint for item in split.rest}


def _plan(
    session: Session,
    share: AccountShare,
    evidence: Evidence,
    matches: IdentityMatches,
    seen: SeenRows,
    opposite: Mapping[bytes, bytes],
) -> Plan:
    """Load what the decisions need, and decide every row of the slice."""
    rules = share.rules
    links = [line.pending_external_id for line in matches.new if line.pending_external_id]
    wanted = matches.undecided(evidence.coverage) | evidence.removed
    details = load_details(session, wanted | ids_by_external_id(session, share.account.id, links))
    if set_reused_ids_apart(matches, details, evidence.coverage):
        stored = stored_identities(session, share.account.id, matches.possible_identities())
        matches.taken_identities = {*matches.taken_identities, *stored}
    flipped = signs_flipped(matches, details, evidence.coverage, evidence.unchanged_elsewhere)
    if flipped and not inverted_by_user(matches, details, opposite):
        raise SignsFlippedError
    without_expense = [m for m in matches.changed if details[m.known_id].expense_id is None]
    lines = [*matches.new, *(m.line for m in without_expense)]
    visible = [line for line in lines if has_expense(line, pending_hidden=rules.pending_hidden)]
    existing = _counterparts(session, share, visible, seen)
    has_twins = any(one.twin_id is not None for one in existing)
    spans = load_spans(session, share.account, visible) if has_twins else None
    asked = load_asked(session, [m.known_id for m in without_expense]) if existing else frozenset()
    evidence = replace(evidence, details=details, existing=existing, spans=spans, asked=asked)
    return make_plan(matches, evidence, rules)


def _counterparts(session: Session, share: AccountShare, lines: list[Line], seen: SeenRows) -> list[Counterpart]:
    """Load what these lines may be matched with: the user's own expenses, and rows of the account's other sources."""
    if not lines:
        return []
    days = [line.effective_on for line in lines]
    near = timedelta(days=MAX_DAYS_OF_ANY)
    span = (min(days) - near, max(days) + near)
    found = load_counterparts(session, share.job.user_id, share.account, span, {line.expense_amount for line in lines})
    return [expense for expense in found if expense.expense_id not in seen.expense_ids]


def _write(session: Session, share: AccountShare, plan: Plan) -> Written:
    """Write the plan, and what follows from the new rows: transfers and suggested categories."""
    target = share.target
    if share.job.dry_run:
        insert_values(session, "bank_transaction_changes", *unchanged_rows(plan, target.account_id, target.run_id))
    written = write_plan(session, plan, target)
    written.months |= pair_transfers(session, share.job, target, plan, written)
    ids = [id_ for new, id_ in zip(plan.creates, written.transaction_ids, strict=True) if new.twin_id is not None]
    ids += [change.known.id for change in plan.changes if change.line is not None]
    written.months |= let_sources_lead(session, ids, target.run_id)
    if share.job.options.suggest_categories:
        suggest_categories(session, target, written.transaction_ids)
    return written
