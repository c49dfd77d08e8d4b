"""Decides how days, amounts and signs of a QIF file are written, from all of its lines. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from worker.connectors.file.statement.amounts import AmountKind, Mark, amount_kind, decide_decimal, decimal_evidence
from worker.connectors.file.statement.date_orders import DayEvidence, decide_order
from worker.connectors.file.statement.dates import Order, fitting_orders
from worker.connectors.file.statement.errors import Doubt, StatementError

_SAMPLE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class QifReading:
    """How the cells of a file are read."""

    order: Order
    mark: Mark
    positive_is: Literal["in", "out"] = "in"


def decide_qif(
    lines: Iterable[str], order: Order | None, mark: Mark | None, positive_is: Literal["in", "out"] | None = None
) -> QifReading:
    """Decide how days and amounts of a file are written, from all of them; what a person states wins.

    Raises: StatementError when the file fits two readings and proves neither.
    """
    days: list[str] = []
    orders: set[Order] = {"ymd", "dmy", "mdy"}
    marks: set[Mark | None] = set()
    undecided = None
    kinds: Counter[AmountKind | None] = Counter()
    on_card = False
    for line in lines:
        code, text = line[:1].upper(), line[1:].strip()
        if code == "!" and text.lower().startswith("type:"):
            on_card = text.lower().startswith("type:ccard")
        if code == "D" and (fits := fitting_orders(text)):
            orders &= fits
            days += [text] if len(days) < _SAMPLE else []
        elif code in {"T", "U"} and text:
            marks.add(evidence := decimal_evidence(text))
            kinds[amount_kind(text) if on_card else None] += 1
            undecided = text if evidence is None and ("," in text or "." in text) else undecided
    if order is None:
        order = _order(frozenset(orders), days)
    if mark is None:
        mark = _mark(marks, undecided)
    if kinds["bare"] and kinds["bare"] >= kinds["minus"] and positive_is is None:
        raise StatementError(
            f"{kinds['bare']} amounts of a card are positive and {kinds['minus']} negative: purchases may be the"
            " positive ones; state --positive-is in or out",
            doubts=(Doubt(field="positive_is", text="Which way did positive amounts go?", choices=("in", "out")),),
        )
    return QifReading(order=order, mark=mark, positive_is=positive_is or "in")


def _order(orders: frozenset[Order], days: list[str]) -> Order:
    if not days:
        return "mdy"
    try:
        return decide_order(orders, DayEvidence(days=days))[0]
    except ValueError as error:
        choices = tuple(sorted(orders)) or ("dmy", "mdy")
        doubt = Doubt(field="date_order", text=f"In which order is '{days[0]}' written?", choices=choices)
        raise StatementError(str(error), doubts=(doubt,)) from None


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
