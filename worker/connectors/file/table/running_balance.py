"""Uses the balance column to find the order of the rows and the sign of the amounts. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

_LEAST_PROOFS = 2
_SHARE = 0.9
_MOST = 0.5


@dataclass(frozen=True, slots=True)
class RowOrder:
    """What the balances prove. newest_first: order of the rows. flipped: every amount stands with the wrong sign."""

    newest_first: bool
    flipped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingProof:
    """How well a reading of the amounts agrees with the balances.

    Attributes:
        sure: Whether nearly every row agrees: enough to decide a sign, not only to find missing rows.
        agreeing: Number of steps from row to row that agree.
    """

    order: RowOrder
    sure: bool
    agreeing: int


@dataclass(slots=True)
class RunningBalance:
    """Counts, row by row, which of the four readings (order times sign) the balances agree with."""

    _last: tuple[Decimal, Decimal] | None = None
    _steps: int = 0
    _agree: Counter[RowOrder] = field(default_factory=Counter)

    def feed(self, amount: Decimal, balance: Decimal, skipped: Decimal = Decimal(0)) -> None:
        """Take the next row of one account that has a balance.

        Args:
            balance: Behind the row.
            skipped: Sum of the rows between it and the one before that have no balance.
        """
        if self._last is not None and (amount or skipped or self._last[0]):
            self._steps += 1
            before_amount, before = self._last
            for flipped in (False, True):
                sign = -1 if flipped else 1
                newer, older = sign * (skipped + amount), sign * (skipped + before_amount)
                self._agree[RowOrder(newest_first=False, flipped=flipped)] += before + newer == balance
                self._agree[RowOrder(newest_first=True, flipped=flipped)] += balance + older == before
        self._last = (amount, balance)

    @property
    def contradicts(self) -> bool:
        """Whether no reading fits even half of the steps: rows are missing, or out of order."""
        return self._steps > 0 and max(self._agree.values(), default=0) < self._steps * _MOST

    def proof(self) -> ReadingProof | None:
        """Return the one reading that most steps agree with; None where the balances follow no reading, or several."""
        most = max(self._agree.values(), default=0)
        winners = [reading for reading, count in self._agree.items() if count == most]
        alone = len(winners) == 1  # rows of one amount fit one order with the amounts turned round, too
        winners = [reading for reading in winners if not reading.flipped] or winners
        if len(winners) != 1 or most < self._steps * _MOST:
            return None
        sure = alone and self._steps >= _LEAST_PROOFS and most >= self._steps * _SHARE
        if winners[0].flipped and not sure:
            return None
        return ReadingProof(order=winners[0], sure=sure, agreeing=most)


def joint_proof(accounts: Iterable[RunningBalance]) -> ReadingProof | None:
    """Return what the balances of several accounts prove together; None where they prove nothing, or contradict."""
    proofs = [proof for one in accounts if (proof := one.proof()) is not None]
    sure = [proof for proof in proofs if proof.sure]
    said = sure or proofs
    orders = {proof.order for proof in said}
    if len(orders) != 1:
        return None
    return ReadingProof(order=orders.pop(), sure=bool(sure), agreeing=sum(proof.agreeing for proof in said))


class LineDirections:
    """Which way the unsigned amounts of rows went, as the balances before and behind them prove."""

    def __init__(self, paid: Iterable[int], received: Iterable[int]) -> None:
        """Args: paid, received: lines of the rows."""
        self._paid, self._received = frozenset(paid), frozenset(received)

    def of(self, line: int) -> Literal["in", "out"]:
        """Return the direction of a row. Raises: ValueError where no balance before it is known."""
        if line in self._paid:
            return "out"
        if line in self._received:
            return "in"
        raise ValueError("carries no sign, and no balance before it shows which way it went")


@dataclass(slots=True)
class StepDirections:
    """Reads the direction of each amount of one account from the step between two balances.

    Attributes:
        paid: Lines of amounts that lowered the balance, for the rows from old to new, and from new to old.
        received: Lines of those that raised it.
    """

    paid: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    received: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    _fits: list[bool] = field(default_factory=lambda: [True, True])
    _last: tuple[int, Decimal, Decimal] | None = None

    def feed(self, line: int, amount: Decimal, balance: Decimal) -> None:
        """Take the next row."""
        if self._last is not None:
            before_line, before_amount, before = self._last
            self._step(0, line, amount, balance - before)
            self._step(1, before_line, before_amount, before - balance)
        self._last = (line, amount, balance)

    def _step(self, order: int, line: int, amount: Decimal, step: Decimal) -> None:
        if not self._fits[order]:
            return
        self._fits[order] = abs(step) == abs(amount)
        (self.paid if step < 0 else self.received)[order].append(line)

    def order(self) -> int | None:
        """Return which of the two orders every step fits, with money going both ways; None for none or both."""
        both_ways = [fits and bool(self.paid[at]) and bool(self.received[at]) for at, fits in enumerate(self._fits)]
        return both_ways.index(True) if sum(both_ways) == 1 else None


def line_directions(accounts: Iterable[StepDirections]) -> LineDirections | None:
    """Return the directions of all rows, where the balances of every account prove them in one order."""
    found = list(accounts)
    orders = {one.order() for one in found}
    if len(orders) != 1 or (order := orders.pop()) is None:
        return None
    paid = (line for one in found for line in one.paid[order])
    return LineDirections(paid, (line for one in found for line in one.received[order]))
