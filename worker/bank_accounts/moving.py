"""Moves an account to another of its sources: from a day on, the new source's rows have the expenses.

A preview plans the same and writes nothing. A move is one transaction and a run that can be reverted.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.bank_accounts.accounts import find_bank_account
from worker.bank_accounts.move_plan import MovePair, MovePlan, plan_move
from worker.bank_accounts.move_proof import MoveProof, prove_move
from worker.bank_accounts.move_target import check_evidence, find_target
from worker.bank_accounts.seams import Seam, prove_seam
from worker.db.user_lock import lock_user
from worker.errors import ConflictError
from worker.importer.actions.action_runs import begin_action, end_action
from worker.importer.decide.sources.rows import MovableRow
from worker.importer.gc_pause import gc_paused
from worker.importer.store.accounts.bank_accounts import attach, other_sources
from worker.importer.store.expenses.rows import IS_EDITED
from worker.importer.store.rows.bulk import array_text
from worker.importer.store.sources.expense_handover import HandOver, hand_over, make_twins
from worker.importer.store.sources.joined_rows import load_movable_rows, pairs_apart
from worker.models import BankConnectionAccount
from worker.runs.states import RunKind

SHOWN_ROWS = 50
"""How many rows of each kind a preview lists."""

# What the person changes meanwhile waits for this transaction, or is seen by it.
_LOCK = text(
    f"""WITH held AS MATERIALIZED (
      SELECT e.id AS expense_id, t.id, {IS_EDITED} AS touched
      FROM expenses e JOIN bank_transactions t ON t.expense_id = e.id
      WHERE e.id = ANY(CAST(:ids AS bigint[])) ORDER BY e.id FOR UPDATE OF e
    )
    SELECT count(*) AS there,
      array_agg(id) FILTER (WHERE touched AND expense_id = ANY(CAST(:dropped_ids AS bigint[]))) AS changed_ids
    FROM held"""  # noqa: S608 - a constant
)
_ANSWER = text(
    """UPDATE bank_match_suggestions SET status = 'accepted', decided_at = now()
    WHERE kind = 'account' AND account_id = :source_id AND status = 'open' RETURNING id"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveReport:
    """What a move does, or did.

    Attributes:
        run_id: The run of the move; None for a preview.
        met: Rows that both have; `moved` of them hand their expense over.
        doubled: Purchases that were two expenses and are one after the move.
        only_old: Rows that only the old sources have, within the new one's days; they stay.
        only_new: Rows that only the new source has, within the old ones' days.
        in_doubt: Pairs that nothing decides, or of which the person changed both expenses; both stay.
        gone: Expenses that are deleted, because another one of the same purchase stays.
        seam: Whether the balances of both sources agree on the day before: `proven`, `mismatch` or `unproven`.
        difference_before: What the account's purchases add up to, doubled ones twice, less the balance of the new
            source on its last day; None where no balance is stated, and of a source that still waits.
        difference_after: The same after the move.
        examples: Some of these rows, by kind.
        months: Months (`YYYY-MM`) of expenses that went, for FinMind's caches.
    """

    run_id: uuid.UUID | None
    source_id: int
    cut_over_on: date
    met: int
    moved: int
    doubled: int
    only_old: int
    only_new: int
    in_doubt: int
    gone: int
    seam: str
    seam_difference: Decimal | None
    difference_before: Decimal | None
    difference_after: Decimal | None
    examples: dict[str, list[dict[str, Any]]]
    says: str
    months: frozenset[str] = frozenset()


@gc_paused()
def move_account(
    session: Session,
    bank_account_id: int,
    to_connection_id: uuid.UUID,
    *,
    user_id: int,
    cut_over_on: date | None = None,
    preview: bool = False,
) -> MoveReport:
    """Let a connection's source lead an account from a day on; with `preview`, only say what that would do.

    The rows of the new source from that day on have the expenses: ids, edits, categories and deletions stay. What was
    two expenses is one. Revert the run to undo all of it.

    Raises: NotFoundError, ConflictError when the connection has no source that can be meant.
    """
    lock_user(session, user_id)
    account = find_bank_account(session, bank_account_id, user_id=user_id)
    source = find_target(session, bank_account_id, to_connection_id, user_id)
    others = other_sources(session, account.id, source.id)
    if not others:
        raise ConflictError(f"account {bank_account_id} has no other source to move from")
    attached = source.bank_account_id != account.id
    plan = _planned(session, others, source, user_id, cut_over_on, locked=not preview)
    if attached:
        check_evidence(session, account, source, plan)
    seam = prove_seam(session, others, source.id, plan.cut_over_on - timedelta(days=1))
    proof = None if source.status == "waiting" else prove_move(session, others, source.id, plan)
    report = _report(plan, source.id, seam, proof)
    if not preview:
        waited = source.status == "waiting"
        run_id, months, answered = _execute(session, account.id, source, plan, user_id)
        report = replace(report, run_id=run_id, months=months)
        figures = ("source_id", "met", "moved", "doubled", "only_old", "only_new", "in_doubt", "gone", "seam", "says")
        said = {name: getattr(report, name) for name in figures} | {"attached": attached}
        said |= {"waited": waited, "answered": answered}
        said |= {"account_id": account.id, "cut_over_on": plan.cut_over_on.isoformat()}
        end_action(session, run_id, updated=report.moved + report.doubled, report=said)
    return report


