"""Prints results of commands: tables that fit the terminal, aligned plain text elsewhere, or JSON."""

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import click
import typer

from worker.errors import InvalidRequestError
from worker.inert_text import inert, inert_json, inert_lines

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WideFlag = Annotated[bool, typer.Option("--wide", help="Show every column, however wide the terminal is.")]

Record = Mapping[str, Any]
_NARROWEST = 40
_A_SECOND = "_per_s"


def print_rows(
    rows: Sequence[Record], columns: Sequence[str], *, as_json: bool, empty: str, wide: bool | None = None
) -> None:
    """Print records.

    Args:
        rows: The records.
        columns: Their fields to show as a table, the most important first: a terminal that is too narrow for all shows
            whole columns, each that has room beside those before it, and names the rest.
        as_json: Print every field of every record as JSON instead.
        empty: The sentence for no rows.
        wide: Show all columns however wide the terminal is; None: the command has no --wide.
    """
    if as_json:
        print_json([dict(row) for row in rows])
    elif not rows:
        say(empty)
    else:
        _table([[_field(column, row.get(column)) for column in columns] for row in rows], columns, wide=wide)


def print_record(record: Record, *, as_json: bool) -> None:
    """Print one record, a field a line; empty fields are left out of text, kept in JSON."""
    if as_json:
        print_json(dict(record))
        return
    shown = {name: _field(name, value) for name, value in record.items() if value not in (None, "", [], {})}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        say(f"{_heading(name):<{width}}  {value}")


def print_result(record: Record | Sequence[Record], text: object, *, as_json: bool) -> None:
    """Print what a command did: as JSON, or as text for a person."""
    if as_json:
        print_json(record)
    else:
        say(text)


def print_json(value: Any) -> None:  # noqa: ANN401 - anything JSON can hold
    """Print `value` as indented JSON; moments in ISO 8601, money as text, durations in seconds."""
    typer.echo(inert_json(json.dumps(value, indent=2, default=_plain, ensure_ascii=False)))


def say(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print text that may hold input of users and banks; the terminal interprets no control sequence in it."""
    typer.echo(inert_lines(str(text)), err=err, nl=nl)


def say_each(sentences: Iterable[str], *, indent: int = 4) -> None:
    """Print sentences, one a line; a terminal that is too narrow breaks them between words.

    Args:
        indent: How many columns the further lines of a sentence are set in.
    """
    for sentence in sentences:
        say(fitted(sentence, shutil.get_terminal_size().columns, indent) if on_terminal() else sentence)


def fitted(line: str, width: int, indent: int) -> str:
    """Break a line between words, so that what is one word can be copied whole."""
    further = " " * indent
    return textwrap.fill(line, width, subsequent_indent=further, break_long_words=False, break_on_hyphens=False)


def warn(message: str) -> None:
    """Print one line that is not the result."""
    say(f"warning: {message}", err=True)


def write_between_marks(page: Path, mark: str, text: str) -> None:
    """Replace what stands between `<!-- mark -->` and `<!-- /mark -->` in a page of documentation.

    Raises: InvalidRequestError when the page has no such place.
    """
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    before, begun, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise InvalidRequestError(f"{page} has no place for the tables: {begin.strip()} and {end}")
    page.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def on_terminal() -> bool:
    """Say whether a person watches."""
    return sys.stdout.isatty()


def _table(rows: list[list[str]], columns: Sequence[str], *, wide: bool | None) -> None:
    headings = [_heading(column) for column in columns]
    widths = [max(len(line[index]) for line in [headings, *rows]) for index in range(len(columns))]
    screen = shutil.get_terminal_size()
    shown = _fitting(widths, screen.columns) if on_terminal() and not wide else list(range(len(columns)))
    lines = ["  ".join(line[index].ljust(widths[index]) for index in shown).rstrip() for line in [headings, *rows]]
    if len(shown) < len(columns):
        whole = "--json shows all" if wide is None else "--wide or --json shows all"
        hidden = [heading for index, heading in enumerate(headings) if index not in shown]
        left_out = f"not shown at this width: {', '.join(hidden)} ({whole})"
        lines += ["", *textwrap.wrap(left_out, max(screen.columns, _NARROWEST))]
    if on_terminal():
        lines[0] = typer.style(lines[0], bold=True)
    show(lines)


def show(lines: Sequence[str]) -> None:
    """Print lines, page by page where a terminal has room for fewer. They are shown as they are."""
    if on_terminal() and len(lines) > shutil.get_terminal_size().lines:
        os.environ.setdefault("LESS", "-FRX")  # quit when it fits, keep colours, leave the text on the screen
        click.echo_via_pager("\n".join(lines) + "\n")
    else:
        typer.echo("\n".join(lines))


def _fitting(widths: Sequence[int], width: int) -> list[int]:
    """Return which columns fit in `width`, two spaces apart: the first one, and each that still has room."""
    fits, used = [0], widths[0]
    for index, column in enumerate(widths[1:], start=1):
        if used + 2 + column <= width:
            fits.append(index)
            used += 2 + column
    return fits


def _heading(column: str) -> str:
    if column.endswith(_A_SECOND):
        return column.replace("_", " ")
    return column.removesuffix("_at").removesuffix("_on").removesuffix("_s").replace("_", " ")


def _field(name: str, value: Any) -> str:  # noqa: ANN401
    """Write a value as its name says: a number of seconds as a duration, unless it is how many there are a second."""
    is_seconds = name.endswith("_s") and not name.endswith(_A_SECOND)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return _duration(value) if is_seconds and is_number else _cell(value)


def _cell(value: Any) -> str:  # noqa: ANN401
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, timedelta):
        return _duration(value.total_seconds())
    if isinstance(value, (dict, list)):
        return inert_json(json.dumps(value, default=_plain, ensure_ascii=False))
    return inert(str(value))


def _duration(seconds: float) -> str:
    """Write a duration as 2d, 6h, 90m, 12s or 0.4s: in the largest unit that divides it."""
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % length_s == 0:
            return f"{seconds / length_s:.0f}{unit}"
    return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"  # noqa: PLR2004 - tenths matter below ten


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else str(value)
