"""Finds the layout of a table: a known profile, a guess from its column names, or what its columns hold. Pure."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from worker.connectors.file.statement.dates import fitting_orders
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.table.column_names import guess_profile, named_roles
from worker.connectors.file.table.column_questions import AMOUNT, questions_about_columns
from worker.connectors.file.table.column_samples import column_samples
from worker.connectors.file.table.corrected_columns import told_by_values
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.layout import Layout, numbered
from worker.connectors.file.table.lines_outside_rows import lines_above
from worker.connectors.file.table.profile import Profile, plain
from worker.connectors.file.table.roles_by_values import roles_by_values

LEAST_CONFIDENCE = 0.5
_NAMED, _HEADERLESS = 0.99, 0.6
_LEAST_NAMES = 3


def detect_layout(
    heads: Mapping[str, list[Record]],
    profiles: Sequence[Profile],
    *,
    chosen: Profile | None = None,
    stated: Mapping[str, str] | None = None,
    ignored: Collection[str] = (),
) -> Layout:
    """Find the layout of a table from its first records.

    Args:
        heads: The first records, for each delimiter that may be meant.
        chosen: A profile somebody named; it is used or refused, never replaced.
        stated: Columns whose meaning a person states, as name (or number) to role.
        ignored: Columns that a person wants unread, whatever their names or values say.

    Raises: StatementError saying what is missing.
    """
    _refuse_twice(stated or {})
    candidates = [chosen] if chosen else [] if stated else list(profiles)
    roles = {**dict.fromkeys(ignored, "ignore"), **(stated or {})}
    found: list[Layout] = []
    for delimiter, rows in heads.items():
        found += _layouts(rows, delimiter, candidates, None if chosen else roles)
        if stated and (numbered_columns := _by_numbers(rows, delimiter, stated)) is not None:
            found.append(numbered_columns)
    if not found and chosen is None:
        found = [one for delimiter, rows in heads.items() if (one := _by_values(rows, delimiter, roles))]
    if not found:
        raise StatementError(_why_not(chosen, heads), doubts=() if chosen else questions_about_columns(heads))
    best = max(found, key=lambda layout: (layout.confidence, len(layout.profile.recognised_by)))
    by_number = all(name.isdecimal() for name in stated or ())
    unknown = [name for name in stated or () if name not in best.header and best.header_line and not by_number]
    if unknown:
        raise StatementError(f"there is no column '{unknown[0]}' (--column); {_listed(best.header)}")
    return replace(best, confidence=1.0) if chosen else best


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
    roles: Mapping[str, str] | None,
) -> list[Layout]:
    """Return every layout that the first rows of a file may have when it is split by a delimiter.

    The names of columns are read beside the `roles` that a person states, unless these are None.
    """
    usable = [profile for profile in candidates if profile.delimiter in {None, delimiter}]
    found = [layout for profile in usable if (layout := _lay(profile, rows, delimiter)) is not None]
    if roles is not None and (guess := _guess(rows, delimiter, roles)) is not None:
        found.append(guess)
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
    return replace(_laid(guess[0], rows, delimiter, header, named, _HEADERLESS), guessed=True)


def _by_values(rows: list[Record], delimiter: str, stated: Mapping[str, str]) -> Layout | None:
    """Lay out a table by what its columns hold, where their names do not say enough, or it has none."""
    filled = [row for row in rows if not row.blank]
    dated = [(at, len(row.cells)) for at, row in enumerate(filled) if any(map(fitting_orders, row.cells))]
    widths = Counter(cells for _, cells in dated)
    width = max(widths, key=lambda one: (widths[one], one), default=0)
    begins = next((at for at, cells in dated if cells == width), 0)
    named = next((row for row in reversed(filled[:begins]) if _may_name_columns(row, width)), None)
    names = named.cells if named is not None and not _lacks_a_name(named, width, filled[begins:]) else ()
    header = numbered([*names, *[""] * width][:width])
    said = {header[int(name) - 1] if name.isdecimal() and int(name) <= width else name: stated[name] for name in stated}
    roles = roles_by_values(column_samples(header, filled[begins:]), {**named_roles(header), **said})
    if roles is None or (guess := guess_profile(header, {**roles, **said})) is None:
        return None
    told = told_by_values(guess[0], header, filled[begins:])
    profile, _ = guess_profile(header, {**roles, **told, **said}) or guess
    held = ", ".join(
        f"'{name}' = {role}" for name, role in roles.items() if name not in {**named_roles(header), **said}
    )
    notes = (f"columns without a known name are read as what they hold: {held}",)
    return replace(_laid(profile, rows, delimiter, header, named, _HEADERLESS), guessed=True, notes=notes)


def _laid(
    profile: Profile,
    rows: Sequence[Record],
    delimiter: str,
    header: tuple[str, ...],
    named: Record | None,
    confidence: float,
) -> Layout:
    """Lay a profile over a table. named: the row with the names of the columns."""
    line = named.line if named is not None else 0
    return Layout(
        profile=profile,
        delimiter=delimiter,
        header_line=line,
        header=header,
        confidence=confidence,
        above=lines_above(rows, line),
    )


def _lacks_a_name(named: Record, width: int, rows: Sequence[Record]) -> bool:
    """Return whether rows fill more columns than a line names: one that lost a mark names others from there on.

    Args:
        width: How many columns most rows have.
    """
    return any(any(row.cells[len(named.cells) : width]) for row in rows)


def _may_name_columns(row: Record, width: int) -> bool:
    """Return whether a row may name so many columns: most of them, and with neither a day nor an amount."""
    texts = [text for text in row.cells if text]
    return len(texts) * 2 >= max(width, _LEAST_NAMES) and not any(
        fitting_orders(one) or AMOUNT.fullmatch(one) for one in texts
    )


def _names_only(row: Record) -> bool:
    """Return whether a row holds names of columns, in whatever language: no day, no amount, no cell twice."""
    texts = [text for text in row.cells if text]
    return len(set(texts)) == len(texts) > 1 and not any(fitting_orders(one) or AMOUNT.fullmatch(one) for one in texts)


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
            return _laid(profile, rows, delimiter, header, row, round(confidence, 2))
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
    money = [header.index(name) for name in map(plain, (profile.amount or "", *profile.amounts)) if name in header]
    if any(
        AMOUNT.fullmatch(row.cells[index]) is None
        for row, fit in zip(filled, fits, strict=True)
        if fit
        for index in money
    ):
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


def _guess(rows: list[Record], delimiter: str, roles: Mapping[str, str]) -> Layout | None:
    best: Layout | None = None
    for number, row in enumerate(rows):
        header = numbered(row.cells)
        guess = guess_profile(header, roles)
        if guess is not None and (told := told_by_values(guess[0], header, rows[number + 1 :])):
            better = guess_profile(header, {**told, **roles})
            guess = (better[0], min(guess[1], better[1])) if better is not None else None
        if guess is not None and (best is None or guess[1] > best.confidence):
            best = replace(_laid(guess[0], rows, delimiter, header, row, guess[1]), guessed=True)
    return best
