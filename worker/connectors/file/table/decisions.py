"""Decisions over a whole table before a row is used: order of day and month, decimal mark, sign of amounts."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal

from worker.connectors.file.statement.amounts import Mark, decimal_evidence, parse_amount, states_direction
from worker.connectors.file.statement.dates import ORDERS, Order, decide_order, fitting_orders
from worker.connectors.file.statement.events import Doubt, StatementError
from worker.connectors.file.table.column_names import DIRECTION_WORDS, day_first_word, names_columns
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.layout import Layout, numbered
from worker.connectors.file.table.row_amount import cell, decimals, row_amount
from worker.connectors.file.table.running_balance import RowOrder, RunningBalance
from worker.connectors.file.table.unknown_columns import ColumnValues, meaning, unused_columns

_SAMPLE = 500
_CHAIN_ROWS = 5000
_STRAY_SHARE = 0.01
_USUAL_SHARE = 0.05
_PROVEN, _RECOGNISED = 0.95, 0.8
_LEAST_ROWS = 3
_LEAST_ZEROS, _LEAST_FIXED = 2, 4
_FIGURE = re.compile(r"[1-9]")
_FINAL_ZERO = re.compile(r"[.,]\d+0\D*$")


_DECIMAL = Doubt(field="decimal", text="Which decimal mark do the amounts have?", choices=(".", ","))
_POSITIVE = Doubt(field="positive_is", text="Which way did positive amounts go?", choices=("in", "out"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What a person states where a file alone does not say enough.

    Attributes:
        positive_is: Which way positive amounts went.
        currency: Code of rows whose own currency is missing or not understood.
        ignored: Columns that may stay unused, whatever they look like.
    """

    order: Order | None = None
    decimal: Mark | None = None
    positive_is: Literal["in", "out"] | None = None
    currency: str | None = None
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """How the cells of one file are read.

    Attributes:
        flipped: Turn every amount round.
        signed_sides: Debit and credit columns that hold both signs, so that a minus means the other way.
        chain: What the balance column proves.
        decimals: Decimals of every amount, where the file shows that none are left out; None elsewhere.
        widths: Numbers of cells that rows usually have.
        unused: Columns that are not read.
    """

    mark: Mark
    order: Order | None = None
    flipped: bool = False
    signed_sides: frozenset[str] = frozenset()
    chain: RowOrder | None = None
    confidence: float = 1.0
    decimals: int | None = None
    widths: frozenset[int] = frozenset()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Evidence:
    """What the cells of all rows say."""

    orders: Counter[frozenset[Order]] = field(default_factory=Counter)
    dates: list[str] = field(default_factory=list)
    marks: Counter[Mark] = field(default_factory=Counter)
    undecided: str | None = None
    records: int = 0
    rows: int = 0
    widths: Counter[int] = field(default_factory=Counter)
    decimals: Counter[int] = field(default_factory=Counter)
    final_zeros: int = 0
    negative: int = 0
    positive: int = 0
    plus: int = 0
    sides: dict[str, set[bool]] = field(default_factory=dict)
    unknown: dict[int, ColumnValues] = field(default_factory=dict)


def _gather(layout: Layout, rows: Iterable[Record]) -> _Evidence:
    profile, seen = layout.profile, _Evidence()
    dates = layout.places(profile.date, profile.value_date, profile.transaction_date)
    amounts = layout.places(profile.amount, profile.debit, profile.credit, profile.amount_in, *profile.amounts)
    money = (*amounts, *layout.places(profile.balance, profile.fee, profile.refund))
    sides = [(name, layout.column(name)) for name in (profile.debit, profile.credit) if name]
    amount_at = layout.column(profile.amount)
    unused = set(unused_columns(layout.header, profile))
    seen.unknown = {at: ColumnValues(name) for at, name in enumerate(layout.header) if name in unused}
    for record in rows:
        seen.records += 1
        texts = [text for index in money if (text := cell(record, index))]
        if not texts:
            _refuse_second_header(layout, record)
            continue
        seen.widths[len(record.cells)] += 1
        seen.rows += bool(profile.date_format or fitting_orders(cell(record, dates[0] if dates else None)))
        for index in dates:
            _see_date(seen, cell(record, index))
        for text in texts:
            _see_amount(seen, text)
        for index in amounts:
            _see_decimals(seen, cell(record, index))
        _see_sign(seen, cell(record, amount_at))
        for name, side_at in sides:
            _see_side(seen, name, cell(record, side_at))
        for index, values in seen.unknown.items():
            values.see(cell(record, index))
    return seen


