"""Checks whether the bank's balance follows from the rows: opening + posted = booked.

The opening amount is taken once and never adjusted to fit: from a balance of an earlier day, which a statement states,
else from the first balance after the whole history was read. The latter rests on the rows of the first load, so that
the balance it was taken from proves nothing: another one has to fit.

A balance counts the rows up to a place in their order: the posted ones day by day, then the pending ones. Most banks
count all that are posted. One that is of the evening before, or leaves out what it booked today and dates back to the
purchase, counts those up to some days before; one that counts pending rows counts all; and one of a
weekend may count what is booked for the next working day. The same holds of the balance
that the opening amount was taken from, so that a difference is what the two places have between them.
"""

import calendar
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import takewhile
from typing import Any

from pydantic import TypeAdapter

BALANCES = "balances"
"""Reason of a balance that fits as the rows stand."""

EQUAL_ROWS = "equal_rows_in_first_load"
"""Reason of one that fits, and would fit as well if rows of the first load were there twice."""

OTHER_AMOUNT_OWED = "other_amount_owed"
"""What a proof rests on where the balances of a card are what is owed, with the other sign or none."""

EQUAL_DAYS = "equal_days"
"""Reason of a balance that fits with the rows of its day and of the first balance's, or without both."""

NOT_COUNTED = ("day_not_counted", "opening_day_not_counted")
"""Reasons of a bank whose balance comes before it counts the rows of the last days."""

DAYS_NOT_COUNTED = "days_not_counted"
"""Explanation of a difference that is what the rows of the last days add up to."""

MAX_DAYS_NOT_COUNTED = 5
"""So many of the last days a balance may leave out, its own among them: a purchase before a weekend of three days."""


DAYS_UNTIL_ASKED = 3
"""Balances of so many days differ until the user is asked: the bank's next days mend most differences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What is known of an account's money.

    Attributes:
        booked: The bank's booked balance, of the day `balance_on`.
        opening: The amount before the first row, of the day `opening_on`.
        opening_balance: The balance that the opening amount was taken from, of the day `opening_balance_on`.
        opening_pending: Sum of the rows that were pending then.
        last_before_opening: Sums of the rows that were posted then of the day `opening_balance_on`, of that and the day
            before, and so on, for each number of days that a balance may leave out.
        opening_day_counted: Whether that balance counts them, as a later one showed.
        posted: Sum of posted rows from `opening_on` to the balance's day.
        last: The same sums of the balance's last days.
        ahead: Sums of the posted rows that are booked for the days after the balance's: for the next one, for two, ….
        pending: Sum of pending rows.
        lagged_by: Differences of earlier balances that rows of their last days explained. Where they change with the
            rows, the bank's balance lags behind them; what is doubled or missing makes a difference that stays.
        proven_on: The day of the last balance that fitted.
        equal_rows: Rows of the first load that equal another one of it, which the opening amount would hide.
        may_be_owed: The account is a card, of which some banks state what is owed, with the other sign or none.
        was_owed: The last balance of it that was compared was, as its rows showed.
    """

    booked: Decimal | None
    balance_on: date | None
    opening: Decimal | None
    opening_on: date | None
    posted: Decimal
    opening_balance: Decimal | None = None
    opening_balance_on: date | None = None
    opening_pending: Decimal = Decimal(0)
    last_before_opening: Sequence[Decimal] = ()
    opening_day_counted: bool = False
    last: Sequence[Decimal] = ()
    ahead: Sequence[Decimal] = ()
    pending: Decimal = Decimal(0)
    lagged_by: frozenset[Decimal] = frozenset()
    proven_on: date | None = None
    equal_rows: tuple[int, ...] = ()
    may_be_owed: bool = False
    was_owed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What would explain a mismatch exactly.

    Attributes:
        transaction_ids: The rows it is about.
    """

    code: str
    transaction_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceProof:
    """Whether a balance follows from the rows.

    Attributes:
        result: `proven`, `unproven` or `mismatch`.
        reason: Why.
        difference: Booked minus what the rows say, negative when the rows say too much.
        since_on: The day since which it does not fit.
        rests_on: The evidence that is independent of the rows: `stated_balances` of several days, `running_balances`
            that rows state, or `other_balance` than the one that the opening amount was taken from; of a card that may
            be the `other_amount_owed`.
        from_on: The rows after this day are proven; those of the first load are not. Of `equal_rows_in_first_load`:
            they fit as they stand; None where they fit only otherwise, such as with pending rows.
        explanation: What a mismatch would be explained by.
        told_on: The last day of which a balance was compared, where there are several.
    """

    result: str
    reason: str = ""
    difference: Decimal | None = None
    since_on: date | None = None
    balance_on: date | None = None
    rests_on: str | None = None
    from_on: date | None = None
    explanation: Explanation | None = None
    told_on: date | None = None

    @property
    def fits_after_on(self) -> date | None:
        """The day after which the rows are what the bank's balance says; None when nothing says so."""
        return self.from_on if self.difference is None and self.reason in (BALANCES, EQUAL_ROWS) else None

    @property
    def says_nothing(self) -> bool:
        """Whether no balance was compared with the rows, so that an earlier mismatch is not mended by it."""
        lags = self.explanation is not None  # it fits but for the rows of the last days
        return self.result == "unproven" and self.reason in ("no_balance", "no_opening", "day_not_counted") and not lags

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "BalanceProof":
        """Return the proof that `as_json` wrote."""
        return _PROOF.validate_python(kept)

    def as_json(self) -> dict[str, Any]:
        """Return the proof as JSON, with amounts as text."""
        written: dict[str, Any] = _PROOF.dump_python(self, mode="json")
        return written


