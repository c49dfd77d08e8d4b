"""Decisions over a whole table before a row is used: order of day and month, decimal mark, sign of amounts."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from worker.connectors.base import AccountType
from worker.connectors.file.statement.amounts import Mark
from worker.connectors.file.statement.date_orders import DayEvidence
from worker.connectors.file.statement.dates import Order, fitting_orders, parse_day_as, why_no_day
from worker.connectors.file.statement.errors import StatementError, about_column
from worker.connectors.file.table.account_column import with_own_account
from worker.connectors.file.table.balance_column import BalanceColumn
from worker.connectors.file.table.column_names import day_first_word
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.decimal_marks import decide_mark, fixed_decimals
from worker.connectors.file.table.evidence import TableEvidence, gather_evidence
from worker.connectors.file.table.layout import Layout
from worker.connectors.file.table.repeated_amounts import repeated_amounts
from worker.connectors.file.table.row_amount import cell
from worker.connectors.file.table.running_balance import RowOrder
from worker.connectors.file.table.sign_evidence import (
    card_title,
    card_words,
    confirmed_by_words,
    direction_words,
    doubts_of_words,
    repeats_signs,
)
from worker.connectors.file.table.signs import (
    Direction,
    DirectionFrom,
    SignDoubt,
    SignReading,
    decide_signs,
    directed_doubt,
    directs_by_plus,
    undirected_doubt,
)
from worker.connectors.file.table.unknown_columns import ColumnValues, amounts_in_doubt, refuse_unknown

_USUAL_SHARE = 0.05
_PROVEN, _RECOGNISED = 0.95, 0.8
_SAMPLE_ROWS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What a person states where a file alone does not say enough.

    Attributes:
        positive_is: Which way positive amounts went that nothing else directs.
        direction_from: What a minus means beside a word or column that states the direction.
        currency: Code of rows whose own currency is missing or not understood.
        ignored: Columns that are not read, unless a shipped or named profile names them.
    """

    order: Order | None = None
    decimal: Mark | None = None
    positive_is: Direction | None = None
    direction_from: DirectionFrom | None = None
    currency: str | None = None
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """How the cells of one file are read.

    Attributes:
        croatian_months: Whether words that name two months are meant as in Croatian.
        signs: How the direction of an amount is read.
        chain: What the balance column proves.
        most_decimals: The most decimals of an amount that can only be read with the file's mark; None for none.
        decimals: Decimals of every amount, where the file shows that none are left out; None elsewhere.
        widths: Numbers of cells that rows usually have.
        unused: Columns that hold something and are not read.
        currency_beside: Whether an amount has a currency beside it.
        states_currency: Whether rows state their currency, so that one without is incomplete.
        repeats_header: Whether the header stands in it again, as in exports that were put together.
    """

    mark: Mark
    order: Order | None = None
    croatian_months: bool = False
    signs: SignReading = field(default_factory=SignReading)
    chain: RowOrder | None = None
    confidence: float = 1.0
    decimals: int | None = None
    most_decimals: int | None = None
    widths: frozenset[int] = frozenset()
    unused: tuple[str, ...] = ()
    currency_beside: bool = False
    states_currency: bool = False
    repeats_header: bool = False
    notes: tuple[str, ...] = ()


def _decide_order(
    layout: Layout, seen: TableEvidence, chain: RowOrder | None, *, croatian: bool
) -> tuple[Order | None, str | None]:
    if layout.profile.date_format or layout.profile.date_order:
        return layout.profile.date_order, None
    word = day_first_word(layout.header)
    evidence = DayEvidence(
        pairs=seen.pairs,
        around=layout.above.days,
        others=[text for values in seen.unknown.values() for text in _days_of(values)],
        newest_first=chain.newest_first if chain is not None else None,
        local=f"as everywhere a column is called '{word}'" if word else None,
    )
    return seen.days.decide(croatian=croatian, evidence=evidence)


def _days_of(values: ColumnValues) -> Sequence[str]:
    """Return the values of an unread column that holds days only."""
    return tuple(values.values) if values.values and all(map(fitting_orders, values.values)) else ()


