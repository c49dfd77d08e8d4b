"""Cursor pagination, newest first; the opaque cursor names the last row of the previous page."""

import base64
import binascii
import json
import uuid
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from worker.errors import InvalidRequestError
from worker.runs.run_filter import After, RunOrder, place_of

Limit = Annotated[int, Query(ge=1, le=100, description="Rows per page.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before.")]
AfterId = Annotated[int, Query(ge=0, le=2**63 - 1, description="`next` of the page before.")]


T = TypeVar("T")


class Listed(BaseModel, Generic[T]):
    """A list. next: `after` of the page after, null on the last."""

    items: list[T]
    next: int | None = None


def next_cursor(rows: list[dict[str, Any]], limit: int, order: RunOrder = RunOrder.NEWEST) -> str | None:
    """Return where the next page of runs begins; None when this one was the last."""
    return cursor_of(place_of(rows[-1], order)) if len(rows) == limit else None


def cursor_of(place: After) -> str:
    """Return the cursor that names a place."""
    named = [place.queued_at.isoformat(), str(place.run_id), *([place.value] if place.value else [])]
    return base64.urlsafe_b64encode(json.dumps(named).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, *, by_name: bool = False) -> After | None:
    """Return the position that a cursor stands for; its value is a text in a list `by_name`, else a number.

    Raises: InvalidRequestError for an invalid cursor.
    """
    if cursor is None:
        return None
    try:
        queued_at, run_id, *values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        value = values[0] if values else 0
        # Encoding refuses half a character, which Postgres could not be asked about.
        named = str(value).replace("\x00", "").encode().decode() if by_name else float(value)
        return After(queued_at=datetime.fromisoformat(queued_at), run_id=uuid.UUID(run_id), value=named)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, binascii.Error):
        raise InvalidRequestError("`cursor` is not the `next` of a page") from None


def next_id(rows: list[dict[str, Any]], limit: int) -> int | None:
    """Return where the next page of numbered rows begins; None when this one was the last."""
    return int(rows[-1]["id"]) if len(rows) == limit else None
