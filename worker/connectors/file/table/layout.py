"""Finds the layout of a CSV file: a known profile, or a guess from its column names, with a confidence."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from worker.connectors.file.statement.currencies import currency_sign
from worker.connectors.file.statement.dates import fitting_orders
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.table.column_names import guess_profile
from worker.connectors.file.table.column_questions import AMOUNT, questions_about_columns
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.lines_above import LinesAbove, lines_above
from worker.connectors.file.table.profile import Profile, plain

LEAST_CONFIDENCE = 0.5
_NAMED, _HEADERLESS = 0.99, 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A profile laid over one file.

    Attributes:
        header_line: 0 where the file has no header.
        confidence: 0 to 1.
        above: What the lines above the header say.
    """

    profile: Profile
    delimiter: str
    header_line: int
    header: tuple[str, ...]
    confidence: float
    above: LinesAbove = field(default_factory=LinesAbove)
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
    _refuse_twice(stated or {})
    candidates = [chosen] if chosen else [] if stated else list(profiles)
    found: list[Layout] = []
    for delimiter, rows in heads.items():
        found += _layouts(rows, delimiter, candidates, chosen, stated)
    if not found:
        raise StatementError(_why_not(chosen, heads), doubts=() if chosen else questions_about_columns(heads))
    best = max(found, key=lambda layout: (layout.confidence, len(layout.profile.recognised_by)))
    by_number = all(name.isdecimal() for name in stated or ())
    unknown = [name for name in stated or () if name not in best.header and best.header_line and not by_number]
    if unknown:
        raise StatementError(f"there is no column '{unknown[0]}' (--column); {_listed(best.header)}")
    return _sure(best) if chosen else best


def _refuse_twice(stated: Mapping[str, str]) -> None:
    """Raises: StatementError where two columns are stated to hold what only one can."""
    for role in sorted(set(stated.values()) - {"description", "ignore"}):
        names = [name for name, said in stated.items() if said == role]
        if len(names) > 1:
            raise StatementError(
                f"columns '{names[0]}' and '{names[1]}' are both stated to hold the {role}: one of them may be another"
                " amount (debit, credit, balance, fee), or --ignore it"
            )


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


def _by_numbers(rows: list[Record], delimiter: str, stated: Mapping[str, str]) -> Layout | None:
    """Lay out a file without a header by the numbers of its columns, counted from 1."""
    filled = [row for row in rows if not row.blank]
    width = max((len(row.cells) for row in filled), default=0)
    if width < 2 or not all(name.isdecimal() and 0 < int(name) <= width for name in stated):  # noqa: PLR2004 - a table
        return None
    named = next((row for row in filled[:1] if len(row.cells) == width and _names_only(row)), None)
    header = numbered(named.cells if named is not None else [""] * width)
    roles = {header[int(name) - 1]: role for name, role in stated.items()}
    roles |= {name: roles.get(name, "ignore") for name in header}
    guess = guess_profile(header, roles)
    if guess is None:
        return None
    dated = [row for row in filled if any(fitting_orders(row.cells[at]) for at in _days_at(stated, len(row.cells)))]
    if len(dated) * 2 < len(filled):
        return None  # split by another mark, the columns would be others
    return Layout(
        profile=guess[0],
        delimiter=delimiter,
        header_line=named.line if named is not None else 0,
        header=header,
        confidence=_HEADERLESS,
        guessed=True,
    )


def _names_only(row: Record) -> bool:
    """Return whether a row holds names of columns, in whatever language: no day, no amount, no cell twice."""
    texts = [text for text in row.cells if text]
    return len(set(texts)) == len(texts) > 1 and not any(fitting_orders(one) or AMOUNT.fullmatch(one) for one in texts)


def _sure(layout: Layout) -> Layout:
    return replace(layout, confidence=1.0)


def _days_at(stated: Mapping[str, str], width: int) -> list[int]:
    """Return the places of the columns that are stated to hold days, in a row of so many cells."""
    return [int(name) - 1 for name, role in stated.items() if role.endswith("date") and int(name) <= width]


