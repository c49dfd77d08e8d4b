"""Decides every row of a slice: loads what the decisions need, matches the lines and plans."""

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from worker.importer.decide.expense import has_expense
from worker.importer.decide.line import Line
from worker.importer.decide.match_by_identity import IdentityMatches, match_by_identity
from worker.importer.decide.match_user_expense import Counterpart
from worker.importer.decide.plan import Evidence, Plan, make_plan
from worker.importer.decide.removed_at_bank import Coverage
from worker.importer.decide.reused_ids import set_reused_ids_apart
from worker.importer.decide.sign_flip import inverted_by_user, match_inverted_rows, opposite_fingerprints, signs_flipped
from worker.importer.decide.similarity import common_words
from worker.importer.decide.source_rows import Spans
from worker.importer.decide.stored_row import State
from worker.importer.fetch.slices import Slice
from worker.importer.outcome import SignsFlippedError
from worker.importer.store.account_share import AccountShare
from worker.importer.store.load import ids_by_external_id, latest_texts, load_details, stored_identities
from worker.importer.store.seen_rows import SeenRows
from worker.importer.store.slice_rows import SliceRows
from worker.importer.store.user_expenses import load_asked, load_counterparts, load_spans


def plan_slice(
    session: Session, share: AccountShare, slice_: Slice, rows: SliceRows, removed: frozenset[int], seen: SeenRows
) -> tuple[IdentityMatches, Plan]:
    """Match the lines with stored rows and with the user's expenses, and plan what is to be written.

    Args:
        session: The transaction of the account.
        share: The account's share of the delivery.
        slice_: The days.
        rows: What was read of them.
        removed: Ids of the stored rows that the bank lists as removed.
        seen: The rows of earlier slices.

    Raises:
        SignsFlippedError: all amounts of the account have the opposite sign now.
    """
    coverage = Coverage(
        window=slice_.covers, days_cut_off=slice_.days_cut_off, up_to_now=slice_.is_up_to(share.read_context.today)
    )
    removed -= seen.row_ids
    matches, opposite = _match(session, share, rows, coverage, seen)
    links = [line.pending_external_id for line in matches.new if line.pending_external_id]
    linked = ids_by_external_id(session, share.account.id, links)
    details = load_details(session, matches.undecided(coverage) | removed | linked.keys())
    matches.release_linked([id_ for id_ in linked if details[id_].state == State.PENDING])
    if set_reused_ids_apart(matches, details, coverage):
        _take_stored_identities(session, share, matches)
    flipped = signs_flipped(matches, details, coverage, len(rows.split.seen))
    if flipped and not inverted_by_user(matches, details, opposite):
        raise SignsFlippedError

    # Loaded once the signs are judged: where nothing is covered, the absence of these rows says nothing about them.
    possible = matches.maybe_restated() if share.holds_whole_days else set()
    restated = frozenset(id_ for id_ in possible if not seen.has(id_))
    details = {**load_details(session, restated - details.keys()), **details}
    without_expense = [match for match in matches.changed if details[match.known_id].expense_id is None]
    rules = share.rules
    lines = [*matches.new, *(match.line for match in without_expense)]
    visible = [line for line in lines if has_expense(line, pending_hidden=rules.pending_hidden)]
    existing, spans = _existing(session, share, visible, seen)
    evidence = Evidence(
        coverage=coverage,
        only_changes=share.request.by_cursor and not share.request.replays and share.delivery.complete,
        details=details,
        removed=removed,
        existing=existing,
        spans=spans,
        asked=load_asked(session, [match.known_id for match in without_expense]) if existing else frozenset(),
        unchanged_elsewhere=len(rows.split.seen),
        linked=linked,
        delivered=frozenset(id_ for id_ in linked if id_ in rows.split.seen or seen.has(id_)),
        common_words=common_words(latest_texts(session, share.account.id) if matches.new and details else ()),
        maybe_restated=restated,
    )
    return matches, make_plan(matches, evidence, rules)


def _match(
    session: Session, share: AccountShare, rows: SliceRows, coverage: Coverage, seen: SeenRows
) -> tuple[IdentityMatches, Mapping[bytes, bytes]]:
    """Match lines with stored rows by identity and content; return with it the fingerprints of opposite signs."""
    matches = match_by_identity(
        rows.lines,
        rows.known,
        rows.aliases,
        coverage,
        rows.shared_ids,
        links_pending=share.capabilities.links_pending,
    )
    matches.returned += rows.split.returned
    if not seen.first_load:
        # Rows of equal content may be filed under far days: booked together, bought weeks apart.
        _take_stored_identities(session, share, matches)
    opposite = opposite_fingerprints(matches, rows.split, share.read_context)
    match_inverted_rows(matches, opposite)
    return matches, opposite


def _existing(
    session: Session, share: AccountShare, visible: Sequence[Line], seen: SeenRows
) -> tuple[list[Counterpart], Spans | None]:
    """Return what lines that get an expense may be matched with, and the days of the sources where there are any."""
    days, amounts = [line.effective_on for line in visible], {line.expense_amount for line in visible}
    found = load_counterparts(session, share.job.user_id, share.account, days, amounts)
    existing = [expense for expense in found if expense.expense_id not in seen.expense_ids]
    has_twins = any(one.twin_id is not None for one in existing)
    return existing, load_spans(session, share.account, visible) if has_twins else None


def _take_stored_identities(session: Session, share: AccountShare, matches: IdentityMatches) -> None:
    """Note which identities that new rows may get are those of stored rows on other days."""
    stored = stored_identities(session, share.account.id, matches.possible_identities())
    matches.taken_identities = {*matches.taken_identities, *stored}
