"""Asks about rows of two sources of an account that may be one purchase although their amounts or days differ."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.account_state import AccountState
from worker.importer.decide.reasons import Reason
from worker.importer.decide.sources.rows import places_apart
from worker.importer.decide.sources.unlike import MAX_DAYS_LATE, unlike_pairs
from worker.importer.store.expenses.user_expenses import load_spans
from worker.importer.store.sources.joined_rows import load_movable_rows, pairs_apart
from worker.importer.store.sources.rearrange import ALONE
from worker.importer.store.suggestions.ask import suggest
from worker.importer.store.write_target import WriteTarget

MAX_QUESTIONS = 100
"""Only so many pairs are asked about at once, the first ones."""

# By windows, which are sorted: compared row by row, thousands of rows would make millions of pairs.
_CANDIDATES = text(
    f"""WITH {ALONE}
    SELECT id FROM (
      SELECT id, bool_or(is_ours) OVER near AND bool_or(NOT is_ours) OVER near AS has_other FROM alone
      WHERE is_shown AND amount <> 0
      WINDOW near AS (PARTITION BY currency, amount > 0 ORDER BY effective_on
        RANGE BETWEEN make_interval(days => :max_days) PRECEDING AND make_interval(days => :max_days) FOLLOWING)
    ) t WHERE has_other"""  # noqa: S608 - a constant
)


def ask_about_unlike_rows(
    session: Session, account: AccountState, other_ids: Sequence[int], target: WriteTarget, since_on: date
) -> int:
    """Ask about the rows since a day that either source lacks, of one merchant and near days.

    Returns how many rows were not compared with all near ones, or are not asked about yet.

    Args:
        account: The source that was read.
        other_ids: The other sources of its account.
        since_on: The day.
    """
    values = {"account_id": account.id, "bank_account_id": account.bank_account_id, "since_on": since_on}
    ids = frozenset(session.execute(_CANDIDATES, values | {"max_days": MAX_DAYS_LATE}).scalars())
    spans = load_spans(session, account, ()) if ids else None
    if spans is None:
        return 0
    ours, theirs = (load_movable_rows(session, sources, since_on=since_on) for sources in ([account.id], other_ids))
    ours_out, theirs_out = ({place for place, row in enumerate(side) if row.id not in ids} for side in (ours, theirs))
    pairs, not_compared = unlike_pairs(
        [row.row for row in ours],
        [row.row for row in theirs],
        spans,
        left_out=(ours_out, theirs_out),
        apart=places_apart(ours, theirs, pairs_apart(session, target.user_id)),
    )
    found = [(ours[left], theirs[right]) for left, right in pairs[:MAX_QUESTIONS]]
    asked = (
        (one.id, other.id, Reason.MAYBE_TWIN if one.row.amount == other.row.amount else Reason.OTHER_AMOUNT)
        for one, other in found
    )
    suggest(session, target.user_id, target.run_id, "twin", asked)
    return not_compared + len(pairs) - len(found)
