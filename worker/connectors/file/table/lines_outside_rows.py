"""Reads what stands outside of the rows of a table: above its header, and in lines between the rows. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from worker.connectors.file.statement.account_numbers import find_iban
from worker.connectors.file.statement.amounts import Mark, readable_amount, written_currency
from worker.connectors.file.statement.currencies import currency_sign
from worker.connectors.file.statement.dates import fitting_orders
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.state_words import State, heading_state

BalanceEnd = Literal["opening", "closing"]

_DAY_WITHIN = re.compile(r"(?<![\w./-])\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?![\w./-]\d)")
_CURRENCY = re.compile(
    r"(?i)(?:account |base |statement )?(?:currency|währung|kontowährung|devise|monnaie|moneda|divisa|valuta|munt|"
    r"waluta|moeda|měna(?: účtu)?|mena(?: účtu)?|para birimi|валюта|pénznem|devizanem|valuutta|valuuta|valūta|valiuta)"
    r"\s*+[:;,|]?\s*+([^\s\d:;,|]{1,5})"
)
_ACCOUNT = re.compile(
    r"(?i)(?:(?:bank |card |my )?account|card|konto|compte|cuenta|conto|conta|rekening|kreditkarte|carte|karte|"
    r"checking|savings|visa|mastercard|amex|girokonto|sparkonto)"
    r"(?:nummer| ?(?:number|name|no\.?|nr\.?|n°|num\.?|ending(?: in)?))?\s*+[#:;,|]?\s*+"
    r"((?:[A-Z]{1,4}[ -]?)?[\dx*](?:[ ./-]?[\dx*]){2,33})"
)
_YEAR = re.compile(r"\b(?:19|20)\d{2}\b")
_TITLE = re.compile(
    r"(?i)(?:checking|current|savings?|giro\w*|spar\w*|visa|mastercard|amex|(?:credit )?card|kreditkarte|konto|account|"
    r"compte|livret|cuenta|conto|deposit|depot)\b(?!.*\b(?:19|20)\d{2}\b)[\w .*#/-]{0,30}"
)
_CARD = re.compile(
    r"(?i)\b(?:credit|charge)[ -]?cards?\b|\bcard (?:number|no|ending|member|statement)\b|\b(?:visa|mastercard|amex)\b|"
    r"\bamerican express\b|kreditkarten?|carte de crédit|tarjeta de crédito|carta di credito|creditcard"
)
_OPENING_WORDS = (
    r"(?:opening|starting|beginning|previous|initial|old)[ _]?balance|"
    r"balance (?:brought (?:forward|down)|b/[fd])|brought forward|anfangssaldo|anfangs-?(?:konto)?stand|saldovortrag|"
    r"saldo alt|alter (?:konto)?(?:saldo|stand)|"
    r"ancien solde|solde (?:initial|précédent|d'ouverture)|saldo (?:inicial|anterior|iniziale|precedente|primo)|"
    r"počáteční (?:stav|zůstatek)|počiatočný (?:stav|zostatok)|saldo początkowe|(?:begin|start|alku|alg)saldo|"
    r"(?:ingående|inngående) saldo|likutis pradžiai|sākuma atlikums|sold (?:inițial|initial)|nyitó egyenleg|"
    r"(?:početno|začetno) stanje|αρχικό υπόλοιπο|(?:aç\u0131l\u0131ş|devreden) bakiye(?:si)?|входящий остаток|"
    r"saldo awal|"
    r"前月繰越|期初余额"
)
_CLOSING_WORDS = (
    r"(?:closing|ending|final|new)[ _]?balance|balance (?:carried (?:forward|over|down)|c/[fd])|"
    r"carried forward|endsaldo|schlusssaldo|end-?(?:konto)?stand|saldo neu|neuer (?:konto)?(?:saldo|stand)|"
    r"nouveau solde|konečný (?:stav|zůstatek|zostatok)|"
    r"solde (?:final|de clôture)|saldo (?:final|finale|końcowe|ultimo)|eindsaldo|utgående saldo|"
    r"(?:loppu|lõpp)saldo|likutis pabaigai|beigu atlikums|sold final|záró egyenleg|"
    r"(?:završno|končno) stanje|τελικό υπόλοιπο|kapan\u0131ş bakiye(?:si)?|исходящий остаток|saldo akhir|"
    r"次月繰越|期末余额"
)
# Texts of rows that state a balance or a turnover between the bookings.
_BALANCE = re.compile(
    rf"(?i)\W*+(?:{_OPENING_WORDS}|{_CLOSING_WORDS}|(?:current|ledger|statement)[ _]?balance"
    r"|(?:debit|credit) turnover|anfangs-? ?(?:konto)?saldo|end-? ?(?:konto)?saldo|solde au .*|saldo (?:in|ut)"
    r")\b(?:[\s:]*(?:(?:on|as of|per|at|am|zum|vom|del|al|le)\b.*|[\d./-]*))?\W*+"
)
_OPENING = re.compile(rf"(?i)\W*+(?:{_OPENING_WORDS})\b.*")
_CLOSING = re.compile(rf"(?i)\W*+(?:{_CLOSING_WORDS})\b.*")
_CODES = "EUR|USD|GBP|CHF|JPY|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|INR|CNY|HKD|SGD|BRL|MXN|ZAR"
_NOUNS = r"(?i:transactions?|accounts?|payments?|wallet|balance|konto|umsätze|opérations?|movimientos)"
_IN_CURRENCY = re.compile(rf"\W*+(?:({_CODES})(?:\W++{_NOUNS})?|{_NOUNS}\W++(?:in\W++)?({_CODES}))\W*+")
_COUNT = re.compile(
    r"(?i)\W*+(?:total )?(?:number|no\.?|count|anzahl|nombre|número|numero|aantal|liczba)(?: (?:of|der|de|di|van))?"
    r" (?:transactions?|bookings?|entries|records|rows|items|umsätze|buchungen|opérations?|movimientos|operazioni|"
    r"transacties|transakcji)\W*+(\d{1,7})?\W*+"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesAbove:
    """What stands above the header of a table.

    Attributes:
        iban: Of the account.
        account: Its number or name, as it is written.
        currency: Code of the account's currency.
        days: Days as they are written there.
        state: What a title says of all rows, such as `Pending transactions`.
        card: The words that say that the account is a card's.
    """

    iban: str | None = None
    account: str | None = None
    currency: str | None = None
    days: tuple[str, ...] = ()
    state: State | None = None
    card: str | None = None


def lines_above(rows: Sequence[Record], header_line: int) -> LinesAbove:
    """Read the lines above a header."""
    above = [row for row in rows if row.line < header_line and not row.blank]
    texts = [" ".join(row.cells) for row in above]
    days = (found[0] for text in texts for found in _DAY_WITHIN.finditer(text))
    cards = (found[0] for text in texts if (found := _CARD.search(text)))
    return LinesAbove(
        iban=next((iban for text in texts if (iban := find_iban(text))), None),
        account=next((name for row in above if (name := account_line(row))), None),
        currency=next((code for row in above if (code := _currency_of(row))), None),
        days=tuple(day for day in days if fitting_orders(day)),
        state=next((state for row in above if (state := section_state(row))), None),
        card=next(cards, None),
    )


def account_line(record: Record) -> str | None:
    """Return the number or name of the account that a line such as `Account: 222` begins; None for any other line."""
    found = _ACCOUNT.fullmatch(" ".join(text for text in record.cells if text))
    if found is None or _DAY_WITHIN.search(found[1]) or _YEAR.fullmatch(found[1]):
        return None  # a day or a year would make another account of every month
    return found[1]


def account_title(name: str) -> str | None:
    """Return the name of a sheet that is called after an account, such as `Savings`; None for any other name."""
    return name.strip() if _TITLE.fullmatch(name.strip()) else None


def section_state(record: Record) -> State | None:
    """Return the state of the rows below a line that is a title; None for any other line."""
    filled = [text for text in record.cells if text]
    return heading_state(filled[0]) if len(filled) == 1 else None


def section_currency(record: Record) -> str | None:
    """Return the currency that a title between the rows names, as `USD transactions` does."""
    filled = [text for text in record.cells if text]
    found = _IN_CURRENCY.fullmatch(filled[0]) if len(filled) == 1 else None
    return found[1] or found[2] if found is not None else None


def states_balance(text: str) -> bool:
    """Return whether the text of a row says that it states a balance or a turnover, no booking."""
    return _BALANCE.fullmatch(text) is not None


def balance_end(text: str) -> BalanceEnd | None:
    """Return which balance of the statement a text names; None for anything else."""
    if _OPENING.fullmatch(text):
        return "opening"
    return "closing" if _CLOSING.fullmatch(text) else None


def stated_balance(record: Record, mark: Mark) -> tuple[BalanceEnd, Decimal] | None:
    """Return the opening or closing balance that a line states; None where it names or holds none."""
    end = next((found for text in record.cells if (found := balance_end(text))), None)
    if end is None:
        return None
    figures = (text for text in record.cells if any(map(str.isdigit, text)) and not fitting_orders(text))
    amounts = (readable_amount(text, mark) for text in figures)
    return next(((end, amount) for amount in amounts if amount is not None), None)


def stated_count(record: Record) -> int | None:
    """Return the number of bookings that a line says the table has; None for any other line."""
    found = _COUNT.fullmatch(" ".join(text for text in record.cells if text))
    return int(found[1]) if found is not None and found[1] else None


def _currency_of(record: Record) -> str | None:
    """Return the currency that a line names, or that stands beside the balance it states."""
    found = _CURRENCY.match(" ".join(record.cells).strip())
    if found is not None:
        return currency_sign(found[1])
    states = any(balance_end(text) for text in record.cells)
    beside = (currency_sign(written_currency(text)) for text in record.cells) if states else ()
    return next(filter(None, beside), None)
