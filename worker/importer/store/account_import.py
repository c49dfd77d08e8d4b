"""One delivery for one account: slice by slice planned and written, in the caller's one transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from sqlalchemy.orm import Session

from worker.connectors.base import Capabilities, IdClass, RejectedRow
from worker.importer.account_state import AccountState
from worker.importer.context import ImportContext
from worker.importer.decide import match_user_expense
from worker.importer.decide.decisions import Rules
from worker.importer.decide.expense import has_expense
from worker.importer.decide.line import (
    FingerprintedTransaction,
    Line,
    ReadContext,
    Rejection,
    read_line,
    read_transaction,
    trusts_ids,
)
from worker.importer.decide.match_by_identity import (
    DistinctLines,
    IdentityMatches,
    UnchangedSplit,
    drop_repeats,
    match_by_identity,
    split_unchanged,
)
from worker.importer.decide.match_user_expense import UserExpense
from worker.importer.decide.plan import Evidence, Plan, make_plan
from worker.importer.decide.reasons import Decision
from worker.importer.decide.removed_at_bank import Coverage
from worker.importer.decide.stored_row import StoredKey
from worker.importer.decide.text import MAX_NOTES
from worker.importer.fetch.delivery import Delivery
from worker.importer.fetch.requests import FetchRequest
from worker.importer.fetch.slices import Slice, slices
from worker.importer.job import Job, zone_of
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
    stored_identities,
)
from worker.importer.store.rejections import record_rejections
from worker.importer.store.seen_ids import SeenIds
from worker.importer.store.transfers import pair_transfers
from worker.importer.store.write import WriteTarget, Written, write_plan
from worker.runs.states import Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDelivery:
    """What one account's part of a delivery is written with."""

    job: Job
    account: AccountState
    stream: FetchRequest
    capabilities: Capabilities
    read_context: ReadContext
    delivery: Delivery


@dataclass(slots=True, kw_only=True)
class StepResult:
    """What was done. distrusted: one id stood for two rows, so ids of this account are no longer identities.

    seen: known rows that were delivered. created_from: rows of the account with this id or a later one are new.
    met_ids: trusted ids so far, where all rows of the account are of this step and need no looking up.
    """

    counts: Counts = field(default_factory=Counts)
    months: set[str] = field(default_factory=set)
    late_days: int = 0
    distrusted: bool = False
    warnings: set[str] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)
    consumed: set[int] = field(default_factory=set)
    created_from: int | None = None
    met_ids: SeenIds | None = None

    def met(self, row_id: int) -> bool:
        """Whether a slice before this one delivered or created the row."""
        return row_id in self.seen or (self.created_from is not None and row_id >= self.created_from)


def import_account_delivery(session: Session, step: AccountDelivery, context: ImportContext) -> StepResult:
    """Plan and write everything a delivery says about one account."""
    fetched = step.delivery.staging.rows(step.account.external_id)
    result = StepResult(met_ids=SeenIds(fetched) if _is_fresh(session, step.account) else None)
    removed = _removed_ids(session, step)
    mine = {step.account.external_id, step.account.external_id if step.stream.account_id is None else None}
    rejections = [as_rejection(row) for row in step.delivery.rejected if row.account_id in mine]
    for part in slices(step.delivery, step.account.external_id, step.read_context, context.policy.slice_rows):
        context.check()
        rejections += _import_slice(session, step, part, removed, result)
    fresh = record_rejections(session, step.job, step.account.id, rejections)
    result.counts = replace(result.counts, rejected=fresh, fetched=fetched, pages=step.delivery.pages)
    return result