def _why_not(chosen: Profile | None, heads: Mapping[str, list[Record]]) -> str:
    """Return why no layout fits, with the columns that a chosen profile names and the file does not have."""
    if chosen is None:
        return (
            "no column of dates and amounts is recognised: state --column NAME=date and --column NAME=amount (numbers"
            " of columns where there is no header), or describe the layout in a profile (files profile FILE begins one)"
        )
    if chosen.columns:
        return f"profile '{chosen.name}' does not fit: the rows are not {', '.join(chosen.columns)}"
    aliases = chosen.canonical
    headers = [
        numbered(aliases.get(plain(text), text) for text in row.cells)
        for delimiter, rows in heads.items()
        if chosen.delimiter in {None, delimiter}
        for row in rows
    ]
    nearest = min(headers, key=lambda header: len(chosen.missing(header)), default=())
    missing = chosen.missing(nearest)
    if not missing:
        return f"profile '{chosen.name}' does not fit: the file has more columns than {', '.join(chosen.recognised_by)}"
    found = f"; {_listed(nearest)}" if len(missing) < len(chosen.missing(())) else ""
    return f"profile '{chosen.name}' does not fit: there is no column {', '.join(missing)}{found}"


def _listed(header: Sequence[str]) -> str:
    return f"the file's columns are {', '.join(header)}"


def _lay(profile: Profile, rows: list[Record], delimiter: str) -> Layout | None:
    if profile.columns:
        return _lay_headerless(profile, rows, delimiter)
    needed = set(profile.recognised_by)
    aliases = profile.canonical
    for row in rows:
        if len(row.cells) < profile.least_cells:
            continue
        header = numbered(aliases.get(plain(text), text) for text in row.cells)
        if profile.missing(header):
            continue
        if not (profile.exact and {name for name in header if not name.startswith("column ")} - needed):
            known = len(needed | (set(profile.used) & set(header)))
            share = known / max(1, len([name for name in header if name]))
            confidence = min(_NAMED, 0.8 + 0.2 * share)
            return Layout(
                profile=profile,
                delimiter=delimiter,
                header_line=row.line,
                header=header,
                confidence=round(confidence, 2),
                above=lines_above(rows, row.line),
            )
    return None


def _lay_headerless(profile: Profile, rows: list[Record], delimiter: str) -> Layout | None:
    """A file without a header fits when every one of its first rows has the width and a date where one belongs."""
    header = numbered(profile.columns)
    filled = [row for row in rows if not row.blank][profile.header_lines :]
    at = header.index(plain(profile.date)) if plain(profile.date) in header else -1
    fits = [len(row.cells) == len(header) and bool(fitting_orders(row.cells[at])) for row in filled]
    if not fits or at < 0 or not fits[0] or sum(fits) < len(fits) * 0.9:
        return None
    if any(name == "star" and row.cells[index] != "*" for row in filled for index, name in enumerate(header)):
        return None
    if profile.type and not _says_direction(profile, filled, header):
        return None
    return Layout(
        profile=profile,
        delimiter=delimiter,
        header_line=filled[0].line - 1 if profile.header_lines else 0,
        header=header,
        confidence=_HEADERLESS,
    )


def _says_direction(profile: Profile, rows: list[Record], header: tuple[str, ...]) -> bool:
    at = header.index(plain(profile.type or ""))
    words = {word.casefold() for word in (*profile.debit_words, *profile.credit_words)}
    return all(row.cells[at].casefold() in words for row in rows if len(row.cells) == len(header))


def _told_by_values(profile: Profile, header: tuple[str, ...], rows: list[Record]) -> dict[str, str]:
    """Return the roles of columns whose values contradict their names.

    A column of amounts that is empty gives way to columns of money out and in. A name such as `Valuta`, which means a
    day in one language and a currency in others, means what its values are.
    """
    values = {name: [row.cells[at] for row in rows if at < len(row.cells)] for at, name in enumerate(header)}
    told: dict[str, str] = {}
    by_role = guess_profile(header, {plain(profile.amount): "ignore"}) if profile.amount else None
    if by_role is not None and profile.amount and not any(values[plain(profile.amount)]):
        sides = [plain(name) for name in (by_role[0].debit, by_role[0].credit) if name]
        if any(any(values[name]) for name in sides):
            told[plain(profile.amount)] = "ignore"
    dated = plain(profile.value_date or "")
    filled = [text for text in values.get(dated, ()) if text]
    if filled and profile.currency_column is None and all(currency_sign(text) for text in filled):
        told[dated] = "currency"
    return told


def _guess(rows: list[Record], delimiter: str, stated: Mapping[str, str] | None) -> Layout | None:
    best: Layout | None = None
    for number, row in enumerate(rows):
        header = numbered(row.cells)
        guess = guess_profile(header, stated)
        if guess is not None and (told := _told_by_values(guess[0], header, rows[number + 1 :])):
            guess = guess_profile(header, {**told, **(stated or {})})
        if guess is not None and (best is None or guess[1] > best.confidence):
            best = Layout(
                profile=guess[0],
                delimiter=delimiter,
                header_line=row.line,
                header=header,
                confidence=guess[1],
                above=lines_above(rows, row.line),
                guessed=True,
            )
    return best