_PROOF = TypeAdapter(BalanceProof)


def lasts(proof: BalanceProof, earlier: Iterable[BalanceProof]) -> bool:
    """Return whether a mismatch is one of so many days in a row that the user is asked which side is right.

    Args:
        earlier: The proofs of earlier runs, the newest first.
    """
    telling = [proof, *(one for one in earlier if not one.says_nothing)]
    days = {one.told_on or one.balance_on for one in takewhile(lambda one: one.result == "mismatch", telling)}
    return len(days) >= DAYS_UNTIL_ASKED


def prove(books: Books) -> BalanceProof:
    """Compare the bank's booked balance with the rows; of a card it may be what is owed.

    A negative one is no amount owed, unless the one before was: one row with a wrong sign would fit as well. A card
    that was owed is so until a balance fits as the rows stand and not as an amount owed.
    """
    proof = _compare(books)
    if not books.may_be_owed or books.booked is None or books.opening_balance is None or books.opening is None:
        return proof
    if not books.was_owed and (proof.difference is None or min(books.booked, books.opening_balance) < 0):
        return proof
    opening = books.opening - 2 * books.opening_balance
    as_debt = replace(books, booked=-books.booked, opening_balance=-books.opening_balance, opening=opening)
    proof_as_debt = _compare(as_debt)
    if proof_as_debt.rests_on is not None or proof_as_debt.difference is not None:
        proof_as_debt = replace(proof_as_debt, rests_on=OTHER_AMOUNT_OWED)
    fits_otherwise = proof.difference is None or not books.was_owed
    return proof if proof_as_debt.difference is not None and fits_otherwise else proof_as_debt


def _compare(books: Books) -> BalanceProof:
    if books.booked is None or books.balance_on is None:
        return BalanceProof(result="unproven", reason="no_balance")
    if books.opening is None or books.opening_on is None:
        return BalanceProof(result="unproven", reason="no_opening", balance_on=books.balance_on)
    difference = books.booked - books.opening - books.posted
    if difference == 0 and (books.booked, books.balance_on) == (books.opening_balance, books.opening_balance_on):
        return BalanceProof(result="unproven", reason="no_other_balance", balance_on=books.balance_on)
    if difference and any(_left_out(books, difference, days=1)):
        # The bank will count the rows of the day by tomorrow, or not.
        return BalanceProof(result="unproven", reason="day_not_counted", balance_on=books.balance_on)
    counted = _counted(books, difference)
    if counted is not None:
        proof = BalanceProof(
            result="proven",
            reason=counted,
            balance_on=books.balance_on,
            rests_on="other_balance",
            from_on=books.opening_balance_on,
        )
        return _doubted(proof, books.equal_rows) if books.equal_rows else proof
    return _misfit(books, difference)


def _misfit(books: Books, difference: Decimal) -> BalanceProof:
    """Return that a balance differs, unless it is known to leave out the rows of its last days, which explain it."""
    lags = _left_out(books, difference, days=MAX_DAYS_NOT_COUNTED)
    explanation = Explanation(code=DAYS_NOT_COUNTED) if lags else None
    if lags and books.lagged_by - {difference}:
        return BalanceProof(
            result="unproven", reason="day_not_counted", balance_on=books.balance_on, explanation=explanation
        )
    return BalanceProof(
        result="mismatch",
        reason="does_not_balance",
        difference=difference,
        since_on=books.proven_on or books.opening_balance_on or books.opening_on,
        balance_on=books.balance_on,
        explanation=explanation,
    )


def _doubted(proof: BalanceProof, equal_rows: tuple[int, ...]) -> BalanceProof:
    """Return that the balances fit, but would fit as well if rows of the first load were there twice."""
    explanation = Explanation(code="row_doubled", transaction_ids=equal_rows)
    from_on = proof.from_on if proof.reason == BALANCES else None
    return replace(proof, result="unproven", reason=EQUAL_ROWS, from_on=from_on, explanation=explanation)


def _counted(books: Books, difference: Decimal) -> str | None:
    """Return which rows the bank's balance counts, None when it fits with none of the usual ways."""
    before_opening = () if books.opening_day_counted else tuple(books.last_before_opening)
    if difference == 0:
        equal_days = before_opening[:1] == tuple(books.last[:1]) and books.balance_on != books.opening_balance_on
        return EQUAL_DAYS if any(before_opening[:1]) and equal_days else BALANCES
    if (books.opening_pending or books.pending) and difference + books.opening_pending - books.pending == 0:
        return "pending_counted"
    if difference in books.ahead and is_no_working_day(books.balance_on, books.last):
        return "coming_days_counted"
    return "opening_day_not_counted" if difference in before_opening[: None if books.lagged_by else 1] else None


def is_no_working_day(day: date | None, last: Sequence[Decimal]) -> bool:
    """Return whether a bank may book nothing on a day: of a weekend, or one on which nothing is booked."""
    return day is not None and (day.weekday() >= calendar.FRIDAY or not any(last[:1]))


def _left_out(books: Books, difference: Decimal, *, days: int) -> list[Decimal]:
    """Return the sums of up to so many last days which the balance leaves out if they explain the difference.

    The balance of the opening amount left out such rows as well, or none.
    """
    before = (Decimal(0), *books.last_before_opening[:days])
    return [last for last in books.last[:days] if last and difference + last in before]
