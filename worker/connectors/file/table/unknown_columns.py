"""Finds columns that a guessed layout does not use although they seem to matter. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from worker.connectors.file.statement.currencies import currency_sign
from worker.connectors.file.statement.dates import fitting_orders
from worker.connectors.file.table.profile import Profile, plain

_KEPT_VALUES = 200
_SHARE = 0.9
_FEW = 0.5
_FLAGS = 2  # yes and no
_AMOUNT = re.compile(r"[-+(]?\s?[^\d\s.,]{0,4}\s?\d[\d.,' ]*[.,]\d{1,3}\)?-?\s?\S{0,4}")
# Columns of exports that change no row: what a person sorts by, or what the bank says twice.
_HARMLESS = re.compile(
    r"\b(?:category|kategorie|cat\u00e9gorie|categoria|categor\u00eda|subcategory|tags?|labels?|mcc|time|zeit|uhrzeit|heure|hora|ora|"
    r"bic|blz|swift|country|city|address|postcode|zip|rate|kurs|wechselkurs|cours|original|foreign|fremd\w*|local|"
    r"instructed|code|number|nummer|nr|id|check|cheque|type|typ|art|tax|vat|mwst|budget|split|"
    r"attachment|receipt|cashback|points|location|latitude|longitude|mandat\w*|creditor|gl\u00e4ubiger\w*|rating)\b"
)
_FEE = re.compile(r"\b(?:fee|fees|geb\u00fchr\w*|entgelt|frais|commission|comisi\u00f3n|costo|kosten)\b")
_NOT_ZERO = re.compile(r"[1-9]")
_ACCOUNT = re.compile(
    r"\b(?:account|konto\w*|compte|conto|cuenta|rekening|conta|produit|product|card|karte\w*|carte|iban)\b"
)
_STATUS = re.compile(r"\b(?:status|state|zustand|statut|stato|estado|\u00e9tat|etat|stav|durum)\b")
_STATUS_VALUES = frozenset(
    [
        "pending",
        "declined",
        "failed",
        "posted",
        "booked",
        "completed",
        "cancelled",
        "canceled",
        "reverted",
        "rejected",
        "authorised",
        "authorized",
        "cleared",
        "settled",
        "gebucht",
        "vorgemerkt",
        "abgelehnt",
        "storniert",
        "hold",
        "refunded",
    ]
)


@dataclass(slots=True)
class ColumnValues:
    """Values of a column that the layout does not use: at most two hundred different ones."""

    name: str
    filled: int = 0
    values: set[str] = field(default_factory=set)

    def see(self, text: str) -> None:
        """Take note of one cell."""
        if text:
            self.filled += 1
            if len(self.values) < _KEPT_VALUES:
                self.values.add(text)


def unused_columns(header: Sequence[str], profile: Profile) -> list[str]:
    """Return the named columns that a profile does not read."""
    used = set(profile.used)
    return [name for name in header if name not in used]


def meaning(column: ColumnValues, profile: Profile) -> str | None:
    """Return what an unused column seems to hold, if that would change a row; None where it may stay unused."""
    amounts = _share(column, _is_amount)
    charged = amounts and any(_NOT_ZERO.search(text) for text in column.values)
    harmless = _HARMLESS.search(column.name) is not None
    bare = profile.counterparty is None and not profile.description
    seems = {
        "currency": profile.currency_column is None and _share(column, lambda text: currency_sign(text) is not None),
        "account": profile.account is None and _names_accounts(column),
        "status": _is_status(column),
        "fee": charged and profile.fee is None and _FEE.search(column.name) is not None,
        "amount": amounts and not harmless and not _FEE.search(column.name),
        "description": bare and not harmless and _is_text(column),
    }
    return next((what for what, fits in seems.items() if fits), None)


def _is_status(column: ColumnValues) -> bool:
    known = _share(column, lambda text: plain(text) in _STATUS_VALUES)
    return known or (_STATUS.search(column.name) is not None and len(column.values) > 1)


def _is_text(column: ColumnValues) -> bool:
    flags = len(column.values) <= _FLAGS < column.filled
    return not flags and _share(column, lambda text: not text[:1].isdigit() and len(text) > _FLAGS)


def _is_amount(text: str) -> bool:
    return _AMOUNT.fullmatch(text) is not None and not fitting_orders(text)


def _names_accounts(column: ColumnValues) -> bool:
    """Whether a column seems to tell several accounts apart."""
    several = 1 < len(column.values) <= max(2, column.filled * _FEW)
    return several and _ACCOUNT.search(column.name) is not None


def _share(column: ColumnValues, fits: Callable[[str], bool]) -> bool:
    """Return whether nearly all values of a column fit; an empty column fits nothing."""
    return sum(map(fits, column.values)) >= max(1, len(column.values) * _SHARE)
