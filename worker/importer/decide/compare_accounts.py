"""Whether a new account is one that went missing, by the rows of both: a replaced card, a renumbered account."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from worker.importer.decide.one_to_one import Key, OneToOne, Rating
from worker.importer.decide.reasons import Reason
from worker.importer.decide.similarity import ALIKE, days_apart, similarity

MAX_DAYS = 2
MIN_EVIDENT = 3
"""So many rows in common are no coincidence, if their amounts are not all the same."""

EVIDENT_SHARE = 0.8
POSSIBLE_SHARE = 0.5


class SameAccount(StrEnum):
    """What the rows of two accounts say of them."""

    EVIDENT = "evident"
    POSSIBLE = "possible"
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """A row, as far as accounts are compared by it.

    Attributes:
        words: Counterparty and description.
    """

    on: date
    amount: Decimal
    currency: str
    words: str


def compare_accounts(new: Sequence[AccountRow], missing: Sequence[AccountRow]) -> SameAccount:
    """Compare the rows of a new account with those of one that went missing.

    Only the days that both have rows of are compared: a new card may begin in the middle of the old one's history. Rows
    without like words count half, for a new number often comes with new texts.

    Args:
        new: Rows of the new account.
        missing: Rows of the account that the bank lists no longer.
    """
    if not new or not missing:
        return SameAccount.NO
    from_on = max(min(row.on for row in new), min(row.on for row in missing))
    to_on = min(max(row.on for row in new), max(row.on for row in missing))
    matching = OneToOne(new, missing)
    matches = matching.choose(matching.pairs_by_key_and_day(_key, _key, MAX_DAYS), _rate)
    if not matches:
        return SameAccount.NO
    matched_new, matched_missing = {m.left_place for m in matches}, {m.right_place for m in matches}
    ours = [p for p, row in enumerate(new) if p in matched_new or from_on <= row.on <= to_on]
    theirs = [p for p, row in enumerate(missing) if p in matched_missing or from_on <= row.on <= to_on]
    share = sum(1 if _alike(m.left, m.right) else 0.5 for m in matches) / max(len(ours), len(theirs))
    amounts = Counter(match.left.amount for match in matches)
    if share >= EVIDENT_SHARE and len(matches) >= MIN_EVIDENT and len(amounts) > 1:
        return SameAccount.EVIDENT
    return SameAccount.POSSIBLE if share >= POSSIBLE_SHARE else SameAccount.NO


def _key(row: AccountRow) -> tuple[Key, date]:
    return (row.currency, row.amount), row.on


def _rate(new: AccountRow, missing: AccountRow) -> Rating:
    return Rating(days_apart(new.on, missing.on) + (0.0 if _alike(new, missing) else 0.5), Reason.SIMILAR_ACCOUNT)


def _alike(new: AccountRow, missing: AccountRow) -> bool:
    return similarity(new.words, missing.words) >= ALIKE
