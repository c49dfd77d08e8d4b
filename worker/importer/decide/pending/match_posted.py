"""Matches new lines with rows that the bank no longer delivers: posted, with a tip, amended, rewritten.

A row is matched only when the bank withdrew it, or when line and row are evidently one purchase.
"""

from collections.abc import Sequence
from functools import partial

from worker.importer.decide.balances.running import stated_money
from worker.importer.decide.compare.amounts import MAX_SHARE_UNSEEN, share_apart
from worker.importer.decide.compare.one_to_one import Key, Match, OneToOne, PlacePair, Rating, unambiguous
from worker.importer.decide.compare.text_similarity import ALIKE, SURE, similarity
from worker.importer.decide.pending.match_moved import choose_moved
from worker.importer.decide.pending.match_restated import choose_restated
from worker.importer.decide.pending.match_rewritten import (
    COST_PER_DAY,
    COST_UNLIKE,
    MAX_DAYS_AHEAD,
    MAX_DAYS_IN_MIGRATION,
    UnmatchedRow,
    is_migration,
    pairs_in_day_order,
    rate_migrated,
    rate_posted_row,
    says_the_same,
)
from worker.importer.decide.pending.near_pairs import NearPairs
from worker.importer.decide.read.line import Line
from worker.importer.decide.reasons import Reason
from worker.importer.decide.row_update import in_former_currency
from worker.importer.decide.stored_row import State, StoredRow
from worker.words import payment_text

MAX_DAYS_TO_POST = 5
"""A posting may be dated this many days from its pending row."""


def match_pending_rows(
    lines: Sequence[Line],
    candidates: Sequence[UnmatchedRow],
    *,
    delivered_known: int = 0,
    lacking: int = 0,
    common_words: frozenset[str] = frozenset(),
    not_compared: set[int] | None = None,
) -> list[Match[Line, UnmatchedRow]]:
    """Match new lines with rows left over, strongest evidence first.

    Args:
        lines: Lines that are no stored row by identity or content.
        candidates: Stored rows that the delivery does not have.
        delivered_known: How many stored rows it has.
        lacking: How many posted rows of its days a delivery of whole days does not have.
        common_words: Words that most texts of the account have. They tell no pending rows apart, and no amounts.
        not_compared: Gets the places of lines that are in no pair, and were compared with the nearest rows alone.
    """
    if not lines or not candidates:
        return []
    matching = OneToOne(lines, candidates)
    rate_same_amount = partial(_rate_same_amount, common=common_words)
    rate_other_amount = partial(_rate_other_amount, common=common_words)
    pairs = partial(NearPairs, matching)
    matching.choose(
        pairs(lambda line: line.pending_external_id, lambda row: row.named_as or row.known.external_id), _rate_named
    )
    matching.choose(pairs(_number_of_line, _number_of_withdrawn), _rate_former_currency)
    choose_restated(matching)
    choose_moved(matching, lacking)
    migration = is_migration(candidates, delivered_known)
    if migration:
        matching.choose(matching.free(pairs_in_day_order(lines, candidates)), _rate_migrated)
    matching.choose(pairs(_money_of_line, _money_of_row, _max_days_of_same_amount), rate_same_amount)
    if migration:
        posted_rows = pairs(_money_of_line, _money_of_withdrawn_posted_row, lambda _row: MAX_DAYS_IN_MIGRATION)
        matching.choose(posted_rows, _rate_migrated)
    matching.choose(pairs(lambda line: line.currency, _currency_of_withdrawn, _max_days_to_post), rate_other_amount)
    matching.choose(_pairs_in_incomplete_delivery(matching, common_words), rate_other_amount)
    rate_stated_otherwise = partial(_rate_stated_otherwise, common=common_words)
    matching.choose(_pairs_stated_otherwise(matching, common_words), rate_stated_otherwise)
    if not_compared is not None:
        not_compared |= matching.crowded_lefts & {place for place, _ in matching.free_lefts()}
    return matching.matches


