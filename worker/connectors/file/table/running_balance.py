"""Uses the balance column to find the order of the rows and the sign of the amounts. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

_LEAST_PROOFS = 2
_SHARE = 0.9
_MOST = 0.51


@dataclass(frozen=True, slots=True)
class RowOrder:
    """What the balances prove. newest_first: order of the rows. flipped: every amount stands with the wrong sign."""

    newest_first: bool
    flipped: bool


@dataclass(slots=True)
class RunningBalance:
    """Counts, row by row, which of the four readings (order times sign) the balances agree with."""

    _last: tuple[Decimal, Decimal] | None = None
    _steps: int = 0
    _agree: Counter[RowOrder] = field(default_factory=Counter)

    def feed(self, amount: Decimal, balance: Decimal) -> None:
        """Take the next row of one account."""
        if self._last is not None and (amount or self._last[0]):
            self._steps += 1
            before_amount, before = self._last
            for flipped in (False, True):
                sign = -1 if flipped else 1
                self._agree[RowOrder(newest_first=False, flipped=flipped)] += before + sign * amount == balance
                self._agree[RowOrder(newest_first=True, flipped=flipped)] += balance + sign * before_amount == before
        self._last = (amount, balance)

    def verdict(self) -> RowOrder | None:
        """Return the one reading that nearly all steps agree with; None when nothing is proved."""
        if self._steps < _LEAST_PROOFS:
            return None
        return self._reading(_SHARE)

    def likely(self) -> RowOrder | None:
        """Return the one reading that most steps agree with: enough to find missing rows, not to decide a sign."""
        return self._reading(_MOST) if self._steps >= _LEAST_PROOFS else None

    def _reading(self, share: float) -> RowOrder | None:
        winners = [reading for reading, count in self._agree.items() if count >= self._steps * share]
        return winners[0] if len(winners) == 1 else None
