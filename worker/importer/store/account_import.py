"""Imports one account's part of a delivery in the caller's transaction: rows, counts, watermark and cursor.

`import_account` goes through the delivery in slices: load what is stored, set unchanged rows aside, read the rest,
match it, plan, write. All of it commits or none.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from sqlalchemy.orm import Session

from worker.connectors.base import Capabilities
from worker.importer.account_state import AccountState
from worker.importer.context import ImportContext
from worker.importer.decide import match_user_expense
from worker.importer.decide.decisions import Rules
from worker.importer.decide.duplicate_ids import DistinctTransactions, distinct_transactions, possibly_shared_ids
from worker.importer.decide.expense import has_expense
from worker.importer.decide.line import Line, ReadContext, Rejection, read_line
from worker.importer.decide.match_by_identity import (
    IdentityMatches,
    UnchangedSplit,
    match_by_identity,
    split_unchanged,
)
from worker.importer.decide.match_user_expense import UserExpense
from worker.importer.decide.plan import Evidence, Plan, make_plan
from worker.importer.decide.reasons import Decision
from worker.importer.decide.removed_at_bank import Coverage
from worker.importer.decide.sign_flip import signs_flipped
from worker.importer.decide.stored_row import StoredKey
from worker.importer.decide.text import MAX_NOTES
from worker.importer.fetch.delivery import Delivery
from worker.importer.fetch.requests import FetchRequest, history_limits, progress_of
from worker.importer.fetch.slices import Slice, slices
from worker.importer.fetch.window import advance
from worker.importer.job import Job
from worker.importer.outcome import AccountResult, SignsFlippedError
from worker.importer.store.bulk import insert_values
from worker.importer.store.categories import suggest_categories
from worker.importer.store.history import unchanged_rows
from worker.importer.store.load import (
    AccountPlace,
    has_rows,
    ids_by_external_id,
    load_details,
    load_keys,
    load_user_expenses,
    shared_external_ids,
    stored_identities,
)
from worker.importer.store.progress import add_counts, close_account
from worker.importer.store.rejections import as_rejection, record_rejections
from worker.importer.store.seen_ids import SeenIds
from worker.importer.store.transfers import pair_transfers
from worker.importer.store.write import WriteTarget, Written, write_plan
from worker.models import BankConnectionAccount
from worker.runs.states import Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDelivery:
    """A delivery, and the account whose part of it is imported."""

    job: Job
    account: AccountState
    request: FetchRequest
    capabilities: Capabilities
    read_context: ReadContext
    delivery: Delivery

    @property
    def records(self) -> int:
        """How many of the delivered records are the account's, read or not."""
        rows = self.delivery.staging.rows(self.account.external_id) + self.delivery.repeated[self.account.external_id]
        return rows + len(_rejected_by_connector(self))

    @property
    def target(self) -> WriteTarget:
        """Where its rows are written."""
        return WriteTarget(account_id=self.account.id, user_id=self.job.user_id, run_id=self.job.lease.run_id)


@dataclass(slots=True, kw_only=True)
class SeenRows:
    """Rows that earlier slices of the delivery processed.

    Attributes:
        row_ids: Stored rows that were delivered.
        created_from: Rows of the account with this id or a higher one were created by this delivery.
        expense_ids: The user's expenses that rows were linked with.
        new_ids: Trusted ids so far, of an account that had no rows before; None when they are looked up instead.
    """

    row_ids: set[int] = field(default_factory=set)
    created_from: int | None = None
    expense_ids: set[int] = field(default_factory=set)
    new_ids: SeenIds | None = None

    def has(self, row_id: int) -> bool:
        """Whether an earlier slice delivered or created the row."""
        return row_id in self.row_ids or (self.created_from is not None and row_id >= self.created_from)

    def add(self, split: UnchangedSplit, matches: IdentityMatches, plan: Plan, written: Written) -> None:
        """Add the rows that a slice processed."""
        self.row_ids |= split.seen | matches.seen | {change.known.id for change in plan.changes}
        if written.transaction_ids and self.created_from is None:
            self.created_from = min(written.transaction_ids)
        links = [*(c.link_expense_id for c in plan.creates), *(c.effect.link_expense_id for c in plan.changes)]
        self.expense_ids |= {expense_id for expense_id in links if expense_id is not None}