def _max_days_to_post(_candidate: UnmatchedRow) -> int:
    return MAX_DAYS_TO_POST


def _max_days_of_same_amount(candidate: UnmatchedRow) -> int:
    return MAX_DAYS_AHEAD if candidate.ahead else MAX_DAYS_TO_POST


def _money_of_line(line: Line) -> Key:
    return line.currency, line.amount


def _money_of_row(candidate: UnmatchedRow) -> Key:
    return candidate.known.currency, candidate.known.amount


def _number_of_line(line: Line) -> Key:
    return None if line.currency_stated else (line.stated_on, line.amount)


def _number_of_withdrawn(candidate: UnmatchedRow) -> Key:
    return (candidate.known.days.stated_on, candidate.known.amount) if candidate.withdrawn else None


def _rate_former_currency(line: Line, candidate: UnmatchedRow) -> Rating | None:
    """Rate a row that says the same in the account's former currency."""
    former = in_former_currency(line, candidate.known) and _likeness(line, candidate) >= SURE
    return Rating(0.0, Reason.AMENDED) if former else None


def _money_of_withdrawn_posted_row(candidate: UnmatchedRow) -> Key:
    return _money_of_row(candidate) if candidate.is_withdrawn_posted_row else None


def _rate_migrated(line: Line, candidate: UnmatchedRow) -> Rating | None:
    return None if line.pending else rate_migrated(line.days.nearest_gap(candidate.known.days))


def _currency_of_withdrawn(candidate: UnmatchedRow) -> Key:
    return candidate.known.currency if candidate.withdrawn else None


def _pairs_in_incomplete_delivery(matching: OneToOne[Line, UnmatchedRow], common: frozenset[str]) -> list[PlacePair]:
    """Pair posted lines with pending rows that an incomplete delivery leaves out: so that no purchase is shown twice.

    Nothing is proven, so the words must agree well and nothing else be near; a row that was only cut off comes again.
    """
    pairs = NearPairs(
        matching,
        lambda line: None if line.pending else line.currency,
        lambda candidate: candidate.known.currency if _is_shown_and_cut_off(candidate) else None,
        _max_days_to_post,
    )
    if not pairs.are_all:
        return []
    near = [pair for pair in pairs if _rate_other_amount(*matching.items(pair), common) is not None]
    return [pair for pair in unambiguous(near) if _likeness(*matching.items(pair), common) >= SURE]


def _is_shown_and_cut_off(candidate: UnmatchedRow) -> bool:
    shown = candidate.known.state == State.PENDING and candidate.known.expense_id is not None
    return shown and candidate.maybe_cut_off and not candidate.withdrawn


def _rate_named(_line: Line, candidate: UnmatchedRow) -> Rating | None:
    # A row that another part of the purchase became already is not taken from it.
    return None if candidate.known.state == State.POSTED else Rating(0.0, Reason.POSTED_LINK)


def _pairs_stated_otherwise(matching: OneToOne[Line, UnmatchedRow], common: frozenset[str]) -> list[PlacePair]:
    """Pair posted lines with withdrawn pending rows that stated the money in another currency or with a wrong sign."""
    pairs = NearPairs(
        matching,
        lambda line: None if line.pending else "posted",
        lambda candidate: "posted" if candidate.withdrawn and candidate.known.state == State.PENDING else None,
        _max_days_to_post,
    )
    if not pairs.are_all:
        return []
    return unambiguous([pair for pair in pairs if _rate_stated_otherwise(*matching.items(pair), common) is not None])


def _rate_stated_otherwise(line: Line, candidate: UnmatchedRow, common: frozenset[str]) -> Rating | None:
    known = candidate.known
    # What the user did to a purchase is not done to the refund of another one, nor to one of whatever other amount.
    touched = known.suppresses_expense or known.has_own_amount
    wrong_sign = line.currency == known.currency and line.amount == -known.amount and not touched
    other_currency = line.currency != known.currency and line.amount * known.amount > 0
    other_currency = other_currency and (not touched or _states_original(line, known))
    days = line.days.nearest_gap(known.days)
    if not (wrong_sign or other_currency) or days > MAX_DAYS_TO_POST or _likeness(line, candidate, common) < SURE:
        return None
    return Rating(days * COST_PER_DAY, Reason.POSTED_AMOUNT)


