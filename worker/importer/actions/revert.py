"""Reverts a run: restores the expenses as they were before it, in one transaction.

The bank's lines stay; only the user's expenses change. Expenses that the user has edited
since are left alone and reported. A revert is a run of its own, so that it can be reverted as well.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker import outbox
from worker.db.engine import with_contention_retries
from worker.db.user_lock import lock_user
from worker.errors import InvalidRequestError
from worker.importer.actions.revert_move import is_move, revert_move
from worker.importer.actions.row_undo import Undo, undo_rows
from worker.importer.context import ImportContext
from worker.importer.decide.expenses.from_line import month
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.stored_row import ExpenseState, StoredRow
from worker.importer.fetch.window import OVERLAP_DAYS
from worker.importer.job import Job
from worker.importer.store.expenses.answered_legs import keep_of_gone
from worker.importer.store.expenses.own_expenses import HIDDEN, give_expenses
from worker.importer.store.expenses.rows import delete_expenses, insert_expenses, set_categories, update_expenses
from worker.importer.store.rows.bulk import next_ids, run_values
from worker.importer.store.rows.changes import record_without_line
from worker.importer.store.rows.load import load_in_full, present_categories
from worker.importer.store.sources.joined_rows import meet_again
from worker.importer.store.sources.leading_fields import let_sources_lead
from worker.importer.store.sources.twins import hand_to_twins, point_to_ends, without_expense
from worker.importer.store.suggestions.obsolete import CLOSED_AS_OBSOLETE
from worker.importer.store.transfers.pair import give_twins_of_reverted
from worker.importer.store.unchanged_response import forget
from worker.runs.ending import close
from worker.runs.states import Counts, Outcome, RunStatus

_CREATED = text("SELECT id FROM bank_transactions WHERE first_run_id = :run_id ORDER BY id")
_CHANGED = text(
    """SELECT DISTINCT ON (transaction_id) transaction_id, before_image FROM bank_transaction_changes
    WHERE run_id = :run_id AND transaction_id IS NOT NULL AND before_image IS NOT NULL AND reverted_by_run_id IS NULL
    ORDER BY transaction_id, id"""
)
# What the run itself wrote of a user's edits of a pending row; null where it deleted an expense, as they had.
_INHERITED = text(
    """SELECT DISTINCT ON (transaction_id) transaction_id, detail -> 'inherited' AS expense
    FROM bank_transaction_changes
    WHERE run_id = :run_id AND reason = 'booked_beside' AND jsonb_exists(detail, 'inherited')
    ORDER BY transaction_id, id DESC"""
)
# Rows that are kept stay unmarked, so that a later revert finds how they were.
_MARK = text(
    """UPDATE bank_transaction_changes SET reverted_by_run_id = :by
    WHERE run_id = :run_id AND (transaction_id IS NULL OR transaction_id <> ALL(CAST(:kept AS bigint[])))"""
)
_CLOSE_QUESTIONS = text(
    f"UPDATE bank_match_suggestions s SET {CLOSED_AS_OBSOLETE} WHERE s.run_id = :run_id AND s.status = 'open'"  # noqa: S608 - a constant
)
_SET_EXPENSE_LINKS = """UPDATE bank_transactions t SET expense_id = v.expense_id::bigint, expense_state = v.state,
    base_cost = NULL, last_run_id = '{by}', transfer_peer_id = CASE WHEN v.unpair THEN NULL ELSE t.transfer_peer_id END,
    fingerprint = CASE WHEN v.forget THEN ''::bytea ELSE t.fingerprint END
    FROM (VALUES %s) AS v(id, expense_id, state, unpair, forget) WHERE t.id = v.id"""
_SET_BASES = """UPDATE bank_transactions t SET base_amount = v.amount::numeric, base_currency = v.currency,
    base_type = v.type, base_notes = v.notes, base_spent_on = v.spent_on::date
    FROM (VALUES %s) AS v(id, amount, currency, type, notes, spent_on) WHERE t.id = v.id"""
_RELEASE_PEERS = text(
    """UPDATE bank_transactions SET transfer_peer_id = NULL
    WHERE transfer_peer_id = ANY(:unpaired) AND id <> ALL(:unpaired) RETURNING id"""
)
_PEERS_OF = text(
    "SELECT id, transfer_peer_id FROM bank_transactions WHERE id = ANY(:ids) AND transfer_peer_id IS NOT NULL"
)
_BEFORE = text(
    """SELECT e.id, EXISTS (SELECT 1 FROM bank_transactions t WHERE t.expense_id = e.id) AS is_taken
    FROM expenses e WHERE e.id = ANY(:ids) ORDER BY e.id FOR UPDATE OF e"""
)
# A cursor is past rows that shall come again, and a refresh looks back some days only: such an account is read from its
# beginning.
_READ_AGAIN = text(
    """UPDATE bank_connection_accounts a SET cursor = NULL, history_from_on = NULL, history_complete = FALSE
    FROM bank_connections c, (
      SELECT t.account_id, min(coalesce(t.stated_on, t.effective_on)) AS first_on
      FROM bank_connection_accounts s JOIN bank_transactions t ON t.account_id = s.id
      WHERE s.connection_id = :connection_id AND t.last_run_id = :run_id AND t.fingerprint = ''::bytea GROUP BY 1) t
    WHERE c.id = a.connection_id AND t.account_id = a.id
      AND (a.cursor IS NOT NULL OR c.cursor IS NOT NULL OR t.first_on < a.watermark_on - CAST(:overlap_days AS int))"""
)


@dataclass(slots=True, kw_only=True)
class Reverted:
    """What a revert did.

    Attributes:
        kept: Transactions whose expense the user has edited since; they stay as they are.
    """

    taken_back: int = 0
    restored: int = 0
    kept: list[int] = field(default_factory=list)
    months: set[str] = field(default_factory=set)


def revert(job: Job, context: ImportContext) -> Outcome:
    """Revert the target run of a job and close the run, in one transaction; then clear FinMind's cache.

    It is done again where another transaction was in its way.
    """

    def once() -> tuple[Outcome, set[str]]:
        with context.sessions() as session:
            lock_user(session, job.user_id, wait=context.wait)
            context.fence(session, job.lease)
            forget(session, job)
            outcome, months = revert_move(session, job) if is_move(session, job) else revert_run(session, job)
            if job.reimport:
                values = {"connection_id": job.connection_id, "run_id": job.lease.run_id}
                session.execute(_READ_AGAIN, values | {"overlap_days": OVERLAP_DAYS})
            close(session, job.lease, outcome)
        return outcome, months

    outcome, months = with_contention_retries(once)
    if months:
        context.clear_cache(job.user_id, frozenset(months))
    return outcome


def revert_run(session: Session, job: Job) -> tuple[Outcome, set[str]]:
    """Restore the before-images of the target run; return the outcome and the months that changed."""
    if job.target_run_id is None:
        raise InvalidRequestError("a revert needs a run to take back")
    ids = list(session.execute(_CREATED, {"run_id": job.target_run_id}).scalars())
    images = {row.transaction_id: row.before_image for row in session.execute(_CHANGED, {"run_id": job.target_run_id})}
    inherited = {row.transaction_id: row.expense for row in session.execute(_INHERITED, {"run_id": job.target_run_id})}
    in_full = load_in_full(session, [*ids, *images])
    reverted = Reverted()
    edited_legs = _legs_of_edited_costs(session, in_full.values())
    undos = list(undo_rows(in_full.values(), frozenset(ids), images, inherited, edited_legs, reverted.kept))
    undos, heirs = _leave_to_twins(session, job, undos)
    _apply(session, job, undos, reverted)
    reverted.months |= let_sources_lead(session, heirs, job.lease.run_id, also_alone=True)
    again = [undo.known.id for undo in undos if _may_meet_again(undo)]
    reverted.months |= meet_again(session, again, job.user_id, job.lease.run_id)
    values = {"by": job.lease.run_id, "run_id": job.target_run_id, "kept": reverted.kept}
    session.execute(_MARK, values)
    session.execute(_CLOSE_QUESTIONS, {"run_id": job.target_run_id, "settled_by": str(job.lease.run_id)})
    counts = Counts(removed=reverted.taken_back, updated=reverted.restored, unchanged=len(reverted.kept))
    return (
        Outcome(
            status=RunStatus.PARTIAL if reverted.kept else RunStatus.SUCCEEDED,
            code="edited_since" if reverted.kept else "ok" if undos else "nothing_new",
            message=f"{len(reverted.kept)} rows are kept: their expenses were edited since" if reverted.kept else None,
            counts=counts,
            report={"kept_transaction_ids": reverted.kept[:1000]} if reverted.kept else {},
        ),
        reverted.months,
    )


def _legs_of_edited_costs(session: Session, rows: Collection[StoredRow]) -> frozenset[int]:
    """Return the ids of the legs among these rows of whose transfers the user edited what they cost."""
    peers = _peers_of(session, [row.id for row in rows if row.expense_state == ExpenseState.TRANSFER])
    legs = load_in_full(session, {*peers, *peers.values()})
    edited = {row.id for row in legs.values() if row.cost is not None and row.cost.is_edited}
    return frozenset(id_ for pair in peers.items() if not edited.isdisjoint(pair) for id_ in pair)


def _peers_of(session: Session, ids: Collection[int]) -> dict[int, int]:
    """Return the other legs of those of these rows that have one, by their ids."""
    found = session.execute(_PEERS_OF, {"ids": list(ids)}) if ids else ()
    return {row.id: row.transfer_peer_id for row in found}


def _may_meet_again(undo: Undo) -> bool:
    """Say whether the row stands for a purchase again that a row of another source got meanwhile."""
    has_again = undo.before is not None and undo.known.expense_id is None
    return has_again or undo.state in HIDDEN


def _leave_to_twins(session: Session, job: Job, undos: Sequence[Undo]) -> tuple[list[Undo], list[int]]:
    """Hand expenses over to other sources of the account that state the purchase, too; their runs are not reverted.

    The other leg of a transfer has the twin for its peer then, and stays a leg.
    """
    ending = [undo.known for undo in undos if undo.before is None]
    twins = hand_to_twins(session, ending, job.lease.run_id)
    legs = set(_peers_of(session, twins.values()).values())
    left = [
        replace(undo, known=without_expense(undo.known), own=False) if undo.known.id in twins else undo
        for undo in undos
        if undo.known.id not in legs
    ]
    return left, list(twins.values())


def _apply(session: Session, job: Job, undos: Sequence[Undo], reverted: Reverted) -> None:
    new_ids, written = _insert(session, job, [u for u in undos if u.before is not None and u.known.expense_id is None])
    changed = {u.known.expense_id: u.before for u in undos if u.before is not None and u.known.expense_id is not None}
    update_expenses(session, changed)
    # A category is a run's own doing only where it inherited it; on an expense that the user had it is theirs.
    categories = {u.known.expense_id: u.category_id for u in undos if u.own and u.known.expense_id in changed}
    set_categories(session, categories)
    run_values(
        session, _SET_EXPENSE_LINKS.format(by=job.lease.run_id), [_expense_link(job, undo, new_ids) for undo in undos]
    )
    if job.reimport:
        # What the bank says now is news to an expense that is as it was: the next refresh writes it again.
        run_values(session, _SET_BASES, [(u.known.id, *u.base) for u in undos if u.base is not None])
    for undo in undos:
        reverted.months |= {month(e) for e in (undo.before, undo.known.expense) if e is not None}
    reverted.months |= _release_peers(session, job, undos)
    known = (undo.known for undo in undos)
    record_without_line(session, known, job.lease.run_id, Decision.REVERTED, Reason.RUN_REVERTED)
    delete_expenses(session, (u.known.expense_id for u in undos if u.before is None and u.own), job.lease.run_id)
    ids = [undo.known.id for undo in undos if undo.state == ExpenseState.TWIN]
    reverted.months |= point_to_ends(session, ids, job.user_id, job.lease.run_id)[1]
    reverted.months |= give_twins_of_reverted(session, ids, user_id=job.user_id, run_id=job.lease.run_id)
    for event_type, ids in (("expense.created", written), ("expense.updated", list(changed))):
        outbox.record_expenses(session, event_type=event_type, expense_ids=ids, run_id=job.lease.run_id)
    reverted.taken_back = sum(undo.before is None for undo in undos)
    reverted.restored = len(undos) - reverted.taken_back


def _release_peers(session: Session, job: Job, undos: Sequence[Undo]) -> set[str]:
    """Undo pairs of which only one leg is reverted: the other leg is an expense again; return the months."""
    unpaired = [undo.known.id for undo in undos if _was_hidden_leg(undo)]
    if not unpaired:
        return set()
    alone = list(session.execute(_RELEASE_PEERS, {"unpaired": unpaired}).scalars())
    months = keep_of_gone(session, unpaired, job.lease.run_id)
    return months | give_expenses(session, alone, Reason.LEG_ALONE, user_id=job.user_id, run_id=job.lease.run_id)


def _was_hidden_leg(undo: Undo) -> bool:
    return undo.known.expense_state == ExpenseState.TRANSFER


def _insert(session: Session, job: Job, undos: Sequence[Undo]) -> tuple[dict[int, int], list[int]]:
    """Give rows back the expenses that are gone, with their ids; return their ids by the rows, and those written.

    What the user has had all along, a row is linked with again, unless they deleted it meanwhile; what another row
    has by now is written anew.
    """
    found = session.execute(_BEFORE, {"ids": [undo.before_id for undo in undos if undo.before_id is not None]})
    is_taken = {row.id: row.is_taken for row in found}
    undos = [undo for undo in undos if undo.state != ExpenseState.LINKED or undo.before_id in is_taken]
    former = {u.before_id: u.known.id for u in undos if u.before_id is not None and not is_taken.get(u.before_id)}
    ids = {row_id: expense_id for expense_id, row_id in former.items()}
    fresh = [undo.known.id for undo in undos if undo.known.id not in ids]
    ids |= dict(zip(fresh, next_ids(session, "expenses", len(fresh)), strict=True))
    gone = [undo for undo in undos if ids[undo.known.id] not in is_taken]
    categories = present_categories(session, {undo.category_id for undo in gone} - {None})
    insert_expenses(
        session,
        job.user_id,
        (
            (ids[u.known.id], u.category_id if u.category_id in categories else None, u.before)
            for u in gone
            if u.before is not None
        ),
    )
    return ids, [ids[undo.known.id] for undo in gone]


def _expense_link(job: Job, undo: Undo, new_ids: Mapping[int, int]) -> tuple[Any, ...]:
    """Return the values that link a row with its expense after the revert.

    Without its fingerprint a row counts as changed, and the next refresh gives it its expense again.
    """
    known = undo.known
    expense_id = None if undo.before is None else new_ids.get(known.id, known.expense_id)
    taken_back = undo.state == ExpenseState.REVERTED
    returns = job.reimport and (taken_back or undo.base is not None)
    state = ExpenseState.NONE if returns and taken_back else undo.state
    return known.id, expense_id, str(state), _was_hidden_leg(undo), returns