@dataclass(slots=True, kw_only=True)
class AccountTally:
    """What importing the delivery did to the account, for the run's report.

    Attributes:
        months: Months (`YYYY-MM`) whose expenses changed.
        late_days: By how many days new rows lay before the watermark, at most.
    """

    counts: Counts = field(default_factory=Counts)
    months: set[str] = field(default_factory=set)
    warnings: set[str] = field(default_factory=set)
    late_days: int = 0

    def add(self, plan: Plan, same: int, watermark_on: date | None) -> None:
        """Count what a slice decided, how late its new rows came, and what had to be rounded or shortened.

        Args:
            plan: What was decided.
            same: Rows that needed no decision: unchanged, repeated or superseded ones.
            watermark_on: How far the account was read before.
        """
        linked = sum(create.decision == Decision.LINKED for create in plan.creates)
        removed = sum(change.decision == Decision.REMOVED for change in plan.changes)
        delivered_changes = sum(change.line is not None for change in plan.changes)
        unchanged = len(plan.unchanged) + same
        self.counts = self.counts + Counts(
            created=len(plan.creates) - linked,
            linked=linked,
            updated=len(plan.changes) - removed,
            removed=removed,
            unchanged=unchanged,
            suggested=len(plan.suggestions),
            accounted=len(plan.creates) + delivered_changes + unchanged,
        )
        for create in plan.creates:
            line = create.line
            if watermark_on and line.stated_on and not line.pending and line.stated_on < watermark_on:
                self.late_days = max(self.late_days, (watermark_on - line.stated_on).days)
            if create.expense is not None and create.expense.amount != abs(line.amount):
                self.warnings.add("amounts_rounded")
            if len(line.description) > MAX_NOTES:
                self.warnings.add("notes_shortened")


def import_account(session: Session, step: AccountDelivery, context: ImportContext) -> AccountTally:
    """Import the account's part of a delivery; the watermark and the cursor move only if the delivery was complete."""
    job, account, delivery = step.job, step.account, step.delivery
    fetched = delivery.staging.rows(account.external_id)
    fresh = account.history_from_on is None and not has_rows(session, account.id)
    seen, tally = SeenRows(new_ids=SeenIds(fetched) if fresh else None), AccountTally()
    removed = _removed_ids(session, step)
    rejections = _rejected_by_connector(step)
    unreadable = len(rejections)
    for part in slices(delivery, account.external_id, step.read_context, context.policy.slice_rows):
        context.check()
        rejections += _import_slice(session, step, part, removed, seen, tally)
    rejected = record_rejections(session, job, account.id, rejections)
    repeated = delivery.repeated[account.external_id]
    tally.counts += Counts(
        rejected=rejected,
        fetched=fetched + repeated,
        unchanged=repeated,
        pages=delivery.pages,
        delivered=fetched + repeated + unreadable,
        accounted=len(rejections) + repeated,
    )
    add_counts(session, job, account.id, tally.counts, step.request.window)
    if step.request.moves and account.external_id not in delivery.failures:
        if delivery.complete:
            _save_progress(session, step, tally, context)
        else:
            cut = AccountResult(
                account_id=account.id, status="partial", code="truncated", message="the provider cut its answer"
            )
            close_account(session, job, cut)
    return tally


def _import_slice(
    session: Session,
    step: AccountDelivery,
    part: Slice,
    removed: frozenset[int],
    seen: SeenRows,
    tally: AccountTally,
) -> list[Rejection]:
    """Import some days of the delivery, and return the rows that cannot be imported."""
    known, aliases = _load_known(session, step, part) if seen.new_ids is None else ([], {})
    unseen = [key for key in known if not seen.has(key.id)]
    distinct = _distinct(session, step, part, known, aliases, seen)
    # A dry run decides every row, because it reports every row.
    by_identity = {key.identity: key for key in unseen}
    split = (
        UnchangedSplit(rest=distinct.transactions)
        if step.job.dry_run
        else split_unchanged(distinct.transactions, by_identity)
    )
    read = [read_line(item, step.read_context) for item in split.rest]
    lines = [item for item in read if isinstance(item, Line)]

    evidence = Evidence(
        coverage=Coverage(window=part.covers, cut=part.cut, up_to_now=part.is_up_to(step.read_context.today)),
        unchanged_elsewhere=len(split.seen),
        removed=removed,
        only_changes=step.request.by_cursor and step.request.moves and step.delivery.complete,
    )
    unmatched = [key for key in unseen if key.id not in split.seen]
    matches = match_by_identity(lines, unmatched, aliases, evidence.coverage, distinct.shared_ids)
    matches.returned += split.returned
    if seen.new_ids is None:
        # Rows of equal content may be filed under far days: booked together, bought weeks apart.
        far = stored_identities(session, step.account.id, matches.possible_identities())
        matches.taken_identities = {*matches.taken_identities, *far}

    plan = _plan(session, step, evidence, matches, seen)
    written = _write(session, step, plan)
    seen.add(split, matches, plan, written)
    tally.add(plan, split.unchanged + distinct.repeated + part.superseded, step.account.watermark_on)
    tally.months |= written.months
    return [item for item in read if isinstance(item, Rejection)]


def _load_known(session: Session, step: AccountDelivery, part: Slice) -> tuple[list[StoredKey], dict[bytes, int]]:
    """Load the stored rows that may be delivered here: those of the slice's days, and those of its ids on any day."""
    identities = [identity for _, identity, _ in part.transactions if identity is not None]
    reimport = step.job.options.reimport
    return load_keys(session, step.account.id, part.span(step.read_context.today), identities, reimport=reimport)


