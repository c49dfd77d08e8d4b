"""Writes expenses again that were kept whole, with all columns, also those that FinMind adds."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.expenses.undo_answer import Image
from worker.importer.store.rows.load import present_categories


def insert_whole(session: Session, expenses: Mapping[int, Image]) -> None:
    """Write expenses again, whole. A category that the user deleted since is none."""
    if not expenses:
        return
    categories = present_categories(session, {image["category_id"] for image in expenses.values()} - {None})
    images = {
        id_: {**image, "category_id": image["category_id"] if image["category_id"] in categories else None}
        for id_, image in expenses.items()
    }
    quote = session.connection().dialect.identifier_preparer.quote
    columns = ", ".join(map(quote, next(iter(images.values()))))
    session.execute(
        text(
            f"INSERT INTO expenses ({columns}) SELECT {columns}"  # noqa: S608 - FinMind's own columns, quoted
            " FROM jsonb_populate_recordset(NULL::expenses, CAST(:images AS jsonb))"
        ),
        {"images": as_json(images)},
    )


def read_json(image: str | None) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return JSON of the database, with fractions as text: as floats they would not be what was written."""
    return None if image is None else json.loads(image, parse_float=str)


def as_json(images: Mapping[int, Image]) -> str:
    """Return images as a list of JSON, each with its id."""
    return json.dumps([{**image, "id": id_} for id_, image in images.items()])
