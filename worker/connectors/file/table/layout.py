"""Finds the layout of a CSV file: a known profile, or a guess from its column names, with a confidence."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from worker.connectors.file.statement.account_numbers import find_iban
from worker.connectors.file.statement.dates import fitting_orders
from worker.connectors.file.statement.events import Doubt, StatementError
from worker.connectors.file.table.column_names import guess_profile
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.profile import Profile, plain

LEAST_CONFIDENCE = 0.5
_DAY = re.compile(r"\d{1,4}[./\-]\d{1,2}[./\-]\d{1,4}(?:[T\s].*)?|\d{8}|\d{1,2}[. -][^\W\d_]{3,9}[. -]\d{2,4}")
_AMOUNT = re.compile(r"[-+(]?\s?[^\d\s.,]{0,4}\s?\d[\d.,' ]*[.,]\d{1,2}\)?-?(?:\s?\S{1,4})?")
_TOTALS = re.compile(
    r"(?i)\b(?:total|totals|sum|summe|subtotal|saldo|solde|balance|kontostand|end of|page|seite|opening|closing|"
    r"anfangssaldo|endsaldo|totale|totaal|suma|generated|printed|statement|records?|rows?)\b"
)
_NAMED, _HEADERLESS = 0.99, 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A profile laid over one file. header_line: 0 where the file has no header. confidence: 0 to 1."""

    profile: Profile
    delimiter: str
    header_line: int
    header: tuple[str, ...]
    confidence: float
    iban: str | None = None
    guessed: bool = False
    _columns: dict[str, int | None] = field(default_factory=dict, compare=False, repr=False)

    def column(self, name: str | None) -> int | None:
        """Return the index of a column; None where the file has none of that name."""
        if name is None:
            return None
        if name not in self._columns:
            wanted = plain(name)
            self._columns[name] = self.header.index(wanted) if wanted in self.header else None
        return self._columns[name]

    def places(self, *names: str | None) -> tuple[int, ...]:
        """Return the indexes of those columns that the file has."""
        return tuple(at for name in names if (at := self.column(name)) is not None)


def numbered(cells: Iterable[str]) -> tuple[str, ...]:
    """Return header cells as they are compared: a repeated name with `#2` behind it, an empty one as `column 3`."""
    seen: dict[str, int] = {}
    names = []
    for place, cell in enumerate(cells, start=1):
        name = plain(cell) or f"column {place}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return tuple(names)


def looks_like_booking(record: Record) -> bool:
    """Return whether a row holds a whole date and an amount with decimals, and no word of a total or a balance."""
    dated = any(_DAY.fullmatch(text) for text in record.cells)
    return dated and holds_amount(record) and not says_total(record)


def holds_amount(record: Record) -> bool:
    """Return whether a cell of a row is an amount with decimals."""
    return any(_AMOUNT.fullmatch(text) and not _DAY.fullmatch(text) for text in record.cells)


def says_total(record: Record) -> bool:
    """Return whether a row calls itself a total, a balance or a remark."""
    return any(_TOTALS.search(text) for text in record.cells if not any(mark.isdigit() for mark in text[:1]))


def detect_layout(
    heads: Mapping[str, list[Record]],
    profiles: Sequence[Profile],
    *,
    chosen: Profile | None = None,
    stated: Mapping[str, str] | None = None,
) -> Layout:
    """Find the layout of a table from its first records.

    Args:
        heads: The first records, for each delimiter that may be meant.
        profiles: The known profiles.
        chosen: A profile somebody named; it is used or refused, never replaced.
        stated: Columns whose meaning a person states, as name (or number) to role.

    Raises: StatementError saying what is missing.
    """
    candidates = [chosen] if chosen else [] if stated else list(profiles)
    found: list[Layout] = []
    for delimiter, rows in heads.items():
        found += _layouts(rows, delimiter, candidates, chosen, stated)
    if not found:
        raise StatementError(_why_not(chosen), doubts=() if chosen else _columns_by_values(heads))
    best = max(found, key=lambda layout: (layout.confidence, len(layout.profile.recognised_by)))
    return _sure(best) if chosen else best


def _layouts(
    rows: list[Record],
    delimiter: str,
    candidates: Sequence[Profile],
    chosen: Profile | None,
    stated: Mapping[str, str] | None,
) -> list[Layout]:
    """Return every layout that the first rows of a file may have when it is split by a delimiter."""
    usable = [profile for profile in candidates if profile.delimiter in {None, delimiter}]
    found = [layout for profile in usable if (layout := _lay(profile, rows, delimiter)) is not None]
    if chosen is None and (guess := _guess(rows, delimiter, stated)) is not None:
        found.append(guess)
    if stated and (numbered_columns := _by_numbers(rows, delimiter, stated)) is not None:
        found.append(numbered_columns)
    return found


