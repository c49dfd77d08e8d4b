"""Reads currencies written as codes, words or signs. Pure."""

from worker.connectors.file.statement.errors import StatementError
from worker.money import is_currency

_WORDS = {
    "EUR": "\u20ac euro euros euroa",
    "GBP": "\u00a3 pound pounds sterling",
    "USD": "us$ usd$ us-dollar",
    "CAD": "ca$ cad$ c$",
    "AUD": "au$ aud$ a$",
    "NZD": "nz$ nzd$",
    "HKD": "hk$ hkd$",
    "SGD": "s$ sgd$",
    "BRL": "r$ reais real",
    "MXN": "mx$ mxn$",
    "TWD": "nt$",
    "INR": "\u20b9 rs rs. rupees rupee",
    "CHF": "fr. sfr sfr. franken francs",
    "CZK": "k\u010d kc kcs",
    "PLN": "z\u0142 zl zloty z\u0142oty",
    "HUF": "ft forint",
    "RON": "lei",
    "BGN": "\u043b\u0432 lv",
    "RUB": "\u20bd \u0440\u0443\u0431 \u0440\u0443\u0431.",
    "UAH": "\u20b4 \u0433\u0440\u043d",
    "TRY": "\u20ba tl",
    "ILS": "\u20aa",
    "KRW": "\u20a9 \uc6d0",
    "THB": "\u0e3f",
    "VND": "\u20ab",
    "PHP": "\u20b1",
    "NGN": "\u20a6",
    "ZAR": "r rand",
    "CNY": "rmb \u5143",
    "JPY": "\u5186",
}
_CODE_OF = {word: code for code, words in _WORDS.items() for word in words.split()}
_AMBIGUOUS = {
    "$": "USD, CAD, AUD and others",
    "kr": "SEK, NOK, DKK and ISK",
    "kr.": "SEK, NOK, DKK and ISK",
    "\u00a5": "JPY and CNY",
    "dollar": "USD, CAD, AUD and others",
    "dollars": "USD, CAD, AUD and others",
    "fr": "CHF and older francs",
}
NO_CURRENCY = "no currency is stated: read in that of the account or the user; state --currency"
"""What is said of a file whose rows are in no stated currency."""

_MAY_BE = {
    "$": frozenset({"USD", "CAD", "AUD", "NZD", "HKD", "SGD", "MXN", "TWD", "ARS", "CLP", "COP", "JMD", "BBD", "TTD"}),
    "kr": frozenset({"SEK", "NOK", "DKK", "ISK"}),
    "\u00a5": frozenset({"JPY", "CNY"}),
    "fr": frozenset({"CHF"}),
    "dollar": frozenset({"USD", "CAD", "AUD", "NZD", "HKD", "SGD"}),
}


def names_currency(text: str) -> bool:
    """Return whether a text is a code, word or sign of a currency, also one of several."""
    plain = text.strip().casefold()
    return is_currency(plain.upper()) or plain in _AMBIGUOUS or plain in _CODE_OF


def may_mean(text: str, code: str) -> bool:
    """Return whether a code, word or sign may mean the currency of that code."""
    known = currency_sign(text)
    if known is not None:
        return known == code
    return code in _MAY_BE.get(text.strip().casefold().rstrip(".").removesuffix("s"), frozenset())


def parse_currency(text: str) -> str:
    """Return the ISO 4217 code of a currency written as a code, a word or a sign.

    Raises: ValueError when it is none, or may be several.
    """
    plain = text.strip().casefold()
    if is_currency(plain.upper()):
        return plain.upper()
    if plain in _AMBIGUOUS:
        raise ValueError(f"currency '{text[:20]}' may be {_AMBIGUOUS[plain]}: state --currency")
    if plain not in _CODE_OF:
        raise ValueError(f"currency '{text[:20]}' is not known: state --currency")
    return _CODE_OF[plain]


def account_currency(text: str | None, stated: str | None, line: int) -> str | None:
    """Return the currency of an account as its file writes it, else as a person states it.

    Raises: StatementError when the file's is not understood and nobody stated one.
    """
    if not text or not text.strip():
        return stated
    try:
        return parse_currency(text)
    except ValueError as error:
        if stated is None:
            raise StatementError(str(error), line=line) from None
        return stated


def currency_sign(text: str) -> str | None:
    """Return the code of a currency sign or word that can only mean one currency; None for anything else."""
    try:
        return parse_currency(text)
    except ValueError:
        return None
