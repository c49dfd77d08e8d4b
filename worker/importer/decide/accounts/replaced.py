"""Decides by the rows of both whether a new account is another one of its connection.

That is a replaced card or a renumbered account: the old one went missing, or is listed beside the new one for a while.
Or the bank lists one account under two ids from the beginning.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial

from worker.importer.decide.accounts.recognise import MIN_AGREEING_RENAMED, MIN_AMOUNTS_RENAMED
from worker.importer.decide.compare.one_to_one import MAX_CANDIDATES, Key, OneToOne, Rating
from worker.importer.decide.compare.text_similarity import ALIKE, days_apart, similarity
from worker.importer.decide.pending.match_posted import MAX_DAYS_TO_POST
from worker.importer.decide.reasons import Reason
from worker.importer.decide.sources.rows import SourceRow

MAX_DAYS = 2
MIN_EVIDENT = 3
"""So many rows in common are no coincidence, unless their amounts are all the same."""

MIN_EQUAL = 5
MIN_EQUAL_AMOUNTS = 3
"""So many equal rows are no coincidence even of two accounts that were there from the beginning."""

MIN_ALL_EQUAL_AMOUNTS = 2
"""Nor are fewer rows, of so many amounts, where neither account has any other row."""

EQUAL_SHARE = 0.9
EVIDENT_SHARE = 0.8
POSSIBLE_SHARE = 0.5


class SameAccount(StrEnum):
    """What the rows of two accounts say of them."""

    EVIDENT = "evident"
    POSSIBLE = "possible"
    BY_PENDING = "by_pending"
    """Only a pending row of the old account may go on in the new one."""

    NO = "no"


class NewAccount(StrEnum):
    """What becomes of a new account."""

    GOES_ON = "goes_on"
    """The old account goes on as it."""

    ASK = "ask"
    IS_NEW = "is_new"


def decide_new_account(
    verdict: SameAccount, *, is_listed: bool, other_anchor: bool, included: bool, same_name: bool
) -> NewAccount:
    """Decide about a new account by what its rows say of an old one of the connection.

    The user is asked where the bank contradicts: it lists both accounts, or states two account numbers. So they are
    where nothing but the name says that the new one may be the old one.

    Args:
        verdict: What the rows say.
        is_listed: The bank lists the old account as well.
        other_anchor: The two state different account numbers.
        included: The user wants the old account.
        same_name: The two have the same name and currency.
    """
    if is_listed:
        return NewAccount.ASK if verdict == SameAccount.EVIDENT else NewAccount.IS_NEW
    if other_anchor:
        asks = verdict in (SameAccount.EVIDENT, SameAccount.POSSIBLE)
        return NewAccount.ASK if asks else NewAccount.IS_NEW
    if verdict == SameAccount.NO:
        return NewAccount.ASK if same_name else NewAccount.IS_NEW
    return NewAccount.GOES_ON if verdict == SameAccount.EVIDENT and included else NewAccount.ASK


def compare_listed_at_once(new: Sequence[SourceRow], other: Sequence[SourceRow]) -> SameAccount:
    """Compare the rows of two accounts that the bank began to list at the same time, such as one under two ids.

    Neither took the place of the other, and a user may have two accounts with the same standing orders. So only rows
    that are equal in day, amount and text count, and nearly all have to be; all of them where there are few. Whatever
    the texts, many of many amounts are no standing orders, but two forms of export of one account, say.
    """
    equal = Counter(map(_content, new)) & Counter(map(_content, other))
    share, amounts = equal.total() / max(1, len(new), len(other)), len({amount for _, amount, *_ in equal})
    many = equal.total() >= MIN_EQUAL and amounts >= MIN_EQUAL_AMOUNTS and share >= EQUAL_SHARE
    renamed = Counter(map(_money, new)) & Counter(map(_money, other))
    all_renamed = renamed.total() >= EQUAL_SHARE * max(len(new), len(other)) and _are_many_renamed(
        renamed.total(), len({amount for _, amount, _ in renamed})
    )
    is_one = many or all_renamed or (share == 1 and amounts >= MIN_ALL_EQUAL_AMOUNTS)
    return SameAccount.EVIDENT if is_one else SameAccount.NO


def _are_many_renamed(rows: int, amounts: int) -> bool:
    """Return whether so many rows of so many amounts are no coincidence, however the payees are called."""
    return rows >= MIN_AGREEING_RENAMED and amounts >= MIN_AMOUNTS_RENAMED


def _content(row: SourceRow) -> tuple[date, Decimal, str, str]:
    return row.on, row.amount, row.currency, row.words.casefold()


def _money(row: SourceRow) -> tuple[date, Decimal, str]:
    return row.on, row.amount, row.currency


def compare_accounts(new: Sequence[SourceRow], missing: Sequence[SourceRow]) -> SameAccount:
    """Compare the rows of a new account with those of one that went missing.

    Only the days that both have rows of are compared: a new card may begin in the middle of the old one's history, and
    goes on after it. Rows without similar words count half, because a new card number often changes the texts, unless
    they are many of many amounts. A
    pending row may have been posted with another amount or cancelled, so that it is no evidence against; where nothing
    else is known, rows near it make the accounts a possible match, and so does a new account without rows.

    Args:
        new: Rows of the new account.
        missing: Rows of the account that the bank lists no longer.
    """
    if not new:
        return SameAccount.BY_PENDING if any(row.pending for row in missing) else SameAccount.NO
    if not missing:
        return SameAccount.NO
    from_on = max(min(row.on for row in new), min(row.on for row in missing))
    to_on = min(max(row.on for row in new), max(row.on for row in missing))
    matching = OneToOne(new, missing)
    near = partial(matching.pairs_by_key_and_day, most=MAX_CANDIDATES)
    matching.choose(near(_key, _key, MAX_DAYS), _rate)
    matching.choose(matching.pairs_in_order(_text_key, _text_key), _rate)  # what is left of a crowd of one amount
    matching.choose(matching.pairs_in_order(_key, _key), _rate)
    matches = list(matching.matches)
    posted = matching.choose(near(_posted_key, _pending_key, MAX_DAYS_TO_POST), _rate_posted)
    ours, theirs = {m.left_place for m in matches}, {m.right_place for m in matches}
    ours_in_days = ours | {place for place, row in enumerate(new) if from_on <= row.on <= to_on}
    theirs_in_days = theirs | {
        place for place, row in enumerate(missing) if from_on <= row.on <= to_on and not row.pending
    }
    if not theirs_in_days:
        return SameAccount.BY_PENDING if posted or _meets_pending_rows(new, missing) else SameAccount.NO
    amounts = Counter(match.left.amount for match in matches)
    unlike = 1 if _are_many_renamed(len(matches), len(amounts)) else 0.5
    likeness = sum(1 if _alike(m.left, m.right) else unlike for m in matches)
    share = likeness / max(len(ours_in_days) - len(posted), len(theirs_in_days))
    if share >= EVIDENT_SHARE and len(matches) >= MIN_EVIDENT and len(amounts) > 1:
        return SameAccount.EVIDENT
    if len(theirs_in_days) < MIN_EVIDENT:  # so few that what the new one has besides says nothing
        share = likeness / len(theirs_in_days)
    if share >= POSSIBLE_SHARE:
        return SameAccount.POSSIBLE
    return SameAccount.BY_PENDING if posted else SameAccount.NO


def _key(row: SourceRow) -> tuple[Key, date]:
    return (row.currency, row.amount), row.on


def _text_key(row: SourceRow) -> tuple[Key, date]:
    return (row.currency, row.amount, row.words), row.on


def _posted_key(row: SourceRow) -> tuple[Key, date]:
    return None if row.pending else (row.currency, row.amount > 0), row.on


def _pending_key(row: SourceRow) -> tuple[Key, date]:
    return (row.currency, row.amount > 0) if row.pending else None, row.on


def _rate(new: SourceRow, missing: SourceRow) -> Rating:
    return Rating(days_apart(new.on, missing.on) + (0.0 if _alike(new, missing) else 0.5), Reason.SIMILAR_ACCOUNT)


def _rate_posted(new: SourceRow, missing: SourceRow) -> Rating | None:
    return _rate(new, missing) if _alike(new, missing) else None


def _meets_pending_rows(new: Sequence[SourceRow], missing: Sequence[SourceRow]) -> bool:
    """Return whether a row of the new account may be a pending one of the missing account, posted."""
    days = {row.on for row in new}
    pending_on = {row.on for row in missing if row.pending}
    return any(on + timedelta(days=later) in days for on in pending_on for later in range(MAX_DAYS_TO_POST + 1))


def _alike(new: SourceRow, missing: SourceRow) -> bool:
    return similarity(new.words, missing.words) >= ALIKE
