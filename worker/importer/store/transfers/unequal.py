"""Finds both legs of a transfer of unequal amounts: of two currencies, or with a fee.

The rules are in `decide.transfers.unequal`. Rows that tell of a transfer are read, then those that may be the other leg
though they tell nothing: of the accounts that these name, or of the amounts that they state.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.compare.one_to_one import Match
from worker.importer.decide.transfers.evidence import (
    MIN_MASK,
    MIN_NAME,
    TRANSFER_KINDS,
    TransferLeg,
    account_number,
    names,
)
from worker.importer.decide.transfers.money_moved import STATED_NAMES, states_more
from worker.importer.decide.transfers.rounds import MAX_DAYS_NAMED
from worker.importer.decide.transfers.unequal import MOVING_WORDS, match_unequal
from worker.importer.store.rows.bulk import array_text
from worker.importer.store.transfers.hidden_legs import ask_about_legs, pair_legs
from worker.importer.store.transfers.legs import LEG, MAY_BE_LEG, OwnAccount, days_around, load_asked, read_leg
from worker.importer.store.write_target import WriteTarget

_NEAR = timedelta(days=MAX_DAYS_NAMED)
_RIVALS = 2 * _NEAR
"""What is so far from the new rows is no other candidate for their other legs."""

# A row that states the number of a third party pays that one.
_TELLING = text(
    f"""{LEG} WHERE t.user_id = :user_id AND {MAY_BE_LEG} AND t.amount <> 0
      AND t.effective_on BETWEEN :from_on AND :to_on
      AND (t.counterparty_account IS NULL AND (t.kind = ANY(CAST(:kinds AS text[]))
          OR jsonb_exists_any(t.stated_amounts, CAST(:stated AS text[]))
          OR concat_ws(' ', t.counterparty, t.description) ~* :moving)
        OR upper(replace(t.counterparty_account, ' ', '')) = ANY(CAST(:numbers AS text[]))
        OR concat_ws(' ', t.counterparty, t.description, t.counterparty_account) ~* :own)"""
)
# All of the days, because of pairs there are too many: `match_unequal` finds those of fitting amounts.
_OTHER_LEGS = text(
    f"""{LEG} WHERE t.account_id = :account_id AND {MAY_BE_LEG} AND t.amount <> 0
      AND t.effective_on BETWEEN :from_on AND :to_on"""
)


def pair_unequal_legs(
    session: Session, target: WriteTarget, new: Mapping[int, date], accounts: Sequence[OwnAccount]
) -> set[str]:
    """Find the other legs of rows, of another amount or currency: pair them, or ask the user.

    Rows about which the user is asked are asked about no second time, but paired once it is certain with which others;
    where the user said no, others are looked for. Returns the months of expenses that changed.

    Args:
        new: The days of the rows, by their ids.
        accounts: The user's accounts that have rows.
    """
    told = {"user_id": target.user_id, "kinds": array_text(TRANSFER_KINDS), "moving": MOVING_WORDS.pattern}
    told |= {"own": _own_names(accounts), "numbers": array_text(filter(None, map(account_number, accounts)))}
    told |= {"stated": array_text(STATED_NAMES)}
    telling = [read_leg(row) for row in session.execute(_TELLING, told | days_around(new.values(), _RIVALS))]
    legs = {leg.id: leg for leg in (*telling, *_other_legs(session, telling, accounts))}
    if all(leg.account_id == target.account_id for leg in legs.values()):
        return set()
    parted, waiting = load_asked(session, target.user_id)
    looked_at = {*new, *(id_ for pair in parted for id_ in pair)}
    if looked_at.isdisjoint(legs):
        return set()
    matches = match_unequal(list(legs.values()), parted, waiting)

    def is_looked_at(match: Match[TransferLeg, TransferLeg]) -> bool:
        return not looked_at.isdisjoint({match.left.id, match.right.id})

    months: set[str] = set()
    for match in filter(is_looked_at, matches.certain):
        months |= pair_legs(session, target, match)
    ask_about_legs(session, target, filter(is_looked_at, matches.suggestions))
    return months


def _other_legs(session: Session, telling: Sequence[TransferLeg], accounts: Sequence[OwnAccount]) -> list[TransferLeg]:
    """Return rows near those that tell of a transfer, of the accounts that they name or, by an amount, may mean."""
    found: list[TransferLeg] = []
    for account in accounts:
        days = [leg.on for leg in telling if leg.account_id != account.id and (states_more(leg) or names(leg, account))]
        if days:
            values = days_around(days, _NEAR) | {"account_id": account.id}
            found += map(read_leg, session.execute(_OTHER_LEGS, values))
    return found


def _own_names(accounts: Iterable[OwnAccount]) -> str | None:
    """Return a pattern of the last digits and names of accounts; None where none has any."""
    digits = {account.mask for account in accounts if account.mask and len(account.mask) >= MIN_MASK}
    said = {account.name for account in accounts if len(account.name) >= MIN_NAME}
    return "|".join(map(re.escape, sorted(digits | said))) or None