def _refuse_second_header(layout: Layout, record: Record) -> None:
    """Raises: StatementError where another table with columns of its own begins."""
    header = numbered(record.cells)
    if header != layout.header and not any(mark.isdigit() for mark in record.raw) and names_columns(header):
        raise StatementError(
            f"holds a second table below line {layout.header_line}: save each table in a file of its own",
            line=record.line,
        )


def _see_date(seen: _Evidence, text: str) -> None:
    orders = fitting_orders(text)
    if orders:
        seen.orders[orders] += 1
        if len(seen.dates) < _SAMPLE:
            seen.dates.append(text)


def _see_amount(seen: _Evidence, text: str) -> None:
    mark = decimal_evidence(text)
    if mark is not None:
        seen.marks[mark] += 1
    elif seen.undecided is None and ("," in text or "." in text):
        seen.undecided = text


def _see_decimals(seen: _Evidence, text: str) -> None:
    if _FIGURE.search(text):
        seen.decimals[decimals(text)] += 1
        seen.final_zeros += bool(_FINAL_ZERO.search(text))


def _fixed_decimals(seen: _Evidence) -> int | None:
    """Return the decimals of all amounts but few strays, where written zeros show that none are left out."""
    total = seen.decimals.total()
    if not total:
        return None
    usual, count = seen.decimals.most_common(1)[0]
    strays = total - count
    fixed = usual > 0 and seen.final_zeros >= _LEAST_ZEROS and count >= _LEAST_FIXED
    return usual if fixed and strays <= max(1, total * _STRAY_SHARE) else None


def _see_sign(seen: _Evidence, text: str) -> None:
    if _FIGURE.search(text):
        plus = text.startswith("+")
        directed = plus or states_direction(text)
        seen.plus += plus
        seen.negative += directed and not plus
        seen.positive += not directed


def _see_side(seen: _Evidence, name: str, text: str) -> None:
    if _FIGURE.search(text):
        seen.sides.setdefault(name, set()).add(states_direction(text) and not text.startswith("+"))


def _decide_mark(layout: Layout, seen: _Evidence) -> Mark:
    if layout.profile.decimal:
        return layout.profile.decimal
    total = sum(seen.marks.values())
    if total:
        mark, count = seen.marks.most_common(1)[0]
        if total - count > max(1, total * _STRAY_SHARE) or count * 2 <= total:
            reason = "some amounts use a decimal point and others a decimal comma: state --decimal"
            raise StatementError(reason, doubts=(_DECIMAL,))
        return mark
    if seen.undecided is not None:
        reason = f"amounts like '{seen.undecided[:20]}' fit decimal point and comma: state --decimal"
        raise StatementError(reason, doubts=(_DECIMAL,))
    return "."


def _decide_order(layout: Layout, seen: _Evidence) -> tuple[Order | None, str | None]:
    if layout.profile.date_format or layout.profile.date_order:
        return layout.profile.date_order, None
    total = sum(seen.orders.values())
    fits = {order: sum(n for orders, n in seen.orders.items() if order in orders) for order in ORDERS}
    every = frozenset(order for order, count in fits.items() if count == total)
    if every == {"dmy", "mdy"} and (word := day_first_word(layout.header)):
        return "dmy", f"day and month fit both ways; read as dmy, as everywhere a column is called '{word}'"
    nearly = frozenset(order for order, count in fits.items() if count >= total * (1 - _STRAY_SHARE))
    try:
        return decide_order(every or nearly, [text for text in seen.dates if (every or nearly) <= fitting_orders(text)])
    except ValueError as error:
        choices = tuple(sorted(every or nearly))
        doubt = Doubt(field="date_order", text=f"In which order is '{seen.dates[0]}' written?", choices=choices)
        raise StatementError(str(error), doubts=(doubt,) if len(choices) > 1 else ()) from None


def _chain(
    layout: Layout, rows: Iterable[Record], mark: Mark, signed_sides: frozenset[str]
) -> tuple[RowOrder | None, bool]:
    """Let the balance column testify, account by account; the second element says whether nearly every row agrees."""
    balance_at, account_at = layout.column(layout.profile.balance), layout.column(layout.profile.account)
    if balance_at is None:
        return None, False
    running: dict[str, RunningBalance] = {}
    for record in islice(rows, _CHAIN_ROWS):
        try:
            amount = row_amount(layout, record, mark, signed_sides)
            balance = parse_amount(cell(record, balance_at), mark)
        except ValueError:
            continue
        running.setdefault(cell(record, account_at), RunningBalance()).feed(amount, balance)
    proofs = {verdict for one in running.values() if (verdict := one.verdict()) is not None}
    if len(proofs) == 1:
        return proofs.pop(), True
    likely = {verdict for one in running.values() if (verdict := one.likely()) is not None}
    return (likely.pop() if len(likely) == 1 else None), False


