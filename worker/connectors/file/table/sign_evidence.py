"""Reads the direction of money from columns of words and from what says that a table is of a card. Pure."""

from collections import Counter
from collections.abc import Mapping

from worker.connectors.file.table.evidence import TableEvidence
from worker.connectors.file.table.layout import Layout
from worker.connectors.file.table.signs import AmountKinds, Direction, SignDoubt, directed_doubt
from worker.connectors.file.table.state_words import DIRECTION_WORDS, SPENDING_WORDS, Words
from worker.connectors.file.table.unknown_columns import ColumnValues


def direction_words(values: ColumnValues, rows: int) -> tuple[Words, Words] | None:
    """Return the words for money out and in of a column that holds nothing else; None for any other column."""
    said = {text.casefold().rstrip(".") for text in values.values}
    if not said or values.filled < rows or rows < 2:  # noqa: PLR2004 - one row proves no column
        return None
    if len(said) == 1 and _carries_both_signs(values):
        return None  # the same word on both sides tells nothing
    return next(((outs, ins) for outs, ins in DIRECTION_WORDS if said <= set(outs) | set(ins)), None)


def _carries_both_signs(values: ColumnValues) -> bool:
    """Return whether there are amounts with and without a minus in the rows of a column."""
    kinds: Counter[str] = Counter()
    for counted in values.kinds.values():
        kinds.update(counted)
    return kinds["minus"] > 0 and kinds["bare"] + kinds["plus"] > 0


def repeats_signs(values: ColumnValues, words: tuple[Words, Words]) -> bool:
    """Return whether the signs of all amounts say what the words say: then the column adds nothing."""
    outs, ins = words
    paid, received = (_kinds_of(values, said) for said in (outs, ins))
    if not (paid.kinds["minus"] or received.kinds["plus"]):
        return False
    return paid.kinds.total() == paid.kinds["minus"] and not received.kinds["minus"]


def confirmed_by_words(seen: TableEvidence) -> bool:
    """Return whether a column of direction words says of every row what its sign says."""
    columns = ((values, direction_words(values, seen.rows)) for values in seen.unknown.values())
    return any(words is not None and repeats_signs(values, words) for values, words in columns)


def doubts_of_words(values: ColumnValues, directions: Mapping[str, Direction]) -> list[SignDoubt | None]:
    """Return the doubts about a minus beside the words of the direction column."""
    doubts = []
    ways: tuple[Direction, ...] = ("out", "in")
    for said in ways:
        words = {word for word, says in directions.items() if says == said}
        doubts.append(directed_doubt(_kinds_of(values, words), said, by_column=None))
    return doubts


def card_title(layout: Layout) -> str | None:
    """Return the title that says that a table is of a card; None where none does."""
    card = layout.above.card
    return f"the lines above the table say '{card}'" if card is not None else None


def card_words(seen: TableEvidence) -> str | None:
    """Return what rows say about positive amounts being spent; None where they say nothing."""
    if seen.paid_back:
        return "negative amounts are called payments that were received"
    if 0 < seen.payments == seen.kinds["minus"] < seen.kinds["bare"]:
        return "most amounts are positive, and every negative one is called a payment"
    for values in seen.unknown.values():
        spent: Counter[str] = Counter()
        for text, kinds in values.kinds.items():
            if text.casefold() in SPENDING_WORDS:
                spent.update(kinds)
        if spent["bare"]:
            return f"column '{values.name}' calls positive amounts purchases or fees"
    return None


def _kinds_of(values: ColumnValues, words: Words | set[str]) -> AmountKinds:
    found = AmountKinds()
    for text, kinds in values.kinds.items():
        if text.casefold() in words or text.casefold().rstrip(".") in words:
            found.kinds.update(kinds)
    return found
