"""Finds columns that a guessed layout does not use although they seem to matter, and asks what they hold. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from worker.connectors.file.statement.amounts import AmountKind, Mark, readable_amount
from worker.connectors.file.statement.currencies import currency_sign
from worker.connectors.file.statement.dates import fitting_orders
from worker.connectors.file.statement.errors import Doubt, StatementError, about_column
from worker.connectors.file.table.column_questions import CHOICES
from worker.connectors.file.table.profile import Profile, plain
from worker.connectors.file.table.state_words import (
    BOOKED_WORDS,
    NO_WORDS,
    PENDING_WORDS,
    VOID_WORDS,
    YES_WORDS,
    flag_state,
)

MOST_VALUES, _FEW_VALUES = 200, 12
_SHARE = 0.9
_MARKS: tuple[Mark, ...] = (".", ",")
_FEW = 0.5
_SORTED_BY = 0.2  # different values among the rows, of a column such as a category
_FLAGS = 2  # yes and no
_WORD = re.compile(r"(?<!\w)[^\W\d_]{3,}(?!\w)|[^\x00-\u02ff]{2}")
_AMOUNT = re.compile(r"[-+(]?\s?[^\d\s.,]{0,4}\s?\d[\d.,' ]*[.,]\d{1,3}\)?-?\s?\S{0,4}")
# Columns of exports that change no row: what a person sorts by, or what the bank says twice.
_HARMLESS = re.compile(
    r"\b(?:\w*(?:[ck]ategor|cat\u00e9gor)\w*|tags?|labels?|mcc|time|zeit|uhrzeit|heure|hora|ora|"
    r"bic|blz|swift|country|city|address|postcode|zip|rate|kurs|wechselkurs|cours|original|foreign|fremd\w*|local|"
    r"instructed|code|number|nummer|nr|id|check|cheque|type|typ|art|tax|vat|mwst|budget|split|"
    r"attachment|receipt|cashback|points|location|latitude|longitude|mandat\w*|creditor|gl\u00e4ubiger\w*|rating)\b"
)
# Currency of an amount that the table states besides its own, where the statement's own is written elsewhere.
_FOREIGN = re.compile(r"\b(?:foreign|fremd\w*|original\w*|local|instructed|target|devise d'origine)(?:\b|_)")
_FEE = re.compile(r"\b(?:fee|fees|geb\u00fchr\w*|entgelt|frais|commission|comisi\u00f3n|costo|kosten)\b")
_NOT_ZERO = re.compile(r"[1-9]")
# A day that rows which are not booked yet lack.
_BOOKED_DAY = re.compile(
    r"\b(?:post(?:ed|ing)?|book(?:ed|ing)|clear(?:ed|ing)|settle\w*|completed|buchung\w*|gebucht)\b"
)
_ACCOUNT = re.compile(
    r"\b(?:account|konto\w*|wallet|pocket|pot|vault|space|bank|source|compte|conto|cuenta|rekening|conta|produit|product|card|karte\w*|carte|iban)\b"
)
_BALANCE = re.compile(r"\b(?:saldos?|salda|saldot|(?:\w+ )?\w*balance|solde|kontostand|egyenleg)\b")
_STATUS = re.compile(r"\b(?:status|state|zustand|statut|stato|estado|\u00e9tat|etat|stav|durum)\b")
# Values that tell states apart, wherever they stand among a few others; `ok` or `paid` may be about something else.
_STATES = frozenset({*PENDING_WORDS, *VOID_WORDS, "approved", "posted", "booked", "completed", "cleared", "settled"})
_MOST_STATES = 8


@dataclass(slots=True)
class ColumnValues:
    """Values of a column that tells something about the rows: at most two hundred different ones.

    Attributes:
        empty: Rows whose cell is empty.
        kinds: What the amounts of the rows carry, by value, while there are few values.
    """

    name: str
    filled: int = 0
    empty: int = 0
    values: set[str] = field(default_factory=set)
    kinds: dict[str, Counter[AmountKind]] = field(default_factory=dict)

    def see(self, text: str, kind: AmountKind | None = None) -> None:
        """Take note of one cell, and of what the amount of its row carries."""
        if not text:
            self.empty += 1
            return
        self.filled += 1
        if text not in self.values:
            if len(self.values) >= MOST_VALUES:
                return
            self.values.add(text)
            if len(self.values) <= _FEW_VALUES:
                self.kinds[text] = Counter()
        if kind is not None and text in self.kinds:
            self.kinds[text][kind] += 1


def unused_columns(header: Sequence[str], profile: Profile) -> list[str]:
    """Return the named columns that a profile does not read."""
    used = set(profile.used)
    return [name for name in header if name not in used]


def meaning(column: ColumnValues, profile: Profile) -> str | None:
    """Return what an unused column seems to hold, if that would change a row; None where it may stay unused."""
    amounts = _share(column, _is_amount)
    fees = _share(column, lambda text: _is_amount(text) or not text.strip("0-"))
    charged = fees and any(_NOT_ZERO.search(text) for text in column.values)
    harmless = _HARMLESS.search(column.name) is not None
    foreign = _FOREIGN.search(column.name) is not None
    is_balance = _BALANCE.search(column.name) is not None
    bare = profile.counterparty is None and not profile.description
    days = _share(column, fitting_orders)
    seems = {
        "date": days and column.empty > 0 and _BOOKED_DAY.search(column.name) is not None,
        "currency": not foreign and profile.currency_column is None and _share(column, currency_sign),
        "account": profile.account is None and _names_accounts(column),
        "status": not days and _is_status(column),
        "fee": charged and profile.fee is None and _FEE.search(column.name) is not None,
        "balance": amounts and is_balance and profile.balance is None and len(column.values) > 1,
        "amount": amounts and not is_balance and not harmless and not _FEE.search(column.name),
        "description": bare and not harmless and _is_text(column),
    }
    return next((what for what, fits in seems.items() if fits), None)


def amounts_in_doubt(columns: Iterable[ColumnValues], profile: Profile) -> list[str]:
    """Return the unused columns that seem to hold amounts or balances."""
    unread = (values for values in columns if values.name not in profile.used)
    return [values.name for values in unread if meaning(values, profile) in {"amount", "balance"}]


def is_varied_text(column: ColumnValues) -> bool:
    """Return whether an unused column holds texts that tell rows apart, and is none that a person sorts by."""
    varied = len(column.values) > max(1, column.filled * _SORTED_BY)
    words = sum(_WORD.search(text) is not None for text in column.values) * 2 > len(column.values)
    return varied and words and _HARMLESS.search(column.name) is None and _is_text(column)


def refuse_unknown(columns: Iterable[ColumnValues], profile: Profile, ignored: Collection[str]) -> None:
    """Raises: StatementError naming the unused columns that seem to matter and what to state about them."""
    doubts = [
        (values.name, what)
        for values in columns
        if values.name not in ignored and values.name not in profile.used and (what := meaning(values, profile))
    ]
    if doubts:
        named = "; ".join(f"column '{name}' looks like {_article(what)} {what}" for name, what in doubts)
        name, what = doubts[0]
        others = " (or balance, debit, credit, fee)" if what == "amount" else ""
        raise StatementError(
            f"{named}: state --column '{name}={what}'{others}, or --ignore '{name}'",
            doubts=tuple(_doubt(name, what) for name, what in doubts),
        )


def _doubt(name: str, what: str) -> Doubt:
    choices = ("ignore", *CHOICES["amount"]) if what == "amount" else (what, "ignore")
    return about_column(name, f"What does column '{name}' hold?", *choices)


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _is_status(column: ColumnValues) -> bool:
    if flag_state(column.name) is not None:
        return _marks_rows(column)
    plain_values = {plain(text) for text in column.values}
    if plain_values <= set(BOOKED_WORDS):
        return False  # nothing but booked rows, whatever the column is called
    few = len(plain_values) <= _MOST_STATES and not plain_values.isdisjoint(_STATES)
    return few or (_STATUS.search(column.name) is not None and bool(column.values))


def _marks_rows(column: ColumnValues) -> bool:
    """Whether a column named by a state, such as `Declined` or `Posted`, marks a row that is not simply booked."""
    values = {plain(text) for text in column.values}
    if flag_state(column.name) == "booked":
        return not values <= YES_WORDS | set(BOOKED_WORDS) or (column.empty > 0 and column.filled > 0)
    return not values <= NO_WORDS


def _is_text(column: ColumnValues) -> bool:
    flags = len(column.values) <= _FLAGS < column.filled
    return not flags and _share(column, lambda text: not text[:1].isdigit() and len(text) > _FLAGS)


def _is_amount(text: str) -> bool:
    looks_so = _AMOUNT.fullmatch(text) is not None and not fitting_orders(text)
    return looks_so and any(readable_amount(text, mark) is not None for mark in _MARKS)


def _names_accounts(column: ColumnValues) -> bool:
    """Whether a column seems to tell several accounts apart."""
    several = 1 < len(column.values) <= max(2, column.filled * _FEW)
    return several and _ACCOUNT.search(column.name) is not None


def _share(column: ColumnValues, fits: Callable[[str], object]) -> bool:
    """Return whether nearly all values of a column fit; an empty column fits nothing."""
    return sum(bool(fits(text)) for text in column.values) >= max(1, len(column.values) * _SHARE)
