"""Writes expenses again that were kept whole, with all columns, also those that FinMind adds."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.expenses.undo_answer import Image

_REFERRED = {"category_id": "categories", "source_recurring_id": "recurring_expenses"}
"""What columns of an expense refer to, which the user may have deleted since."""


def insert_whole(session: Session, expenses: Mapping[int, Image]) -> None:
    """Write expenses again, whole. A category or a recurring expense that the user deleted since is none."""
    if not expenses:
        return
    quote = session.connection().dialect.identifier_preparer.quote
    names = list(next(iter(expenses.values())))
    values = (
        f"(SELECT r.id FROM {_REFERRED[name]} r WHERE r.id = v.{name})"  # noqa: S608 - constants
        if name in _REFERRED
        else f"v.{quote(name)}"
        for name in names
    )
    columns = ", ".join(map(quote, names))
    session.execute(
        text(
            f"INSERT INTO expenses ({columns}) SELECT {', '.join(values)}"  # noqa: S608 - FinMind's columns, quoted
            " FROM jsonb_populate_recordset(NULL::expenses, CAST(:images AS jsonb)) v"
        ),
        {"images": as_json(expenses)},
    )


def read_json(image: str | None) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return JSON of the database, with fractions as text: as floats they would not be what was written."""
    return None if image is None else json.loads(image, parse_float=str)


def as_json(images: Mapping[int, Image]) -> str:
    """Return images as a list of JSON, each with its id."""
    return json.dumps([{**image, "id": id_} for id_, image in images.items()])
