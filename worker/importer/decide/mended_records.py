"""Finds rejected records of a bank's own form that arrived since, mended: the same words but for one field. Pure.

Only the connector could read such a record, and could not. So its text is compared with the record of a row that
arrived later: a line of a table whose amount is a number now, or whose state is one that is known.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any

from worker.importer.decide.compare.one_to_one import MAX_CANDIDATES
from worker.words import words_of

MAX_WORDS_BROKEN = 4
"""A field that could not be read has no more words: `1.234.567,5k` has four."""


@dataclass(frozen=True, slots=True)
class ArrivedRecord:
    """The bank's record of a row that arrived.

    Attributes:
        words: What the row says of the payment.
        on: The day that the bank states.
        fields: The fields of the record, as the bank wrote them.
    """

    words: str
    on: date
    fields: Mapping[str, Any]


def mended_records(rejected: Mapping[int, str], arrived: Iterable[ArrivedRecord]) -> list[int]:
    """Return the rejections whose record arrived, each record standing for one of them at most.

    Args:
        rejected: The texts of rejected records, by the ids of the rejections.
    """
    texts = {key: Counter(words_of(text)) for key, text in rejected.items()}
    having: dict[str, dict[int, None]] = defaultdict(dict)
    for key, words in texts.items():
        for word in words:
            having[word][key] = None
    found = []
    for record in arrived:
        alike = having.get(max(words_of(record.words), key=len, default=""), {})
        mended = next((one for one in islice(alike, MAX_CANDIDATES) if is_mended(texts[one], record)), None)
        if mended is not None:
            found.append(mended)
            for word in texts[mended]:
                having[word].pop(mended)
    return found


def is_mended(text: Counter[str], record: ArrivedRecord) -> bool:
    """Return whether a record has the words of a rejected text, but for those of one field.

    That field is none of what the row says of the payment, and not its day: a payment of every day or month tells the
    same with another one.
    """
    said = Counter(words_of(record.words))
    if not said or not said.keys() <= text.keys():
        return False
    fields = [Counter(words_of(value)) for value in record.fields.values() if isinstance(value, str)]
    whole = sum(fields, Counter[str]())
    lacking, names = whole - text, {word for name in record.fields for word in words_of(name)}
    over = Counter({word: count for word, count in (text - whole).items() if word not in names})
    if over.total() > MAX_WORDS_BROKEN or not any(lacking <= field for field in fields):
        return False
    days = [field for field in fields if _names_day(field, record.on)]
    return bool(days) and not any(lacking & day for day in days)


def _names_day(field: Counter[str], on: date) -> bool:
    """Return whether a field names a day, in whatever order."""
    numbers = set(_numbers(field))
    return f"{on:%Y%m%d}" in field or (on.day in numbers and not numbers.isdisjoint({on.year, on.year % 100}))


def _numbers(words: Iterable[str]) -> Iterator[int]:
    return (int(word) for word in words if word.isascii() and word.isdigit() and len(word) <= len("2026"))