def _distinct(
    session: Session,
    step: AccountDelivery,
    part: Slice,
    known: Sequence[StoredKey],
    aliases: Mapping[bytes, int],
    seen: SeenRows,
) -> DistinctTransactions:
    """Return the slice without repeats; ids that stand for several rows, here or from before, are not trusted."""
    taken = _identities_taken(session, step, part, known, seen)
    possible = possibly_shared_ids(part.transactions, aliases, known)
    shared = shared_external_ids(session, step.account.id, possible)
    return distinct_transactions(part.transactions, {*taken, *(possible[external_id] for external_id in shared)})


def _identities_taken(
    session: Session, step: AccountDelivery, part: Slice, known: Sequence[StoredKey], seen: SeenRows
) -> Collection[bytes]:
    """Return identities of the slice that rows of earlier slices have."""
    if seen.new_ids is None:
        return {key.identity for key in known if seen.has(key.id)}
    suspects = seen.new_ids.add(identity for _, identity, _ in part.transactions if identity is not None)
    return stored_identities(session, step.account.id, suspects)


def _plan(
    session: Session, step: AccountDelivery, evidence: Evidence, matches: IdentityMatches, seen: SeenRows
) -> Plan:
    """Load what the decisions need, and decide every row of the slice."""
    options = step.job.options
    pending_hidden = options.import_pending == "hide"
    links = [line.pending_external_id for line in matches.new if line.pending_external_id]
    wanted = matches.undecided(evidence.coverage) | evidence.removed
    details = load_details(session, wanted | ids_by_external_id(session, step.account.id, links))
    if signs_flipped(matches, details, evidence.coverage, evidence.unchanged_elsewhere):
        raise SignsFlippedError
    wanting = [*matches.new, *(m.line for m in matches.changed if details[m.known_id].expense_id is None)]
    visible = [line for line in wanting if has_expense(line, pending_hidden=pending_hidden)]
    return make_plan(
        matches,
        replace(evidence, details=details, existing=_user_expenses(session, step, visible, seen)),
        Rules(
            pending_hidden=pending_hidden,
            pending_grace_days=options.pending_grace_days,
            # An empty delivery proves nothing about posted rows: providers give one when they fail.
            windows_complete=step.capabilities.windows_complete
            and step.delivery.staging.rows(step.account.external_id) > 0,
            guess_pending=not step.capabilities.links_pending,
            reimport=options.reimport,
        ),
    )


def _user_expenses(session: Session, step: AccountDelivery, lines: list[Line], seen: SeenRows) -> list[UserExpense]:
    """Load the user's expenses that these lines may stand for."""
    if not lines:
        return []
    place = AccountPlace(
        user_id=step.job.user_id,
        connection_id=step.job.connection_id,
        account_id=step.account.id,
        anchor=step.account.anchor,
        mask=step.account.mask,
        currency=step.account.currency,
    )
    days = [line.effective_on for line in lines]
    near = timedelta(days=match_user_expense.MAX_DAYS)
    span = (min(days) - near, max(days) + near)
    found = load_user_expenses(session, place, span, {line.expense_amount for line in lines})
    return [expense for expense in found if expense.expense_id not in seen.expense_ids]


def _write(session: Session, step: AccountDelivery, plan: Plan) -> Written:
    """Write the plan, and what follows from the new rows: transfers and suggested categories."""
    target = step.target
    if step.job.dry_run:
        insert_values(session, "bank_transaction_changes", *unchanged_rows(plan, target.account_id, target.run_id))
    written = write_plan(session, plan, target)
    written.months |= pair_transfers(session, step.job, target, plan, written)
    if step.job.options.suggest_categories:
        suggest_categories(session, target, written.transaction_ids)
    return written


def _save_progress(session: Session, step: AccountDelivery, tally: AccountTally, context: ImportContext) -> None:
    """Move watermark and cursor."""
    limits = history_limits(step.job, step.capabilities, context)
    # While history is read, old rows are not late.
    late_days = tally.late_days if step.account.history_complete else 0
    own_cursor = step.request.by_cursor and step.request.account_id is not None
    row = session.get_one(BankConnectionAccount, step.account.id)
    progress = advance(progress_of(row), step.request.window, limits, latest_late_days=late_days)
    row.watermark_on = progress.watermark_on
    row.history_from_on = progress.history_from_on
    row.history_complete = progress.history_complete
    row.lateness_days = progress.lateness_days
    row.cursor = (step.delivery.next_cursor if own_cursor else None) or row.cursor


def _removed_ids(session: Session, step: AccountDelivery) -> frozenset[int]:
    external_ids = [
        row.external_id
        for row in step.delivery.removed
        if row.account_id is None or row.account_id == step.account.external_id
    ]
    return ids_by_external_id(session, step.account.id, external_ids)


def _rejected_by_connector(step: AccountDelivery) -> list[Rejection]:
    """Return the rejected rows of this account; a delivery for one account need not name it."""
    own = {step.account.external_id, step.account.external_id if step.request.account_id is None else None}
    return [as_rejection(row) for row in step.delivery.rejected if row.account_id in own]
