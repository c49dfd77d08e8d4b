"""Decides how days, amounts and signs of a QIF file are written, from all of its lines. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from worker.connectors.file.statement.amounts import AmountKind, Mark, amount_kind, decide_decimal, decimal_evidence
from worker.connectors.file.statement.dates import Order, fitting_orders
from worker.connectors.file.statement.errors import Doubt, StatementError
from worker.connectors.file.statement.written_days import WrittenDays

_OPTIONS: dict[str, Order] = {"option:mdy": "mdy", "option:dmy": "dmy", "option:ymd": "ymd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QifReading:
    """How days and amounts of a file are read.

    Attributes:
        croatian_months: Whether words that name two months are meant as in Croatian.
        notes: What decided, where a file fits two readings.
    """

    order: Order
    mark: Mark
    croatian_months: bool = False
    positive_is: Literal["in", "out"] = "in"
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Seen:
    """What the lines of a file show. order: that of its days, where the file states it itself."""

    days: WrittenDays = field(default_factory=WrittenDays)
    order: Order | None = None
    marks: set[Mark | None] = field(default_factory=set)
    undecided: str | None = None
    on_cards: Counter[AmountKind | None] = field(default_factory=Counter)
    _in_card: bool = False

    def take(self, line: str) -> None:
        """Take note of one line."""
        code, text = line[:1].upper(), line[1:].strip()
        if code == "!":
            self._take_section(text.lower())
        elif code == "D":
            self.days.see(text)
            if self.days.wants_more and fitting_orders(text):
                self.days.first.append(text)
        elif code in {"T", "U"} and text:
            self.marks.add(evidence := decimal_evidence(text))
            self.on_cards[amount_kind(text) if self._in_card else None] += 1
            self.undecided = text if evidence is None and ("," in text or "." in text) else self.undecided

    def _take_section(self, name: str) -> None:
        if name.startswith("type:"):
            self._in_card = name.startswith("type:ccard")
        self.order = _OPTIONS.get(name, self.order)

    def decide_order(self, *, croatian: bool) -> tuple[Order, str | None]:
        """Return the order that the file states, if all of its days fit it, else the one that they prove, and by what.

        Raises: StatementError when they prove none.
        """
        if self.order is not None and self.days.all_fit(self.order):
            return self.order, None
        return self.days.decide(croatian=croatian)


def decide_qif(
    lines: Iterable[str], order: Order | None, mark: Mark | None, positive_is: Literal["in", "out"] | None = None
) -> QifReading:
    """Decide how days and amounts of a file are written, from all of them; what a person states wins.

    Raises: StatementError when the file fits two readings and proves neither.
    """
    seen = _Seen()
    for line in lines:
        seen.take(line.removeprefix("\ufeff"))
    croatian = seen.days.months.are_croatian()
    decided, note = (order, None) if order is not None else seen.decide_order(croatian=croatian)
    bare, minus = seen.on_cards["bare"], seen.on_cards["minus"]
    mark = mark or _mark(seen.marks, seen.undecided)
    if bare and bare >= minus and positive_is is None:
        raise StatementError(
            f"{bare} amounts of a card are positive and {minus} negative: purchases may be the positive ones; state"
            " --positive-is in or out",
            doubts=(Doubt(field="positive_is", text="Which way did positive amounts go?", choices=("in", "out")),),
        )
    return QifReading(
        order=decided,
        mark=mark,
        croatian_months=croatian,
        positive_is=positive_is or "in",
        notes=(note,) if note else (),
    )


def _mark(marks: set[Mark | None], undecided: str | None) -> Mark:
    doubt = Doubt(field="decimal", text="Which decimal mark do the amounts have?", choices=(".", ","))
    try:
        decided = decide_decimal(marks)
    except ValueError as error:
        raise StatementError(f"{error}: state --decimal", doubts=(doubt,)) from None
    if decided is None and undecided is not None:
        reason = f"amounts like '{undecided[:20]}' fit decimal point and comma: state --decimal"
        raise StatementError(reason, doubts=(doubt,))
    return decided or "."
