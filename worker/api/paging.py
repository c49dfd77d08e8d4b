"""Pages: newest first, by an opaque cursor that names the last row of the page before."""

import base64
import binascii
import json
import uuid
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query

from worker.errors import InvalidRequestError
from worker.runs.run_queries import After

Limit = Annotated[int, Query(ge=1, le=100, description="Rows per page.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before.")]
AfterId = Annotated[int, Query(ge=0, le=2**63 - 1, description="`next` of the page before.")]


def next_cursor(rows: list[dict[str, Any]], limit: int) -> str | None:
    """Return where the next page of runs begins; None when this one was the last."""
    if len(rows) < limit:
        return None
    last = [rows[-1]["queued_at"].isoformat(), str(rows[-1]["id"])]
    return base64.urlsafe_b64encode(json.dumps(last).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> After | None:
    """Return the place a cursor names. Raises: InvalidRequestError when it is not one of ours."""
    if cursor is None:
        return None
    try:
        queued_at, run_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return After(queued_at=datetime.fromisoformat(queued_at), run_id=uuid.UUID(run_id))
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise InvalidRequestError("`cursor` is not the `next` of a page") from None


def next_id(rows: list[dict[str, Any]], limit: int) -> int | None:
    """Return where the next page of numbered rows begins; None when this one was the last."""
    return int(rows[-1]["id"]) if len(rows) == limit else None
