"""Gives rows an expense of their own whose counterpart is gone: twins of a removed row, legs of a parted transfer."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.reasons import Reason
from worker.importer.store.expenses.own_expenses import give_expenses
from worker.importer.store.sources.expense_handover import let_follow
from worker.importer.store.sources.twins import point_to_ends, successors
from worker.importer.store.suggestions.ask import IS_ASKED
from worker.importer.store.write_target import WriteTarget

# What the user did to an expense holds for the twin that stays when its row is removed. Rows of all sources of the
# account are looked at: a statement file has no later run of its own. Two rows of which a user said so are two
# purchases, and two posted rows of one source, also where the one was pending beside the other and was taken for it.
# The `+ 0` lets Postgres look each twin up by its row: by the account as well it would read all days of the account.
_ORPHANS = text(
    f"""SELECT t.id, t.twin_id, o.state = 'removed' AND (o.expense_state = 'reverted'
        OR o.expense_state IN ('own', 'linked') AND o.expense_id IS NULL) AS is_taken_back,
      t.expense_state = 'twin' AND o.expense_state = 'twin' AS is_twin_of_twin, d.id IS NOT NULL AS is_parted
    FROM bank_connection_accounts n JOIN bank_connection_accounts a
      ON a.id = n.id OR a.bank_account_id = n.bank_account_id
    JOIN bank_transactions t ON t.account_id = a.id AND t.state <> 'removed'
    LEFT JOIN bank_transactions o ON o.id = t.twin_id
    LEFT JOIN bank_match_suggestions d ON d.kind = 'twin' AND d.status = 'declined' AND t.expense_state = 'twin'
      AND d.transaction_id = least(t.id, o.id) AND d.other_transaction_id = greatest(t.id, o.id)
    WHERE n.id = :account_id
      AND (t.expense_state = 'twin' AND (o.id IS NULL OR o.state = 'removed' AND NOT {IS_ASKED.format("t")}
          OR o.expense_state = 'twin'
          OR d.id IS NOT NULL
          OR t.state = 'posted' AND (o.account_id = t.account_id AND o.state = 'posted'
            OR EXISTS (SELECT FROM bank_transactions b WHERE b.twin_id = o.id AND b.account_id + 0 = t.account_id
              AND b.state = 'posted' AND b.expense_state = 'twin' AND b.id < t.id)))
        OR t.expense_state = 'transfer' AND t.transfer_peer_id IS NULL)
    ORDER BY t.id"""  # noqa: S608 - a constant
)
_TAKE_BACK_TWINS = text(
    """UPDATE bank_transactions t SET expense_state = o.expense_state, twin_id = NULL, last_run_id = :run_id
    FROM bank_transactions o WHERE o.id = t.twin_id AND t.id = ANY(:ids)"""
)


def give_orphans(session: Session, target: WriteTarget) -> set[str]:
    """Give rows whose counterpart is gone their own expense, unless the user deleted or reverted that of a twin.

    A twin of a row that is a twin itself shares the expense of that purchase.
    """
    which = {"account_id": target.account_id}
    orphans = session.execute(_ORPHANS, which).all()
    chained = [row.id for row in orphans if row.is_twin_of_twin]
    pointed, months = point_to_ends(session, chained, target.user_id, target.run_id)
    orphans = session.execute(_ORPHANS, which).all() if pointed else orphans
    parted = [row.id for row in orphans if row.is_parted]
    taken_back = [row.id for row in orphans if row.is_taken_back and not row.is_parted]
    if taken_back:
        session.execute(_TAKE_BACK_TWINS, {"ids": taken_back, "run_id": target.run_id})
    alone = [row for row in orphans if not (row.is_taken_back or row.is_parted)]
    heirs = successors(session, {row.twin_id for row in alone if row.twin_id is not None})
    let_follow(session, list(heirs.items()))
    ids = [*parted, *(row.id for row in alone if heirs.get(row.twin_id, row.id) == row.id)]
    return months | give_expenses(session, ids, Reason.LEG_ALONE, user_id=target.user_id, run_id=target.run_id)
