"""`finmind-worker settings`: lists every environment variable; also generates the README's table."""

import shutil
import textwrap
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from worker.cli.output import JsonFlag, on_terminal, print_rows, show, write_between_marks
from worker.settings import GROUPS

_COLUMNS = ("variable", "default", "meaning")
_HEAD = ("| variable | default | meaning |", "|---|---|---|")


def settings(
    *,
    readme: Annotated[Path | None, typer.Option("--readme", help="Write the table into this file instead.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the environment variables."""
    if readme is None:
        _print(as_json=as_json)
    else:
        write_between_marks(readme, "settings", markdown())


def _print(*, as_json: bool) -> None:
    """Print the variables; on a terminal their meaning stands below each, because it is a sentence."""
    if as_json or not on_terminal():
        print_rows(describe(), _COLUMNS, as_json=as_json, empty="")
        return
    width = shutil.get_terminal_size().columns
    lines: list[str] = []
    for heading, rows in groupby(describe(), key=itemgetter("group")):
        lines += [*(("",) if lines else ()), *textwrap.wrap(heading, width), ""]
        for row in rows:
            default = (row["default"] or "").strip("*")
            lines.append(f"{row['variable']}  {default}".rstrip())
            lines += textwrap.wrap(row["meaning"], width, initial_indent="    ", subsequent_indent="    ")
    show(lines)


def describe() -> list[dict[str, Any]]:
    """Return every variable; default None: it must be set, or is off where its meaning says so."""
    return [
        {"group": _heading(group), "variable": name.upper(), "default": _default(field), "meaning": field.description}
        for group in GROUPS
        for name, field in group.model_fields.items()
    ]


def markdown() -> str:
    """Return the variables as Markdown: a table for each group of readers."""
    lines: list[str] = []
    for heading, rows in groupby(describe(), key=itemgetter("group")):
        lines += ["", f"**{heading}**", "", *_HEAD]
        lines += [f"| `{row['variable']}` | {row['default'] or ''} | {row['meaning']} |" for row in rows]
    return "\n".join([*lines[1:], ""])


def _heading(group: type[BaseSettings]) -> str:
    return (group.__doc__ or "").partition("\n")[0]


def _default(field: FieldInfo) -> str | None:
    if field.default is PydanticUndefined:
        return "**required**"
    return None if field.default is None else str(field.default)
