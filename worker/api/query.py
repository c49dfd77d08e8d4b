"""Query parameters: refuses unknown ones, and reads those of imports from the query or the body."""

import re
from datetime import date
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator

from worker.api.inputs import refuse_unstorable
from worker.errors import InvalidRequestError

LONGEST_WAIT_S = 30


def _iso_day(given: object) -> object:
    """Refuse numbers, which pydantic would read as seconds since 1970."""
    if isinstance(given, str) and not _DAY.fullmatch(given):
        raise ValueError("a day such as 2026-03-01")
    return given


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
Day = Annotated[date, BeforeValidator(_iso_day)]
"""A day in the query, as ISO 8601 writes it."""

Wait = Annotated[
    int, Query(ge=0, le=LONGEST_WAIT_S, description="Wait this long (s) for the run to end: 200 when it did, else 202.")
]


def refuse_unknown(request: Request) -> None:
    """Refuse a parameter that the route does not have: a misspelt `dry_run` must not become a real import.

    Text that nothing can hold is refused as well, also in the path.

    Raises: RequestValidationError naming each unknown parameter, InvalidFieldsError.
    """
    refuse_unstorable("path", request.path_params)
    refuse_unstorable("query", dict(request.query_params.multi_items()))
    known = _names(request.scope["route"].dependant)
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        raise RequestValidationError(
            [{"type": "extra_forbidden", "loc": ("query", name), "msg": "no such parameter"} for name in unknown]
        )


def _names(dependant: Dependant) -> set[str]:
    """Return the parameters of the query that a route and its dependencies read."""
    own = {parameter.alias for parameter in dependant.query_params}
    return own.union(*map(_names, dependant.dependencies))


KnownQuery = Depends(refuse_unknown)


def from_query_or_body(query: dict[str, Any], body: BaseModel | None) -> dict[str, Any]:
    """Return the values a request states, in the query or in the body.

    Args:
        query: Parameters of the query by name; None where it has none.
        body: The body, of which only the fields that were sent count.

    Raises: InvalidRequestError when both state a value and the values differ.
    """
    stated = {name: value for name, value in query.items() if value is not None}
    sent = body.model_dump(exclude_unset=True) if body is not None else {}
    for name in stated.keys() & sent.keys():
        if stated[name] != sent[name]:
            raise InvalidRequestError(f"the query and the body name different values of {name}")
    return sent | stated
