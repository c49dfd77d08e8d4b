"""Tells from the name of a field what a number in it is, and which names of fields are no names of people. Pure."""

import re
from collections.abc import Mapping
from enum import StrEnum, auto
from functools import cache


class KeyKind(StrEnum):
    """What a number or text under a key is. Without a kind it is replaced digit by digit."""

    MONEY = auto()
    COUNT = auto()
    DAY = auto()
    RATE = auto()
    PLACE = auto()
    CURRENCY = auto()
    ZONE = auto()
    IDENTITY = auto()
    BIRTH = auto()


_WORDS = {
    KeyKind.MONEY: (
        "amount amounts balance balances current available value credit debit minor units sum price fee fees booked"
        " opening closing total limit overdraft principal paid cashback cost betrag"
    ),
    KeyKind.COUNT: (
        "count counts failures failed attempts tries refusals page pages size days index offset seconds remaining"
        " records rows exponent scale decimals"
        " transactions entries items results status mcc version"
    ),
    KeyKind.DAY: (
        "date day datetime time timestamp posted created updated transacted at on until since expires expiry"
        " expiration expired start end"
    ),
    KeyKind.RATE: "rate percent percentage",
    KeyKind.PLACE: "lat lon lng latitude longitude coordinate coordinates coords",
    KeyKind.CURRENCY: "currency currencies ccy",
    KeyKind.ZONE: "zone timezone tz",
    KeyKind.IDENTITY: (
        "number numbers no nr iban bban account accounts card pan phone tax ssn postal zip sort mask id ids pin branch"
        " customer reference code member client contract user person personal holder owner passport"
    ),
    KeyKind.BIRTH: "birth birthday birthdate born dob",
}
_KINDS = {word: kind for kind, words in _WORDS.items() for word in words.split()}
_NUMBER_WORDS = frozenset({"number", "no", "nr"})
_KEPT = frozenset({KeyKind.COUNT, KeyKind.CURRENCY, KeyKind.RATE})
_NEVER_MONEY = frozenset(["phone", "pan", "iban", "bban", "ssn", "pin", "passport", "postal", "zip"])
_AFTER_A_DAY = frozenset(
    ["utc", "gmt", "local", "iso", "epoch", "unix", "ms", "millis", "milliseconds", "s", "sec", "secs", "tz"]
)
"""Words that may follow in the name of a day; any other one says that it is none: `created_by`."""

LABELS = frozenset(
    [
        "key",
        "name",
        "type",
        "code",
        "scheme",
        "label",
        "kind",
        "field",
        "id",
        "title",
        "description",
        "system",
        "format",
    ]
)
"""Fields that say what the `value` beside them is, which may be a number of an account or a card."""
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")

_OTHER_WORDS = (
    "access action additional address agreement alias and api array as available bank banks bic by category check"
    " city class cleared closed connection connections consent container counterparties counterparty country"
    " creditor cursor data debtor description descriptor detail details display domain email end entity entry error"
    " errlist errors exchange external extra family fingerprint free from full group has hash holder holdings"
    " icon identification image in indicator information institution instructed internal is item items iso kind last"
    " legal level link linked links list location logo mandate meta method memo merchant message modified money more"
    " msg name names next note notes of official org organization original other owner ownership owners party payee"
    " payer payload payment pending permissions persistent personal person plan primary processor product products"
    " proprietary provider ready reason refresh region related remittance removed request resource response"
    " result scheme scope secret secondary self sequence service session sign source state store street structured"
    " sub subtype success target text title to token trace transaction transfer type types unit unofficial unstructured"
    " update url user usage uuid valid verification webhook website with year"
)
FIELD_WORDS = frozenset(_KINDS).union(_OTHER_WORDS.split(), _AFTER_A_DAY)
"""Words of which names of fields consist. A key with another word in it may name somebody."""


def words_of_key(key: str) -> list[str]:
    """Return the words of a key in lower case, which may be written in camelCase, snake_case or with dashes."""
    return [word.lower() for word in _PARTS.findall(key)]


def names_currency(key: str) -> bool:
    """Tell whether a text under the key may be the code of a currency."""
    return "currency" in words_of_key(key)


@cache
def kind_of(key: str) -> KeyKind | None:
    """Return what a number under the key is: the last word that says it decides (`balance-date` is a date).

    A day is one where nothing but a unit or a zone follows: `created_by` names somebody.
    What would stay as it is (a count, a rate, a currency) does not where another word of the key may name somebody:
    `card_index`, `customerVersion`. The code of a currency, the number of a page and the number of something are none.
    """
    words = words_of_key(key)
    if "currency" in words:
        words = [word for word in words if word != "code"]
    if words[:1] == ["page"] and words[-1] in _NUMBER_WORDS:
        return KeyKind.COUNT
    if words[:2] == ["number", "of"]:
        words = words[2:]
    kinds = [_KINDS[word] for word in words if word in _KINDS]
    if KeyKind.BIRTH in kinds:
        return KeyKind.BIRTH
    if KeyKind.IDENTITY in kinds and (kinds[-1] in _KEPT or not _NEVER_MONEY.isdisjoint(words)):
        return KeyKind.IDENTITY
    if kinds and kinds[-1] is KeyKind.DAY and not _ends_with_a_day(words):
        return None
    return kinds[-1] if kinds else None


def _ends_with_a_day(words: list[str]) -> bool:
    named = [word for word in words if word not in _AFTER_A_DAY]
    return bool(named) and _KINDS.get(named[-1]) is KeyKind.DAY


def names_something_else(fields: Mapping[str, object]) -> bool:
    """Tell whether an object only says of its `value` what it is, as in `{"type": "PAN", "value": "4929…"}`."""
    words = {word for name in fields for word in words_of_key(name)}
    return "value" in fields and len(fields) > 1 and words <= LABELS | {"value"}
