"""Imports some days of an account's delivery: load, read, match, load what decisions need, plan, write."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy.orm import Session

from worker.importer.decide.absent_rows import Coverage
from worker.importer.decide.compare.text_similarity import common_words
from worker.importer.decide.evidence import Evidence
from worker.importer.decide.ids.match import IdentityMatches
from worker.importer.decide.plan import Plan, make_plan
from worker.importer.decide.read.line import Line, Rejection
from worker.importer.decide.slice_matches import (
    CorrectedMatches,
    RowsInFull,
    correct_matches,
    identities_maybe_taken,
    match_slice,
)
from worker.importer.decide.slice_rows import SliceRows
from worker.importer.decide.told_otherwise import days_told
from worker.importer.decide.undelivered import VoidedRows, voided_rows
from worker.importer.fetch.slices import Slice
from worker.importer.outcome import AccountTally, SignsFlippedError, UnknownRowsError
from worker.importer.store.account_share import AccountShare
from worker.importer.store.expenses.categories import suggest_categories
from worker.importer.store.expenses.locks import retry_while_changed
from worker.importer.store.expenses.user_expenses import load_user_expenses
from worker.importer.store.rows.changes import record_unchanged
from worker.importer.store.rows.keys import load_slice_keys
from worker.importer.store.rows.load import load_further, load_undecided
from worker.importer.store.rows.seen import SeenRows
from worker.importer.store.sources.leading_fields import let_sources_lead
from worker.importer.store.transfers.pair import pair_transfers
from worker.importer.store.write import write_plan
from worker.importer.store.write_target import Written


def import_slice(
    session: Session,
    share: AccountShare,
    slice_: Slice,
    removed: frozenset[int],
    seen: SeenRows,
    tally: AccountTally,
) -> list[Rejection]:
    """Import some days of the delivery, and return the rows that cannot be imported.

    Args:
        removed: Ids of the stored rows that the bank lists as removed.
        seen: The rows of earlier slices; those of this one are added.
        tally: What was done so far; what is done here is added.

    Raises:
        SignsFlippedError: all amounts of the account have the opposite sign now.
        UnknownRowsError: none of the rows is known, and nobody decided yet whose they are.
    """
    account, today = share.account, share.read_context.today
    stored = load_slice_keys(session, account.id, slice_, today, seen, reimport=share.rules.reimport)
    tally.told_from_on = slice_.told_from_on
    rows = slice_.as_new if stored.is_empty else None
    if rows is None:
        rows = share.read(slice_.transactions, stored)
    coverage = share.coverage(slice_)
    if rows.known:
        coverage = coverage.as_told_by(rows.lines)
    read = _ReadSlice(
        share=share,
        rows=rows,
        coverage=coverage,
        removed=removed - seen.row_ids,
        voided=share.read_voided(slice_),
        seen=seen,
    )
    # A user may edit an expense meanwhile: then it is decided anew.
    matches, plan, written = retry_while_changed(lambda: _decide_and_write(session, read))
    seen.add(rows.set_aside, matches, plan, written.transaction_ids)
    tally.add(plan, rows.set_aside.transactions + rows.repeated + slice_.superseded, account.watermark_on)
    tally.months |= written.months
    if plan.out_of_reach:
        tally.reached_from_on = _reached_from_on(share, slice_)
    if rows.ids_repeated:
        tally.warnings.add("ids_repeated")
    return list(rows.rejections)


def _reached_from_on(share: AccountShare, slice_: Slice) -> date:
    """Return the first day that the bank still gives, where known rows are of days before."""
    reaches_from_on = share.account.reach.first_on(share.read_context.today)
    after_window_on = share.request.window.to_on + timedelta(days=1)
    return min(slice_.told_from_on or date.max, reaches_from_on, after_window_on)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReadSlice:
    """A slice that is read, with what deciding about its rows begins with.

    Attributes:
        coverage: For which days it proves absence.
        removed: Ids of the stored rows that the bank lists as removed and that no earlier slice had.
        voided: The lines that say what is void.
        seen: The rows of earlier slices.
    """

    share: AccountShare
    rows: SliceRows
    coverage: Coverage
    removed: frozenset[int]
    voided: Sequence[Line]
    seen: SeenRows


def _decide_and_write(session: Session, read: _ReadSlice) -> tuple[IdentityMatches, Plan, Written]:
    """Match the rows of a slice, load what that depends on, plan and write."""
    share, rules = read.share, read.share.rules
    found = match_slice(read.rows, read.coverage, share.read_context, rules)
    if found.none_known and not (share.is_decided or read.seen.row_ids):
        raise UnknownRowsError
    void = voided_rows(read.voided, found.matches.undelivered)
    full = load_undecided(session, share.account.id, found, read.removed | void.gone | void.doubtful)
    corrected = correct_matches(found, full, read.coverage, rules)
    if corrected.signs_flipped:
        raise SignsFlippedError
    plan = make_plan(corrected.matches, _load_evidence(session, read, full, corrected, void), rules)
    return corrected.matches, plan, _write(session, share, plan)


def _load_evidence(
    session: Session, read: _ReadSlice, full: RowsInFull, corrected: CorrectedMatches, void: VoidedRows
) -> Evidence:
    """Return what the plan of a slice is made from besides its matches, and load what of it is not loaded yet."""
    share, account, seen, set_aside = read.share, read.share.account, read.seen, read.rows.set_aside
    restated = corrected.maybe_restated - seen.row_ids
    moved = corrected.maybe_moved - seen.row_ids
    further = load_further(
        session,
        account.id,
        full,
        restated | moved,
        identities_maybe_taken(corrected.matches, seen.stored_to_on),
        has_new=bool(corrected.matches.new),
    )
    expenses = load_user_expenses(
        session, share.job.user_id, account, corrected.visible, corrected.without_expense, seen.expense_ids
    )
    return Evidence(
        coverage=read.coverage,
        only_changes=share.only_changes,
        in_full={**further.restated, **full.by_id},
        listed_as_removed=read.removed | void.gone,
        maybe_void=void.doubtful,
        expenses=expenses,
        rows_set_aside=len(set_aside.row_ids),
        named=full.named,
        delivered=frozenset(id_ for id_ in full.named if id_ in set_aside.row_ids or seen.has(id_)),
        common_words=common_words(further.latest_texts),
        maybe_restated=restated,
        maybe_moved=moved,
        taken_identities=further.taken_identities,
        told=days_told(corrected.matches, set_aside.posted_days) if share.rules.whole_days else None,
    )


def _write(session: Session, share: AccountShare, plan: Plan) -> Written:
    """Write the plan, and what follows from the new rows: transfers and suggested categories."""
    target = share.target
    written = write_plan(session, plan, target)
    if share.job.dry_run:
        record_unchanged(session, plan, target.account_id, target.run_id)
    written.months |= pair_transfers(session, target, plan, written)
    ids = [id_ for new, id_ in zip(plan.creates, written.transaction_ids, strict=True) if new.twin_id is not None]
    ids += [change.known.id for change in plan.changes if change.line is not None]
    written.months |= let_sources_lead(session, ids, target.run_id)
    if share.job.options.suggest_categories:
        suggest_categories(session, target, written.transaction_ids)
    return written