def _planned(
    session: Session,
    old_ids: Sequence[int],
    source: BankConnectionAccount,
    user_id: int,
    cut_over_on: date | None,
    *,
    locked: bool,
) -> MovePlan:
    """Plan a move; with `locked`, no expense of the plan can change or go any more."""
    apart = pairs_apart(session, user_id)

    def plan_now() -> MovePlan:
        old, new = load_movable_rows(session, old_ids), load_movable_rows(session, [source.id])
        return plan_move(old, new, apart=apart, cut_over_on=cut_over_on)

    plan = plan_now()
    rows = [row for pair in [*plan.moved, *plan.joined] for row in (pair.old, pair.new) if row.expense_id is not None]
    if not locked or not rows:
        return plan
    expense_ids = {row.expense_id for row in rows}
    which = {"ids": array_text(expense_ids), "dropped_ids": array_text(_dropped(plan))}
    held = session.execute(_LOCK, which).one()
    touched_ids = {row.id for row in rows if row.touched}
    if held.there == len(expense_ids) and touched_ids.issuperset(held.changed_ids or ()):
        return plan
    return plan_now()


def _execute(
    session: Session, bank_account_id: int, source: BankConnectionAccount, plan: MovePlan, user_id: int
) -> tuple[uuid.UUID, frozenset[str], list[int]]:
    run_id = begin_action(session, connection_id=source.connection_id, user_id=user_id, kind=RunKind.MOVE)
    if source.bank_account_id != bank_account_id:
        attach(session, source, bank_account_id)
    if source.status == "waiting":
        source.status, source.status_code = "active", None
    source.leads_from_on = plan.cut_over_on
    session.flush()
    answered = list(session.execute(_ANSWER, {"source_id": source.id}).scalars())
    moved, kept_new = _split(plan.moved)
    joined, kept_early = _split(plan.joined)
    months = hand_over(session, [_hand_over(pair) for pair in moved], run_id)
    months |= make_twins(session, [_hand_over(pair) for pair in joined], run_id)
    # Of two expenses the one that the person changed stays, and its row has it.
    kept = [HandOver.of(pair.new, pair.old.id, pair.old.expense_id) for pair in [*kept_new, *kept_early]]
    months |= make_twins(session, kept, run_id)
    session.expire_all()
    return run_id, frozenset(months), answered


def _split(pairs: Sequence[MovePair]) -> tuple[list[MovePair], list[MovePair]]:
    """Return the pairs whose old expense stays, and those where the new row's standing does.

    That is so where the person changed the new expense, or where the new row is a leg of a transfer.
    """
    changed = [pair for pair in pairs if _new_stays(pair)]
    kept = {pair.new.id for pair in changed}
    return [pair for pair in pairs if pair.new.id not in kept], changed


def _new_stays(pair: MovePair) -> bool:
    transfer = pair.new.transfer_peer_id is not None and pair.old.transfer_peer_id is None
    return pair.doubled and (pair.new.touched or transfer)


def _dropped(plan: MovePlan) -> list[int]:
    """Return the expenses that go, because the other one of their pair stays."""
    pairs = [pair for pair in [*plan.moved, *plan.joined] if pair.doubled]
    gone = [pair.old.expense_id if _new_stays(pair) else pair.new.expense_id for pair in pairs]
    return [expense_id for expense_id in gone if expense_id is not None]


def _hand_over(pair: MovePair) -> HandOver:
    return HandOver.of(pair.old, pair.new.id, pair.new.expense_id if pair.doubled else None)


def _report(plan: MovePlan, source_id: int, seam: Seam, proof: MoveProof | None) -> MoveReport:
    doubled = sum(pair.doubled for pair in [*plan.moved, *plan.joined])
    gone = len(_dropped(plan))
    words = {"proven": "the balances of both agree there", "unproven": "no balance proves the seam"}
    return MoveReport(
        run_id=None,
        source_id=source_id,
        cut_over_on=plan.cut_over_on,
        met=plan.met,
        moved=len(plan.moved),
        doubled=doubled,
        only_old=len(plan.only_old),
        only_new=len(plan.only_new),
        in_doubt=len(plan.in_doubt),
        gone=gone,
        seam=seam.result,
        seam_difference=seam.difference,
        difference_before=proof.before if proof else None,
        difference_after=proof.after if proof else None,
        examples={
            "only_old": [_shown(row) for row in plan.only_old[:SHOWN_ROWS]],
            "only_new": [_shown(row) for row in plan.only_new[:SHOWN_ROWS]],
            "in_doubt": [_shown(pair.new) for pair in plan.in_doubt[:SHOWN_ROWS]],
        },
        says=f"{plan.met} rows meet, {len(plan.only_old)} are only in the old sources,"
        f" {len(plan.only_new)} only in the new one, {len(plan.in_doubt)} in doubt; {gone} doubled expenses go;"
        f" from {plan.cut_over_on} on the new source leads; "
        + words.get(seam.result, f"the balances of both differ there by {seam.difference}")
        + _in_words(proof),
    )


def _in_words(proof: MoveProof | None) -> str:
    if proof is None:
        return ""
    if proof.before == proof.after == 0:
        return f"; purchases fit the balance of {proof.on} before and after"
    return f"; purchases and balance of {proof.on} differ by {proof.before} now, by {proof.after} after it"


def _shown(row: MovableRow) -> dict[str, Any]:
    return {"transaction_id": row.id, "on": row.row.on, "amount": row.row.amount, "description": row.row.words[:200]}
