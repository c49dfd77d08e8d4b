"""Imports some days of an account's delivery: read (`slice_rows`), decide (`slice_plan`), write."""

from sqlalchemy.orm import Session

from worker.importer.decide.line import Rejection
from worker.importer.decide.match_by_identity import IdentityMatches
from worker.importer.decide.plan import Plan
from worker.importer.fetch.slices import Slice
from worker.importer.outcome import AccountTally
from worker.importer.store.account_share import AccountShare
from worker.importer.store.categories import suggest_categories
from worker.importer.store.change_rows import record_unchanged
from worker.importer.store.leading_source import let_sources_lead
from worker.importer.store.seen_rows import SeenRows
from worker.importer.store.slice_plan import plan_slice
from worker.importer.store.slice_rows import read_slice
from worker.importer.store.transfers import pair_transfers
from worker.importer.store.user_expenses import retry_while_changed
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
    rows = read_slice(session, share, slice_, seen)

    def decide_and_write() -> tuple[IdentityMatches, Plan, Written]:
        matches, plan = plan_slice(session, share, slice_, rows, removed, seen)
        return matches, plan, _write(session, share, plan)

    matches, plan, written = retry_while_changed(decide_and_write)
    seen.add(rows.split, matches, plan, written)
    tally.add(plan, rows.split.unchanged + rows.repeated + slice_.superseded, share.account.watermark_on)
    tally.months |= written.months
    if share.is_list_of_changes and not share.holds_whole_days:
        tally.told_again += sum(one.line.identity is None for one in plan.unchanged)
    return list(rows.rejections)


def _write(session: Session, share: AccountShare, plan: Plan) -> Written:
    """Write the plan, and what follows from the new rows: transfers and suggested categories."""
    target = share.target
    if share.job.dry_run:
        record_unchanged(session, plan, target.account_id, target.run_id)
    written = write_plan(session, plan, target)
    written.months |= pair_transfers(session, share.job, target, plan, written)
    ids = [id_ for new, id_ in zip(plan.creates, written.transaction_ids, strict=True) if new.twin_id is not None]
    ids += [change.known.id for change in plan.changes if change.line is not None]
    written.months |= let_sources_lead(session, ids, target.run_id)
    if share.job.options.suggest_categories:
        suggest_categories(session, target, written.transaction_ids)
    return written
