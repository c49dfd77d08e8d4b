"""Decides over all days of a file how they are written: in which order, and in which language their months."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date

from worker.connectors.file.statement.date_orders import DayEvidence, decide_order
from worker.connectors.file.statement.dates import ORDERS, Order, fitting_orders, is_day, parse_day
from worker.connectors.file.statement.errors import Doubt, StatementError
from worker.connectors.file.statement.month_words import MonthWords, in_croatian

_SAMPLE = 500
_STRAY_SHARE = 0.01


def read_day(text: str, order: Order, *, croatian: bool) -> date:
    """Read a day. Raises: ValueError when it is none in that order.

    Args:
        croatian: Whether words that name two months are meant as in Croatian.
    """
    return parse_day(in_croatian(text) if croatian else text, order)


@dataclass(slots=True)
class WrittenDays:
    """The days of a file.

    Attributes:
        orders: How many days fit each set of orders.
        first: Those of the first rows, in the order of the file.
        unread: A text with figures that stands in the place of a day and is none.
    """

    orders: Counter[frozenset[Order]] = field(default_factory=Counter)
    months: MonthWords = field(default_factory=MonthWords)
    first: list[str] = field(default_factory=list)
    unread: str | None = None

    def see(self, text: str, count: int = 1) -> None:
        """Count a day that stands in so many rows."""
        orders = fitting_orders(text)
        if orders:
            self.orders[orders] += count
            if not text.isascii() or any(map(str.isalpha, text)):
                self.months.see(text, fits=is_day(text), fits_croatian=is_day(in_croatian(text)))
        elif self.unread is None and any(mark.isdigit() for mark in text):
            self.unread = text

    @property
    def wants_more(self) -> bool:
        """Whether days of further rows are kept."""
        return len(self.first) < _SAMPLE

    def all_fit(self, order: Order) -> bool:
        """Return whether every day may be written in an order."""
        return all(order in orders for orders in self.orders)

    def decide(self, *, croatian: bool, evidence: DayEvidence | None = None) -> tuple[Order, str | None]:
        """Decide the order of day, month and year; the second element says by what, where both orders fit.

        Args:
            croatian: Whether words that name two months are meant as in Croatian.

        Raises: StatementError with the question where the days fit two orders and nothing proves either.
        """
        total = self.orders.total()
        fits = {order: sum(n for orders, n in self.orders.items() if order in orders) for order in ORDERS}
        every = frozenset(order for order, count in fits.items() if count == total)
        nearly = every or frozenset(order for order, count in fits.items() if count >= total * (1 - _STRAY_SHARE))
        evidence = evidence or DayEvidence()
        read = in_croatian if croatian else str
        pairs = (pair for pair in evidence.pairs if nearly <= fitting_orders(pair[0]) & fitting_orders(pair[1]))
        evidence = replace(
            evidence,
            days=[read(text) for text in self.first if nearly <= fitting_orders(text)],
            pairs=[(read(one), read(other)) for one, other in pairs],
        )
        try:
            return decide_order(nearly, evidence)
        except ValueError as error:
            choices = tuple(sorted(nearly)) or tuple(order for order in ORDERS if fits[order])
            doubt = Doubt(field="date_order", text=f"In which order is '{self.first[0]}' written?", choices=choices)
            raise StatementError(str(error), doubts=(doubt,) if len(choices) > 1 else ()) from None
