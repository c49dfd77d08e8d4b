"""What the cells of a whole table say about how they are to be read: orders, marks, signs, widths. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from worker.connectors.file.statement.amounts import (
    AmountKind,
    Mark,
    amount_kind,
    decimal_evidence,
    plain_figures,
    written_currency,
)
from worker.connectors.file.statement.dates import fitting_orders
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.written_days import WrittenDays
from worker.connectors.file.table.column_names import guess_profile
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.layout import Layout, numbered
from worker.connectors.file.table.lines_outside_rows import states_balance
from worker.connectors.file.table.profile import plain
from worker.connectors.file.table.row_amount import cell, decimals
from worker.connectors.file.table.row_kinds import says_total
from worker.connectors.file.table.signs import AmountKinds
from worker.connectors.file.table.unknown_columns import ColumnValues, unused_columns

# What statements of cards call the payment of the last bill.
_PAID_BACK = re.compile(
    r"(?i)\bpayment\b.{0,20}\bthank|\bthank.{0,20}\bpayment|\bautopay\b|\bpayment received\b|"
    r"\bzahlung\b.{0,20}\bdank(?:e|end)?\b|"
    r"paiement.{0,20}\bmerci|\bmerci.{0,20}paiement"
)
_PAYMENT = re.compile(r"(?i)\b(?:payments?|pymt|pmt|zahlung|paiement|pago|pagamento|betaling)\b")
_LEAST_GROUPED, _FIGURES_OF_THOUSAND = 3, 4
_FIGURE = re.compile(r"[1-9]")
_FINAL_ZERO = re.compile(r"[.,]\d+0\D*$")


@dataclass(slots=True)
class TableEvidence:
    """What the cells of all rows say.

    Attributes:
        pairs: Two days of one row.
        kinds: What the amounts of the one signed column carry.
        sides: The same for the columns of money out and money in.
        directions: Values of the direction column.
        currencies: Values of the currency column.
        accounts: Values of the account column.
        unknown: Columns that the layout does not read, by their place.
        paid_back: Negative amounts whose text thanks for a payment, as statements of cards do.
        payments: Negative amounts whose text speaks of a payment at all.
        headers: Lines that repeat the header.
        undecided: An amount that fits both decimal marks, such as `1,234`.
        undecided_marks: How often such amounts have which mark.
        whole: Amounts without any mark: those below a thousand, and the others.
    """

    days: WrittenDays = field(default_factory=WrittenDays)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    marks: Counter[Mark] = field(default_factory=Counter)
    undecided: str | None = None
    undecided_marks: Counter[Mark] = field(default_factory=Counter)
    whole: Counter[bool] = field(default_factory=Counter)
    currency_beside: bool = False
    records: int = 0
    rows: int = 0
    widths: Counter[int] = field(default_factory=Counter)
    decimals: Counter[int] = field(default_factory=Counter)
    final_zeros: int = 0
    proven_decimals: set[int] = field(default_factory=set)
    kinds: Counter[AmountKind] = field(default_factory=Counter)
    sides: dict[str, AmountKinds] = field(default_factory=dict)
    directions: ColumnValues | None = None
    currencies: ColumnValues | None = None
    accounts: ColumnValues | None = None
    unknown: dict[int, ColumnValues] = field(default_factory=dict)
    paid_back: int = 0
    payments: int = 0
    headers: int = 0

    @property
    def thousands_mark(self) -> Mark | None:
        """The mark that sets off thousands: three figures stand behind it, and no thousand is written without it.

        Were it the decimal mark, amounts below a thousand would have decimals as well.
        """
        if len(self.undecided_marks) != 1 or not self.whole[True] or self.whole[False]:
            return None
        mark, count = self.undecided_marks.most_common(1)[0]
        return mark if count >= _LEAST_GROUPED else None


def gather_evidence(layout: Layout, rows: Iterable[Record]) -> TableEvidence:
    """Read all rows once and count what their cells say.

    Raises: StatementError where another table begins.
    """
    profile, seen = layout.profile, TableEvidence()
    dates = layout.places(profile.date, profile.value_date, profile.transaction_date)
    amounts = layout.places(profile.amount, profile.debit, profile.credit, profile.amount_in, *profile.amounts)
    money = (*amounts, *layout.places(profile.balance, profile.fee, profile.refund))
    watched = _watched_columns(layout, seen)
    signed_at = layout.column(profile.amount)
    words_at = layout.places(*profile.description, profile.counterparty)
    # texts are counted here and judged below, each once
    texts: dict[int, Counter[str]] = {at: Counter() for at in (*dates, *money)}
    counted = list(texts.items())
    for record in rows:
        seen.records += 1
        seen.headers += plain(record.cells[0]) == layout.header[0] and numbered(record.cells) == layout.header
        if not any(cell(record, at) for at in money):
            _refuse_second_header(layout, record)
            if dates and fitting_orders(cell(record, dates[0])):
                _see_values(watched, record, None)
        elif _is_booking(record, dates, words_at):
            seen.widths[len(record.cells)] += 1
            for at, counter in counted:
                counter[cell(record, at)] += 1
            if seen.days.wants_more:
                _see_days(seen, [cell(record, at) for at in dates])
            kind = amount_kind(cell(record, signed_at))
            _see_values(watched, record, kind)
            if kind == "minus" and layout.guessed:
                said = [cell(record, at) for at in words_at]
                seen.paid_back += any(map(_PAID_BACK.search, said))
                seen.payments += any(map(_PAYMENT.search, said))
    _judge(layout, seen, texts, dates=dates, money=money, amounts=amounts)
    return seen


def _watched_columns(layout: Layout, seen: TableEvidence) -> list[tuple[int, ColumnValues]]:
    """Return the columns whose values are kept, with their places."""
    profile = layout.profile
    unused = set(unused_columns(layout.header, profile))
    seen.unknown = {at: ColumnValues(name) for at, name in enumerate(layout.header) if name in unused}
    watched = list(seen.unknown.items())
    if (at := layout.column(profile.type)) is not None and not profile.amount_in:
        seen.directions = ColumnValues(profile.type or "")
        watched.append((at, seen.directions))
    if (at := layout.column(profile.currency_column)) is not None:
        seen.currencies = ColumnValues(profile.currency_column or "")
        watched.append((at, seen.currencies))
    if (at := layout.column(profile.account)) is not None:
        seen.accounts = ColumnValues(profile.account or "")
        watched.append((at, seen.accounts))
    return watched


def _is_booking(record: Record, dates: Sequence[int], words_at: Sequence[int]) -> bool:
    """Return whether a row with an amount states no total and no balance."""
    undated = bool(dates) and not any(mark.isdigit() for mark in cell(record, dates[0]))
    if undated and says_total(record):
        return False
    return not any(states_balance(cell(record, at)) for at in words_at)


def _see_values(watched: Sequence[tuple[int, ColumnValues]], record: Record, kind: AmountKind | None) -> None:
    for at, values in watched:
        values.see(cell(record, at), kind)


def _judge(
    layout: Layout,
    seen: TableEvidence,
    texts: Mapping[int, Counter[str]],
    *,
    dates: Sequence[int],
    money: Sequence[int],
    amounts: Sequence[int],
) -> None:
    """Turn the counted texts of each column into evidence."""
    profile = layout.profile
    signed = layout.places(profile.amount)
    for columns, see in ((dates, _see_date), (money, _see_amount), (amounts, _see_decimals), (signed, _see_sign)):
        for text, count in (counted for at in columns for counted in texts[at].items()):
            see(seen, text, count)
    for name, said in ((profile.debit, "out"), (profile.credit, "in")):
        seen.sides[said] = AmountKinds()
        for text, count in (counted for at in layout.places(name) for counted in texts[at].items()):
            _see_side(seen.sides[said], "credit_mark" if said == "out" else "debit_mark", text, count)
    if profile.date_format:
        seen.rows = seen.widths.total()
    elif dates:
        seen.rows = sum(count for text, count in texts[dates[0]].items() if fitting_orders(text))


def _refuse_second_header(layout: Layout, record: Record) -> None:
    """Raises: StatementError where another table with columns of its own begins."""
    header = numbered(record.cells)
    if header != layout.header and not any(map(str.isdigit, record.raw)) and guess_profile(header) is not None:
        raise StatementError(
            f"holds a second table below line {layout.header_line}: save each table in a file of its own",
            line=record.line,
        )


def _see_date(seen: TableEvidence, text: str, count: int) -> None:
    seen.days.see(text, count)


def _see_days(seen: TableEvidence, texts: list[str]) -> None:
    """Keep the day of a row, and a second day of it, of the first rows."""
    days = [text for text in texts if fitting_orders(text)]
    if days:
        seen.days.first.append(days[0])
        seen.pairs += [(days[0], day) for day in days[1:]]


def _see_amount(seen: TableEvidence, text: str, count: int) -> None:
    seen.currency_beside = seen.currency_beside or bool(written_currency(text))
    mark = decimal_evidence(text) if text else None
    if mark is not None:
        seen.marks[mark] += count
    elif "," in text or "." in text:
        seen.undecided = seen.undecided or text
        seen.undecided_marks["," if "," in text else "."] += count
    elif _FIGURE.search(text):
        seen.whole[len(plain_figures(text)) < _FIGURES_OF_THOUSAND] += count


def _see_decimals(seen: TableEvidence, text: str, count: int) -> None:
    if _FIGURE.search(text):
        seen.decimals[decimals(text)] += count
        if decimal_evidence(text) is not None:
            seen.proven_decimals.add(decimals(text))
        seen.final_zeros += count if _FINAL_ZERO.search(text) else 0


def _see_sign(seen: TableEvidence, text: str, count: int) -> None:
    if (kind := amount_kind(text)) is not None:
        seen.kinds[kind] += count


def _see_side(side: AmountKinds, contrary: AmountKind, text: str, count: int) -> None:
    if (kind := amount_kind(text)) is not None:
        side.kinds[kind] += count
        (side.against if kind in {"minus", contrary} else side.bare).add(plain_figures(text))