def _states_original(line: Line, known: StoredRow) -> bool:
    """Return whether the bank states the amount of a row as the one that was paid abroad."""
    original = stated_money(line.stated_amounts, "original_amount")
    currency = (line.stated_amounts or {}).get("original_currency")
    return original is not None and abs(original) == abs(known.amount) and currency == known.currency


def _rate_same_amount(line: Line, candidate: UnmatchedRow, common: frozenset[str]) -> Rating | None:
    known, days = candidate.known, line.days.nearest_gap(candidate.known.days)
    if days > _max_days_of_same_amount(candidate):
        return None
    words_decide = known.state == State.PENDING or known.suppresses_expense
    alike = 1.0 if says_the_same(line, known) else _likeness(line, candidate, common if words_decide else frozenset())
    if candidate.removed_before:
        return _rate_returned_row(line, known, alike, days)
    # A row without an expense hides the line that becomes it; but what the user deleted must not come back.
    required = ALIKE if candidate.withdrawn else SURE
    if (known.suppresses_expense and alike < required) or (known.has_own_amount and alike < ALIKE):
        return None
    if known.state == State.PENDING:
        return _rate_pending_row(candidate, alike, days)
    if line.pending or not candidate.withdrawn:
        return None
    return rate_posted_row(line, candidate, alike, days)


def _rate_returned_row(line: Line, known: StoredRow, alike: float, days: int) -> Rating | None:
    """Rate a row that was removed, and whose expense the user had deleted or changed: what they did holds again.

    Whether a booking is a row that they deleted while it was pending is asked about: `booked_beside`.
    """
    was_pending = known.former_state == State.PENDING
    if was_pending and known.deleted_by_user and not line.pending:
        return None
    if alike < SURE or days > (MAX_DAYS_TO_POST if was_pending else 0):
        return None
    return Rating(1 - alike + days * COST_PER_DAY, Reason.RETURNED)


def _rate_pending_row(candidate: UnmatchedRow, alike: float, days: int) -> Rating | None:
    if alike >= ALIKE:
        return Rating(1 - alike + days * COST_PER_DAY, Reason.POSTED)
    if candidate.withdrawn:
        return Rating(COST_UNLIKE - alike + days * COST_PER_DAY, Reason.POSTED_REWRITTEN)
    return None


def _rate_other_amount(line: Line, candidate: UnmatchedRow, common: frozenset[str]) -> Rating | None:
    """Rate a changed amount: a tip, a fuel pre-authorisation, a correction. The words have to agree."""
    known = candidate.known
    days = line.days.nearest_gap(known.days)
    required = SURE if known.suppresses_expense else ALIKE
    if days > MAX_DAYS_TO_POST or line.amount * known.amount < 0 or _likeness(line, candidate, common) < required:
        return None
    cost = share_apart(line.amount, known.amount)
    own = known.expense.amount if known.has_own_amount and known.expense is not None else None
    nearest = cost if own is None else min(cost, share_apart(abs(line.amount), own))
    if (known.suppresses_expense or own is not None) and nearest > MAX_SHARE_UNSEEN:
        return None
    if known.state == State.PENDING:
        return Rating(cost + days * COST_PER_DAY, Reason.POSTED_AMOUNT)
    if line.pending or not candidate.complete or days > 0:
        return None
    return Rating(cost, Reason.CORRECTED)


def _likeness(line: Line, candidate: UnmatchedRow, common: frozenset[str] = frozenset()) -> float:
    known = candidate.known
    if line.reference and line.reference == known.reference:
        return 1.0
    return similarity(payment_text(line), payment_text(known), common=common)