def _import_slice(
    session: Session, step: AccountDelivery, part: Slice, removed: frozenset[int], result: StepResult
) -> list[Rejection]:
    known, aliases = _known(session, step, part) if result.met_ids is None else ([], {})
    split = _split_unchanged(step, part.transactions, known, result)
    taken = _taken(session, step, part, known, result)
    split.distrusted |= bool(taken) and any(identity in taken for _, identity, _ in split.rest)
    lines, rejections = _read(split, step, result)
    unseen = [key for key in known if not result.met(key.id)]
    evidence = Evidence(
        coverage=Coverage(window=part.covers, cut=part.cut),
        removed=removed,
        only_changes=step.stream.by_cursor and step.stream.moves and step.delivery.complete,
    )
    matches = match_by_identity(lines.lines, unseen, aliases, evidence.coverage)
    matches.returned += split.returned
    if result.met_ids is None and (far := _far_twins(session, step.account.id, matches)):
        matches.taken_identities = {*matches.taken_identities, *far}
    plan = _plan(session, step, evidence, matches, result)
    written = _write(session, step, plan, result)
    _count(plan, result, split.unchanged + split.repeated + lines.repeated)
    result.months |= written.months
    _note(plan, step.account.watermark_on, result)
    return rejections


def _is_fresh(session: Session, account: AccountState) -> bool:
    return account.history_from_on is None and not has_rows(session, account.id)


def _taken(
    session: Session, step: AccountDelivery, part: Slice, known: Sequence[StoredKey], result: StepResult
) -> Collection[bytes]:
    """Return ids of the slice that rows of slices before it have."""
    if result.met_ids is None:
        return {key.identity for key in known if result.met(key.id)}
    suspects = result.met_ids.suspects(identity for _, identity, _ in part.transactions if identity is not None)
    return stored_identities(session, step.account.id, suspects)


def _far_twins(session: Session, account_id: int, matches: IdentityMatches) -> frozenset[bytes]:
    """Return identities of equal content that rows filed under far days have: booked together, bought weeks apart."""
    return stored_identities(session, account_id, matches.possible_identities())


def _known(session: Session, step: AccountDelivery, part: Slice) -> tuple[list[StoredKey], dict[bytes, int]]:
    """Load what may be what the slice delivers: rows of its days, and of its ids wherever they are."""
    identities = [identity for _, identity, _ in part.transactions if identity is not None]
    reimport = step.job.options.reimport
    return load_keys(session, step.account.id, part.span(step.read_context.today), identities, reimport=reimport)


def _split_unchanged(
    step: AccountDelivery, marked: list[FingerprintedTransaction], known: Sequence[StoredKey], result: StepResult
) -> UnchangedSplit:
    """Set unchanged rows aside; a dry run looks at every one, for it has to report it."""
    if step.job.dry_run:
        return UnchangedSplit(rest=marked)
    split = split_unchanged(marked, {key.identity: key for key in known if not result.met(key.id)})
    result.seen |= split.seen
    return split


def _read(split: UnchangedSplit, step: AccountDelivery, result: StepResult) -> tuple[DistinctLines, list[Rejection]]:
    """Read lines; where one id stands for two rows, read them again without trust in ids."""
    read = [read_line(item, step.read_context) for item in split.rest]
    rejections = [item for item in read if isinstance(item, Rejection)]
    lines = drop_repeats(item for item in read if isinstance(item, Line))
    if lines.distrusted or split.distrusted:
        result.distrusted = True
        doubtful = replace(step.read_context, trusted=False)
        again = [read_transaction(item.transaction, doubtful) for item in split.rest]
        lines = replace(lines, lines=[item for item in again if isinstance(item, Line)])
    return lines, rejections


def _write(session: Session, step: AccountDelivery, plan: Plan, result: StepResult) -> Written:
    target = WriteTarget(account_id=step.account.id, user_id=step.job.user_id, run_id=step.job.lease.run_id)
    if step.job.dry_run:
        insert_values(session, "bank_transaction_changes", *unchanged_rows(plan, step.account.id, target.run_id))
    written = write_plan(session, plan, target)
    written.months |= pair_transfers(session, step.job, target, plan, written)
    if step.job.options.suggest_categories:
        suggest_categories(session, target, written.transaction_ids)
    if written.transaction_ids and result.created_from is None:
        result.created_from = min(written.transaction_ids)
    return written