def decide_reading(layout: Layout, rows: Callable[[], Iterator[Record]], hints: Hints) -> tuple[Layout, Decisions]:
    """Decide how a file's cells are read; `rows` opens the file's rows anew each time.

    Returns: The layout, with a direction column that only its values name, and the decisions.

    Raises: StatementError when the file fits two readings and proves neither: the sentence says what to state.
    """
    seen = _gather(layout, rows())
    if not seen.records and layout.confidence >= _RECOGNISED:
        empty = Decisions(mark=".", order="ymd", confidence=layout.confidence, notes=("the file holds no rows",))
        return layout, empty
    if not seen.rows:
        raise StatementError(f"no row holds a date in column '{layout.profile.date}'")
    layout = _with_direction(layout, seen)
    if layout.guessed:
        _refuse_unknown(layout, seen, hints)
    mark = hints.decimal or _decide_mark(layout, seen)
    order, note = (hints.order, None) if hints.order else _decide_order(layout, seen)
    signed_sides = frozenset(side for side, signs in seen.sides.items() if len(signs) > 1)
    chain, proven = _chain(layout, rows(), mark, signed_sides)
    flipped = _decide_sign(layout, seen, chain if proven else None, hints)
    if chain is not None and flipped:
        chain = RowOrder(newest_first=chain.newest_first, flipped=not chain.flipped)
    sure = layout.guessed and proven and chain is not None and not chain.flipped
    return layout, Decisions(
        mark=mark,
        order=order,
        flipped=flipped,
        signed_sides=signed_sides,
        chain=chain,
        confidence=max(layout.confidence, _PROVEN) if sure else layout.confidence,
        decimals=_fixed_decimals(seen),
        widths=frozenset(width for width, count in seen.widths.items() if count >= max(2, seen.rows * _USUAL_SHARE)),
        unused=tuple(values.name for values in seen.unknown.values() if values.name not in layout.profile.used),
        notes=(note,) if note else (),
    )


def _with_direction(layout: Layout, seen: _Evidence) -> Layout:
    """Find a direction column by its values, where all amounts are positive and no name tells which way they went."""
    profile = layout.profile
    if not layout.guessed or profile.amount is None or profile.type is not None or seen.negative or seen.plus:
        return layout
    for values in seen.unknown.values():
        said = {text.casefold().rstrip(".") for text in values.values}
        for outs, ins in DIRECTION_WORDS:
            if said and said <= set(outs) | set(ins) and values.filled >= seen.rows > 1:
                return replace(
                    layout,
                    profile=profile.model_copy(update={"type": values.name, "debit_words": outs, "credit_words": ins}),
                )
    return layout


def _refuse_unknown(layout: Layout, seen: _Evidence, hints: Hints) -> None:
    """Raises: StatementError naming the unused columns that seem to matter and what to state about them."""
    doubts = [
        (values.name, what)
        for values in seen.unknown.values()
        if values.name not in hints.ignored
        and values.name not in layout.profile.used
        and (what := meaning(values, layout.profile)) is not None
    ]
    if doubts:
        named = "; ".join(f"column '{name}' looks like {_article(what)} {what}" for name, what in doubts)
        name, what = doubts[0]
        raise StatementError(
            f"{named}: state --column '{name}={what}', or --ignore '{name}'",
            doubts=tuple(
                Doubt(field="columns", column=name, text=f"What does column '{name}' hold?", choices=(what, "ignore"))
                for name, what in doubts
            ),
        )


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _decide_sign(layout: Layout, seen: _Evidence, chain: RowOrder | None, hints: Hints) -> bool:
    """Say whether the amounts are to be turned round, beyond what the profile states."""
    profile = layout.profile
    if hints.positive_is is not None:
        return (hints.positive_is == "out") != (profile.sign == "flipped")
    if not layout.guessed or profile.amount is None or profile.type is not None or seen.plus:
        return False
    if chain is not None:
        return chain.flipped
    if not seen.negative:
        reason = "all amounts are positive and nothing says which way the money went: state --positive-is"
        raise StatementError(reason, doubts=(_POSITIVE,))
    if seen.negative + seen.positive >= _LEAST_ROWS and seen.negative < seen.positive:
        raise StatementError(
            f"{seen.positive} amounts are positive and {seen.negative} negative: purchases may be the positive ones,"
            " as on cards; state --positive-is in or out",
            doubts=(_POSITIVE,),
        )
    return False
