"""The list of all decisions about a row, and of their reasons."""

from enum import StrEnum


class Decision(StrEnum):
    """What became of a row in a run."""

    CREATED = "created"
    LINKED = "linked"
    UPDATED = "updated"
    RESTORED = "restored"
    REMOVED = "removed"
    REVERTED = "reverted"
    SUGGESTED = "suggested"
    UNCHANGED = "unchanged"


class Reason(StrEnum):
    """Why a row was decided so. docs/importer.md says what each one means; a test compares the two."""

    NEW_ID = "new_id"
    NEW_CONTENT = "new_content"
    ZERO_AMOUNT = "zero_amount"
    TRADE = "trade"
    PENDING_HIDDEN = "pending_hidden"

    SAME_EXPENSE = "same_expense"
    LIKELY_EXPENSE = "likely_expense"
    SAME_ACCOUNT_TWIN = "same_account_twin"

    AMENDED = "amended"
    RENUMBERED = "renumbered"
    POSTED = "posted"
    POSTED_LINK = "posted_link"
    POSTED_REWRITTEN = "posted_rewritten"
    POSTED_AMOUNT = "posted_amount"
    BOOKED_BESIDE = "booked_beside"
    REWRITTEN = "rewritten"
    MIGRATED = "migrated"
    CORRECTED = "corrected"
    RETURNED = "returned"

    LEADING_SOURCE = "leading_source"

    REMOVED_BY_BANK = "removed_by_bank"
    PENDING_VANISHED = "pending_vanished"
    CALLED_OFF = "called_off"
    ABSENT_FROM_COMPLETE_WINDOW = "absent_from_complete_window"
    UNCOUNTED = "uncounted"

    NAMES_THE_ACCOUNT = "names_the_account"
    CALLED_A_TRANSFER = "called_a_transfer"
    STATES_THE_AMOUNT = "states_the_amount"
    LEG_ALONE = "leg_alone"
    TWIN_TOOK_OVER = "twin_took_over"
    TRANSFER_HIDDEN = "transfer_hidden"

    MAYBE_TWIN = "maybe_twin"
    OTHER_AMOUNT = "other_amount"
    MAYBE_HIDDEN = "maybe_hidden"
    SIMILAR_EXPENSE = "similar_expense"
    SAME_AMOUNT_AND_DAY = "same_amount_and_day"
    EQUAL_AND_OPPOSITE = "equal_and_opposite"
    LESS_A_FEE = "less_a_fee"
    EXCHANGED = "exchanged"
    SIMILAR_ACCOUNT = "similar_account"
    CATEGORISED_BEFORE = "categorised_before"
    WITHDRAWN = "withdrawn"
    BALANCE_DIFFERS = "balance_differs"
    STILL_PENDING = "still_pending"

    RUN_REVERTED = "run_reverted"
    UNMATCHED = "unmatched"
    MOVED = "moved"
    AS_BEFORE = "as_before"