def _plan(
    session: Session, step: AccountDelivery, evidence: Evidence, matches: IdentityMatches, result: StepResult
) -> Plan:
    account, options = step.account, step.job.options
    links = [line.pending_external_id for line in matches.new if line.pending_external_id]
    wanted = matches.undecided(evidence.coverage)
    details = load_details(session, wanted | evidence.removed | ids_by_external_id(session, account.id, links))
    result.seen |= matches.seen
    wanting = [*matches.new, *(m.line for m in matches.changed if details[m.known_id].expense_id is None)]
    visible = [line for line in wanting if has_expense(line, pending_hidden=options.import_pending == "hide")]
    rows = step.delivery.staging.rows(account.external_id)
    plan = make_plan(
        matches,
        replace(evidence, details=details, existing=_existing(session, step, visible, result)),
        Rules(
            pending_hidden=options.import_pending == "hide",
            pending_grace_days=options.pending_grace_days,
            # an empty answer proves nothing about posted rows: providers give one when they fail
            windows_complete=step.capabilities.windows_complete and rows > 0,
            guess_pending=not step.capabilities.links_pending,
            reimport=options.reimport,
        ),
    )
    result.seen |= {change.known.id for change in plan.changes}
    return plan


def _existing(session: Session, step: AccountDelivery, lines: list[Line], result: StepResult) -> list[UserExpense]:
    if not lines:
        return []
    amounts = {line.expense_amount for line in lines}
    place = AccountPlace(
        user_id=step.job.user_id,
        connection_id=step.job.connection_id,
        account_id=step.account.id,
        anchor=step.account.anchor,
        mask=step.account.mask,
    )
    days = [line.effective_on for line in lines]
    near = timedelta(days=match_user_expense.MAX_DAYS)
    span = (min(days) - near, max(days) + near)
    return [e for e in load_user_expenses(session, place, span, amounts) if e.expense_id not in result.consumed]


def _removed_ids(session: Session, step: AccountDelivery) -> frozenset[int]:
    external_ids = [
        row.external_id
        for row in step.delivery.removed
        if row.account_id is None or row.account_id == step.account.external_id
    ]
    return ids_by_external_id(session, step.account.id, external_ids)


def _count(plan: Plan, result: StepResult, repeated: int) -> None:
    linked = sum(create.decision == Decision.LINKED for create in plan.creates)
    removed = sum(change.decision == Decision.REMOVED for change in plan.changes)
    counts = result.counts
    result.counts = replace(
        counts,
        created=counts.created + len(plan.creates) - linked,
        linked=counts.linked + linked,
        updated=counts.updated + len(plan.changes) - removed,
        removed=counts.removed + removed,
        unchanged=counts.unchanged + len(plan.unchanged) + repeated,
        suggested=counts.suggested + len(plan.suggestions),
    )
    links = [*(c.link_expense_id for c in plan.creates), *(c.effect.link_expense_id for c in plan.changes)]
    result.consumed |= {expense_id for expense_id in links if expense_id is not None}


def _note(plan: Plan, watermark_on: date | None, result: StepResult) -> None:
    """Learn how late rows come, and say what was rounded or shortened."""
    for create in plan.creates:
        line = create.line
        if watermark_on and line.stated_on and not line.pending and line.stated_on < watermark_on:
            result.late_days = max(result.late_days, (watermark_on - line.stated_on).days)
        if create.expense is not None and create.expense.amount != abs(line.amount):
            result.warnings.add("amounts_rounded")
        if len(line.description) > MAX_NOTES:
            result.warnings.add("notes_shortened")


def as_rejection(row: RejectedRow) -> Rejection:
    """Return what a connector could not read as what the importer keeps."""
    return Rejection(code=row.code, message=row.message, raw=row.raw, external_id=row.external_id)


def read_context_for(
    job: Job, account: AccountState, capabilities: Capabilities, context: ImportContext, session: str | None
) -> ReadContext:
    """Return what is known of an account before its lines are read."""
    zone = zone_of(job, capabilities)
    id_class = IdClass(job.options.id_class or account.id_class or capabilities.id_class)
    return ReadContext(
        zone=zone,
        today=context.now().astimezone(zone).date(),
        currency=account.currency or job.currency,
        trusted=trusts_ids(id_class),
        namespace=(session or "") if id_class == IdClass.SESSION else "",
        booking_basis=job.options.date_basis == "booking",
        sign=-1 if account.external_id in job.options.inverted_accounts else 1,
    )