def decide_reading(
    layout: Layout, rows: Callable[[], Iterator[Record]], hints: Hints, stated: Collection[str] = ()
) -> tuple[Layout, Decisions]:
    """Decide how a file's cells are read.

    Args:
        layout: What the columns hold, by their names.
        rows: The file's rows, anew each time.
        stated: Columns whose meaning a person states.

    Returns: The layout, with what only the values of a column name, and the decisions.

    Raises: StatementError when the file fits two readings and proves neither: the sentence says what to state.
    """
    layout = _without_refuted_format(layout, rows, hints)
    seen = gather_evidence(layout, rows())
    if not seen.records and layout.confidence >= _RECOGNISED:
        empty = Decisions(mark=".", order="ymd", confidence=layout.confidence, notes=("the file holds no rows",))
        return layout, empty
    if not seen.rows:
        raise StatementError(f"no row holds a date in column '{layout.profile.date}'{why_no_day(seen.days.unread)}")
    layout = _with_direction(layout, seen)
    said = None
    if layout.guessed and seen.accounts is not None and seen.accounts.name not in stated:
        profile, said = with_own_account(layout.profile, seen.accounts, hints.ignored)
        layout = replace(layout, profile=profile)
    mark = hints.decimal or decide_mark(layout, seen)
    if layout.guessed:
        amounts = amounts_in_doubt(seen.unknown.values(), layout.profile)
        repeated = repeated_amounts(layout, rows(), mark, amounts) if amounts else frozenset[str]()
        refuse_unknown(seen.unknown.values(), layout.profile, hints.ignored | repeated)
    balances = BalanceColumn(layout, rows, mark)
    signs = _decide_signs(layout, seen, hints, balances)
    proof = balances.proof(signs)
    sure = proof is not None and proof.sure
    chain = proof.order if proof is not None else None
    croatian = layout.profile.date_format is None and seen.days.months.are_croatian(layout.header)
    order, note = hints.order, None
    if order is None:
        order, note = _decide_order(layout, seen, chain if sure else None, croatian=croatian)
    notes = [*layout.notes, *(one for one in (note, said) if one)]
    if balances.contradicts and proof is None:
        notes.append("the balances do not follow from the amounts row by row: rows may be missing, or out of order")
    if layout.guessed and sure and chain is not None and chain.flipped:
        _refuse_owed(layout, seen)
    proven = layout.guessed and sure and chain is not None and not chain.flipped
    return layout, Decisions(
        mark=mark,
        order=order,
        croatian_months=croatian,
        signs=signs,
        chain=chain,
        confidence=max(layout.confidence, _PROVEN) if proven else layout.confidence,
        decimals=fixed_decimals(seen),
        most_decimals=max(seen.proven_decimals, default=None),
        widths=frozenset(width for width, count in seen.widths.items() if count >= max(2, seen.rows * _USUAL_SHARE)),
        unused=tuple(
            values.name for values in seen.unknown.values() if values.filled and values.name not in layout.profile.used
        ),
        currency_beside=seen.currency_beside,
        states_currency=seen.currencies is not None and seen.currencies.filled > 0,
        repeats_header=seen.headers > 0,
        notes=tuple(notes),
    )


def _without_refuted_format(layout: Layout, rows: Callable[[], Iterator[Record]], hints: Hints) -> Layout:
    """Let the file decide how days are written where a profile that was only recognised is contradicted.

    It is contradicted by the order that a person states, and by days that its format cannot read.
    """
    profile, at = layout.profile, layout.column(layout.profile.date)
    if profile.date_format is None or layout.confidence >= 1 or at is None:
        return layout
    texts = (cell(record, at) for record in islice(rows(), _SAMPLE_ROWS))
    others = [text for text in texts if fitting_orders(text) and not _is_day_as(text, profile.date_format)]
    if hints.order is None and not others:
        return layout
    return replace(layout, profile=profile.model_copy(update={"date_format": None}))


def _is_day_as(text: str, date_format: str) -> bool:
    try:
        parse_day_as(text, date_format)
    except ValueError:
        return False
    return True


def _refuse_owed(layout: Layout, seen: TableEvidence) -> None:
    """Refuse columns of money out and in that the balances contradict, unless the balance may be what is owed.

    Raises: StatementError with what to state.
    """
    profile = layout.profile
    owed = profile.account_type in {AccountType.CREDIT, AccountType.LOAN} or card_title(layout) or card_words(seen)
    if owed or profile.amount is not None or profile.debit is None or profile.credit is None:
        return
    question = "Does the balance say what is owed? Then it is left unread."
    raise StatementError(
        f"the balance rises with column '{profile.debit}', as what is owed on a card or loan does: state"
        f" --ignore '{profile.balance}' if it is owed, or --column '{profile.debit}=credit' --column"
        f" '{profile.credit}=debit' if the columns are the other way round",
        doubts=(about_column(profile.balance, question, "ignore", "balance"),),
    )


def _with_direction(layout: Layout, seen: TableEvidence) -> Layout:
    """Read a column of direction words that only its values name, unless the signs say the same in every row."""
    profile = layout.profile
    if not layout.guessed or profile.amount is None or profile.type is not None:
        return layout
    for values in seen.unknown.values():
        words = direction_words(values, seen.rows)
        if words is not None and not repeats_signs(values, words):
            seen.directions = values
            return replace(layout, profile=profile.with_direction(values.name, *words))
    return layout


def _decide_signs(layout: Layout, seen: TableEvidence, hints: Hints, balances: BalanceColumn) -> SignReading:
    """Decide how the direction of amounts is read. Raises: StatementError with the question where nothing says."""
    profile = layout.profile
    flipped = profile.sign == "flipped"
    stated = {"positive_is": hints.positive_is, "direction_from": hints.direction_from or profile.direction_from}
    doubts: list[SignDoubt | None]
    if profile.type is not None:
        doubts = doubts_of_words(seen.directions, profile.directions) if seen.directions is not None else []
    elif profile.amount is None:
        names: tuple[tuple[Direction, str | None], ...] = (("out", profile.debit), ("in", profile.credit))
        doubts = [directed_doubt(seen.sides[said], said, by_column=name) for said, name in names if name]
    elif hints.positive_is is None and set(seen.kinds) == {"bare"} and (lines := balances.directions()):
        return SignReading(lines=lines)
    else:
        asks = layout.guessed and not confirmed_by_words(seen)
        card, title = card_words(seen), card_title(layout)
        doubts = [undirected_doubt(seen.kinds, card or title, by_title=card is None)] if asks else []
    way: Direction = hints.positive_is or ("out" if flipped else "in")
    reading = SignReading(positive_is=way, plus_is_in=layout.guessed and directs_by_plus(seen.kinds))
    return decide_signs(reading, [one for one in doubts if one is not None], stated, balances.proof)
