"""Replaces personal data in a provider's responses so that the importer still decides the same. Pure.

Everything is replaced that is not known to be harmless: words letter by letter, numbers digit by digit, both by a
keyed permutation of each position that depends on what stands before it. Equal words stay equal, different ones stay
different, a word that was cut short stays the beginning of the whole one, and case, length and punctuation stay. Words
of the vocabulary stay. Amounts are multiplied by a secret integer, days are moved by whole weeks, near to a whole
number of years, so that weekdays and clock changes stay where they were. IBANs get valid check digits.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import zip_longest
from typing import Any
from zoneinfo import available_timezones

from worker.money import is_currency
from worker.recordings.field_names import (
    FIELD_WORDS,
    KeyKind,
    kind_of,
    names_currency,
    names_something_else,
    words_of_key,
)
from worker.recordings.substitution import Substitution, is_iban
from worker.recordings.tokens import SPACED, TOKEN, readable
from worker.recordings.written_amounts import has_more_digits, is_amount, multiplied
from worker.recordings.written_days import epoch_unit, is_compact_day, moved_as_written

_FACTORS = tuple(factor for factor in range(3, 998, 2) if factor % 5)
"""Factors of amounts. None shares a divisor with 10, so that an amount keeps its number of decimals."""

_YEARS = range(3, 16)
_WEEKS_PER_YEAR = 52.1775
_RECENT_FROM = date(2010, 1, 1)
_OLD_FROM = date(1930, 1, 1)
"""Days before the first belong to people (birthdays), not to transactions: they become any day from the second on."""

_SYMBOLS = "◆◇○●□■△▲▽▼☆★♠♣♥♦"
_PUNCTUATION = frozenset({"Sc", "Sm", "Sk"})
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?", re.ASCII)
_ID = re.compile(r"(?=.*\d)[0-9A-Za-z-]{16,}")
_COUNT = re.compile(r"\d{1,6}", re.ASCII)
_RATE = re.compile(r"[+-]?\d{1,6}([.,]\d{1,18})?", re.ASCII)
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
PRIVATE_KEY = "<private key>"
"""Stands for a private key in the config of a recording; a new one takes its place in a replay."""

_FIELD_NAME = re.compile(r"[A-Za-z0-9$@_-]{1,60}")
_MANY = 1_000_000
_KEPT_BELOW: dict[KeyKind | None, int] = {KeyKind.COUNT: 10_000, KeyKind.CURRENCY: 1_000, KeyKind.RATE: _MANY}
"""Whole numbers that stay; a larger one may name somebody, whatever its field says."""
_DIGITS_OF_MONEY = 12
"""No whole number of money has more, also in cents: it is one of a card or of an account."""

_DIGITS_OF_A_BALANCE = 7
_DECIMALS_OF_A_PLACE = 5


@dataclass(frozen=True)
class Scrubber:
    """Scrubs the answers of one connection.

    Attributes:
        key: Secret of the connection's recordings; it is in none of them.
        vocabulary: Words that stay, in lower case.
        counts: Fields whose numbers count records or pages, whatever their names say.
    """

    key: bytes
    vocabulary: frozenset[str] = frozenset()
    counts: frozenset[str] = frozenset()

    @cached_property
    def _substitute(self) -> Substitution:
        return Substitution(self.key, self.vocabulary)

    @cached_property
    def multiplier(self) -> int:
        """The factor of all amounts."""
        return _FACTORS[self._substitute.number_of("multiplier") % len(_FACTORS)]

    @cached_property
    def shift(self) -> timedelta:
        """How far days are moved back."""
        years = _YEARS[self._substitute.number_of("years") % len(_YEARS)]
        return timedelta(weeks=round(years * _WEEKS_PER_YEAR))

    def json(self, value: Any, key: str = "") -> Any:  # noqa: ANN401, PLR0911 - JSON, a case for each of its types
        """Return a JSON value with everything personal replaced.

        Args:
            key: Under which it stands.
        """
        match value:
            case bool() | None:
                return value
            case str():
                return self.string(value, key)
            case int():
                return self._integer(value, key)
            case Decimal():
                return self._decimal(value, key)
            case float():
                return self._decimal(Decimal(str(value)), key)
            case Mapping():
                # An id as a name says nothing of what stands under it: `failures` by account are counts.
                fields = {str(name): part for name, part in value.items()}
                labelled = names_something_else(fields) and has_more_digits(fields["value"], _DIGITS_OF_A_BALANCE)
                return {
                    self._key(name): self.json(part, key if _ID.fullmatch(name) else "id" if labelled else name)
                    for name, part in fields.items()
                }
            case list() | tuple():
                return [self.json(part, key) for part in value]
            case _:
                return self.text(str(value))

    def string(self, value: str, key: str = "") -> str:
        """Return a string: an amount, a day, or words. Blanks around it stay."""
        if key in self.counts and _COUNT.fullmatch(value):
            return value
        stripped = value.strip()
        if names_currency(key) and is_currency(stripped):
            return value
        replaced = self._whole_string(stripped, self._kind_of(key, stripped))
        return self.text(value) if replaced is None else value.replace(stripped, replaced, 1)

    def _whole_string(self, value: str, kind: KeyKind | None) -> str | None:
        """Return what stands for a string that is one value; None when it is words."""
        is_kept = (kind is KeyKind.ZONE and value in _ZONES) or (kind is KeyKind.RATE and _RATE.fullmatch(value))
        if is_kept:
            return value
        if kind is KeyKind.BIRTH:
            return self._part_by_part(value)
        if kind is KeyKind.PLACE and _NUMBER.fullmatch(value):
            return "0.0"
        if kind not in {KeyKind.IDENTITY, KeyKind.CURRENCY} and is_amount(value, grouped=kind is KeyKind.MONEY):
            return multiplied(value, self.multiplier)
        if _WHOLE.fullmatch(value):
            return self._digits_string(value, kind)
        return moved_as_written(value, self._iso_day)

    def text(self, value: str) -> str:
        """Return a text with its words and numbers replaced one by one."""
        value = _PEM.sub(PRIVATE_KEY, value)
        if PRIVATE_KEY in value:
            return PRIVATE_KEY.join(self.text(part) if part else "" for part in value.split(PRIVATE_KEY))
        return TOKEN.sub(self._token, readable(value))

    def day(self, value: date) -> date:
        """Return a moved day."""
        return value - self.shift

    def moment(self, value: datetime) -> datetime:
        """Return a moved moment."""
        return value - self.shift

    def amount(self, value: Decimal) -> Decimal:
        """Return a multiplied amount."""
        return value * self.multiplier

    def _token(self, found: re.Match[str]) -> str:  # noqa: C901, PLR0911 - a case for each kind of token
        token = found.group()
        match found.lastgroup:
            case "entity" | "loopback":
                return token
            case "uuid":
                return "-".join(self._substitute.hex_digits(part.lower()) for part in token.split("-"))
            case "iban" if is_iban(token):
                return self._substitute.iban(token)
            case "day" | "time":
                return self._iso_day(found["day"]) + (found["time"] or "")
            case "spaced":
                return self._spaced(token)
            case "letters":
                return self._substitute.word(token)
            case "digits":
                return self._digits_of_any_script(token)
            case "symbol":
                return self._symbol(token)
            case _:  # what only looked like an IBAN
                return self._part_by_part(token)

    def _part_by_part(self, text: str) -> str:
        """Return a text with each of its words and numbers replaced, whatever they mean together."""
        return "".join(
            self._substitute.word(part) if part.isalpha() else self._digits_of_any_script(part)
            if part.isdecimal() else part
            for part in re.findall(r"[^\W\d_]+|\d+|.", text, re.DOTALL)
        )  # fmt: skip

    def _spaced(self, token: str) -> str:
        """Return other signs for a run of single ones, with what stands between them."""
        parts = SPACED.split(token)  # signs at even places, some of them empty
        replaced = iter(self._substitute.spaced("".join(parts[::2])))
        between = (TOKEN.sub(self._token, part) for part in parts[1::2])
        signs = (next(replaced) if part else "" for part in parts[::2])
        return "".join(sign + part for sign, part in zip_longest(signs, between, fillvalue=""))

    def _digits_of_any_script(self, token: str) -> str:
        """Return other digits of the same scripts; the value decides, not the script."""
        replaced = self._substitute.digits("".join(str(unicodedata.digit(digit)) for digit in token))
        zeros = (ord(digit) - unicodedata.digit(digit) for digit in token)
        return "".join(chr(zero + int(digit)) for zero, digit in zip(zeros, replaced, strict=True))

    def _symbol(self, symbol: str) -> str:
        """Return another symbol, because circled letters and flags spell names; punctuation and marks stay."""
        category = unicodedata.category(symbol)
        if category[0] in "PZCM" or category in _PUNCTUATION:
            return symbol
        return _SYMBOLS[self._substitute.number_of("symbol", symbol) % len(_SYMBOLS)]

    def _iso_day(self, token: str) -> str:
        try:
            day = date.fromisoformat(token)
            if day < _RECENT_FROM:
                days = self._substitute.number_of("day", token) % (_RECENT_FROM - _OLD_FROM).days
                return (_OLD_FROM + timedelta(days=days)).isoformat()
            return self.day(day).isoformat()
        except (ValueError, OverflowError):
            return self._substitute.digits(token.replace("-", ""))

    def _kind_of(self, key: str, value: str | Decimal) -> KeyKind | None:
        """Return what a number under a key is; one with the decimals of a place is no money of an unknown field."""
        kind = kind_of(key)
        is_fine = len(str(value).partition(".")[2]) >= _DECIMALS_OF_A_PLACE
        is_known = all(word in self.vocabulary for word in words_of_key(key)) and key
        return KeyKind.IDENTITY if kind is None and is_fine and not is_known else kind

    def _digits_string(self, value: str, kind: KeyKind | None) -> str:
        if kind is KeyKind.DAY and is_compact_day(value):
            return self._iso_day(f"{value[:4]}-{value[4:6]}-{value[6:]}").replace("-", "")
        if kind is KeyKind.DAY and epoch_unit(int(value[:20])):
            return str(self._moved_epoch(int(value)))
        if kind is KeyKind.MONEY and not has_more_digits(value, _DIGITS_OF_MONEY):
            return multiplied(value, self.multiplier)
        sign = value[0] if value[0] in "+-" else ""
        return sign + self._substitute.digits(value.lstrip("+-"))

    def _integer(self, value: int, key: str) -> int:
        kind = kind_of(key)
        if abs(value) < (_MANY if key in self.counts else _KEPT_BELOW.get(kind, 0)):
            return value
        match kind:
            case KeyKind.MONEY if not has_more_digits(value, _DIGITS_OF_MONEY):
                return value * self.multiplier
            case KeyKind.DAY if epoch_unit(value):
                return self._moved_epoch(value)
            case KeyKind.DAY if is_compact_day(str(value)):
                return int(self._digits_string(str(value), KeyKind.DAY))
            case None if value in {0, 1}:  # a yes or no
                return value
        return (-1 if value < 0 else 1) * int(self._substitute.digits(str(abs(value))))

    def _decimal(self, value: Decimal, key: str) -> Decimal:
        kind = self._kind_of(key, value)
        if not value.is_finite() or (kind is KeyKind.RATE and abs(value) < _MANY):
            return value
        if kind is KeyKind.PLACE:
            return Decimal("0.0")
        if kind in {KeyKind.IDENTITY, KeyKind.CURRENCY, KeyKind.BIRTH}:
            return Decimal(self.text(f"{value:f}"))
        if kind is KeyKind.DAY and epoch_unit(int(value)):
            return value - Decimal(int(self.shift.total_seconds())) * epoch_unit(int(value))
        return self.amount(value)

    def _moved_epoch(self, value: int) -> int:
        return value - int(self.shift.total_seconds()) * epoch_unit(value)

    def _key(self, key: str) -> str:
        words = words_of_key(key)
        is_known = words and all(word in FIELD_WORDS or word in self.vocabulary for word in words)
        is_known = is_known or key.casefold() in self.vocabulary
        return key if is_known and _FIELD_NAME.fullmatch(key) else self.text(key)


_ZONES = frozenset(available_timezones())
