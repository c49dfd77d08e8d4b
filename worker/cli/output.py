"""What commands print: tables and fields with rich on a terminal, aligned plain text elsewhere, JSON when asked."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Record = Mapping[str, Any]


def print_rows(rows: Sequence[Record], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Print records: `columns` of each as a table, all of each as JSON. empty: the sentence for no rows."""
    if as_json:
        print_json([dict(row) for row in rows])
    elif not rows:
        typer.echo(empty)
    else:
        _table([[_cell(row.get(column)) for column in columns] for row in rows], columns)


def print_record(record: Record, *, as_json: bool) -> None:
    """Print one record, a field a line; empty fields are left out of text, kept in JSON."""
    if as_json:
        print_json(dict(record))
        return
    shown = {name: _cell(value) for name, value in record.items() if value not in (None, "", [], {})}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        typer.echo(f"{_heading(name):<{width}}  {value}")


def print_json(value: Any) -> None:  # noqa: ANN401 - anything JSON can hold
    """Print `value` as indented JSON; moments in ISO 8601, money as text, durations in seconds."""
    typer.echo(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def warn(message: str) -> None:
    """Print one line that is not the result."""
    typer.echo(f"warning: {message}", err=True)


def on_terminal() -> bool:
    """Say whether a person watches."""
    return sys.stdout.isatty()


def _table(rows: list[list[str]], columns: Sequence[str]) -> None:
    headings = [_heading(column) for column in columns]
    if on_terminal():
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
        from rich.table import Table  # noqa: PLC0415

        table = Table(*headings, box=None, header_style="bold", pad_edge=False)
        for row in rows:
            table.add_row(*row)
        Console().print(table, markup=False)
        return
    widths = [max(len(line[index]) for line in [headings, *rows]) for index in range(len(columns))]
    for line in [headings, *rows]:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _heading(column: str) -> str:
    return column.removesuffix("_at").removesuffix("_on").replace("_", " ")


def _cell(value: Any) -> str:  # noqa: ANN401
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, (dict, list)):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    return str(value)


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else str(value)