def _columns_by_values(heads: Mapping[str, list[Record]]) -> tuple[Doubt, ...]:
    """Ask what the columns of an unknown table hold; the first choice is what their values look like."""
    best: tuple[Doubt, ...] = ()
    for head in heads.values():
        rows = [row for row in head if not row.blank]
        width = max((len(row.cells) for row in rows), default=0)
        doubts = []
        for at in range(width):
            values = [row.cells[at] for row in rows if at < len(row.cells) and row.cells[at]]
            held = _held_by(values[1:] if len(values) > 1 else values)
            question = f"What does column {at + 1} hold, as in '{values[-1][:40]}'?" if values else ""
            choices = tuple(dict.fromkeys((held, "date", "amount", "description", "ignore")))
            if values:
                doubts.append(Doubt(field="columns", column=str(at + 1), text=question, choices=choices))
        first = {doubt.choices[0] for doubt in doubts}
        if {"date", "amount"} <= first and len(doubts) > len(best):
            best = tuple(doubts)
    return best


def _held_by(values: Sequence[str]) -> str:
    if all(fitting_orders(text) for text in values):
        return "date"
    if all(_AMOUNT.fullmatch(text) for text in values):
        return "amount"
    return "ignore" if all(text.isdigit() for text in values) else "description"


def _by_numbers(rows: list[Record], delimiter: str, stated: Mapping[str, str]) -> Layout | None:
    """Lay out a file without a header by the numbers of its columns, counted from 1."""
    filled = [row for row in rows if not row.blank]
    width = max((len(row.cells) for row in filled), default=0)
    if width < 2 or not all(name.isdecimal() and 0 < int(name) <= width for name in stated):  # noqa: PLR2004 - a table
        return None
    header = numbered([""] * width)
    roles = {header[int(name) - 1]: role for name, role in stated.items()}
    roles |= {name: roles.get(name, "ignore") for name in header}
    guess = guess_profile(header, roles)
    if guess is None:
        return None
    return Layout(
        profile=guess[0], delimiter=delimiter, header_line=0, header=header, confidence=_HEADERLESS, guessed=True
    )


def _sure(layout: Layout) -> Layout:
    return Layout(
        profile=layout.profile,
        delimiter=layout.delimiter,
        header_line=layout.header_line,
        header=layout.header,
        confidence=1.0,
        iban=layout.iban,
    )


def _why_not(chosen: Profile | None) -> str:
    if chosen is None:
        return (
            "no column of dates and amounts is recognised: state --column NAME=date and --column NAME=amount (numbers"
            " of columns where there is no header), or describe the layout in a profile (files profile FILE begins one)"
        )
    return f"profile '{chosen.name}' does not fit: no row holds the columns {', '.join(chosen.recognised_by)}"


def _iban_before(rows: list[Record], header_line: int) -> str | None:
    """Return the account's IBAN from the lines above the header, where banks print it."""
    return next((iban for row in rows if row.line < header_line and (iban := find_iban(" ".join(row.cells)))), None)


def _lay(profile: Profile, rows: list[Record], delimiter: str) -> Layout | None:
    if profile.columns:
        return _lay_headerless(profile, rows, delimiter)
    needed = set(profile.recognised_by)
    aliases = profile.canonical
    for row in rows:
        header = numbered(aliases.get(plain(text), text) for text in row.cells)
        if needed <= set(header) and not (
            profile.exact and {name for name in header if not name.startswith("column ")} - needed
        ):
            known = len(needed | (set(profile.used) & set(header)))
            share = known / max(1, len([name for name in header if name]))
            confidence = min(_NAMED, 0.8 + 0.2 * share)
            iban = _iban_before(rows, row.line)
            return Layout(
                profile=profile,
                delimiter=delimiter,
                header_line=row.line,
                header=header,
                confidence=round(confidence, 2),
                iban=iban,
            )
    return None


def _lay_headerless(profile: Profile, rows: list[Record], delimiter: str) -> Layout | None:
    """A file without a header fits when every one of its first rows has the width and a date where one belongs."""
    header = numbered(profile.columns)
    filled = [row for row in rows if not row.blank]
    at = header.index(plain(profile.date)) if plain(profile.date) in header else -1
    fits = [len(row.cells) == len(header) and bool(fitting_orders(row.cells[at])) for row in filled]
    if not fits or at < 0 or not fits[0] or sum(fits) < len(fits) * 0.9:
        return None
    if any(name == "star" and row.cells[index] != "*" for row in filled for index, name in enumerate(header)):
        return None
    if profile.type and not _says_direction(profile, filled, header):
        return None
    return Layout(profile=profile, delimiter=delimiter, header_line=0, header=header, confidence=_HEADERLESS)


def _says_direction(profile: Profile, rows: list[Record], header: tuple[str, ...]) -> bool:
    at = header.index(plain(profile.type or ""))
    words = {word.casefold() for word in (*profile.debit_words, *profile.credit_words)}
    return all(row.cells[at].casefold() in words for row in rows if len(row.cells) == len(header))


def _guess(rows: list[Record], delimiter: str, stated: Mapping[str, str] | None) -> Layout | None:
    best: Layout | None = None
    for row in rows:
        header = numbered(row.cells)
        guess = guess_profile(header, stated)
        if guess is not None and (best is None or guess[1] > best.confidence):
            best = Layout(
                profile=guess[0],
                delimiter=delimiter,
                header_line=row.line,
                header=header,
                confidence=guess[1],
                iban=_iban_before(rows, row.line),
                guessed=True,
            )
    return best
