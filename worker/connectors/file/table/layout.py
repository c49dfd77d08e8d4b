"""Finds the layout of a CSV file: a known profile, or a guess from its column names, with a confidence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from worker.connectors.file.statement.account_numbers import find_iban
from worker.connectors.file.statement.dates import fitting_orders
from worker.connectors.file.statement.events import StatementError
from worker.connectors.file.table.column_names import guess_profile
from worker.connectors.file.table.csv_records import Record, records
from worker.connectors.file.table.profile import Profile, plain

DELIMITERS = (",", ";", "\t", "|")
LEAST_CONFIDENCE = 0.5
_HEAD_RECORDS = 80
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


def numbered(cells: Iterable[str]) -> tuple[str, ...]:
    """Return header cells as they are compared, a repeated name with `#2`, `#3` behind it."""
    seen: dict[str, int] = {}
    names = []
    for cell in cells:
        name = plain(cell)
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return tuple(names)


def detect_layout(head: Sequence[str], profiles: Sequence[Profile], *, chosen: Profile | None = None) -> Layout:
    """Find the layout of a file from its first lines.

    chosen: a profile somebody named; it is used or refused, never replaced. Raises: StatementError saying what is
    missing.
    """
    head, declared = _declared_delimiter(head)
    offset = 1 if declared else 0
    candidates = [chosen] if chosen else list(profiles)
    found: list[Layout] = []
    for delimiter in [declared] if declared else DELIMITERS:
        rows = _rows(head, delimiter, offset)
        usable = [profile for profile in candidates if profile.delimiter in {None, delimiter}]
        found += [layout for profile in usable if (layout := _lay(profile, rows, delimiter)) is not None]
        if chosen is None and (guess := _guess(rows, delimiter)) is not None:
            found.append(guess)
    if not found:
        raise StatementError(_why_not(chosen))
    best = max(found, key=lambda layout: (layout.confidence, len(layout.profile.recognised_by)))
    if chosen:
        return _sure(best)
    return best


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
        return "no column of dates and amounts is recognised; describe the layout in a profile"
    return f"profile '{chosen.name}' does not fit: no row holds the columns {', '.join(chosen.recognised_by)}"


def _declared_delimiter(head: Sequence[str]) -> tuple[Sequence[str], str | None]:
    """Excel's first line `sep=;` names the delimiter."""
    first = head[0].lstrip("\ufeff").strip().strip('"') if head else ""
    if first.lower().startswith("sep=") and len(first) == 5:  # noqa: PLR2004 - sep= and one character
        return head[1:], first[4]
    return head, None


def _rows(head: Sequence[str], delimiter: str, offset: int) -> list[Record]:
    rows = []
    try:
        for record in records(head, delimiter):
            rows.append(Record(record.line + offset, record.cells))
            if len(rows) == _HEAD_RECORDS:
                break
    except StatementError:
        pass  # the head may be cut inside a quoted cell; the whole file is judged when it is read
    return rows


def _iban_before(rows: list[Record], header_line: int) -> str | None:
    """Return the account's IBAN from the lines above the header, where banks print it."""
    return next((iban for row in rows if row.line < header_line and (iban := find_iban(" ".join(row.cells)))), None)


def _lay(profile: Profile, rows: list[Record], delimiter: str) -> Layout | None:
    if profile.columns:
        return _lay_headerless(profile, rows, delimiter)
    needed = set(profile.recognised_by)
    for row in rows:
        header = numbered(row.cells)
        if needed <= set(header) and not (profile.exact and set(header) - needed - {""}):
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


def _guess(rows: list[Record], delimiter: str) -> Layout | None:
    best: Layout | None = None
    for row in rows:
        header = numbered(row.cells)
        guess = guess_profile(header)
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
