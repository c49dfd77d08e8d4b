"""Base model of request bodies, and types of text and numbers that can be stored."""

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from worker.inert_text import is_blank


def _storable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain NUL")
    return value


def _visible(value: str) -> str:
    if is_blank(value):
        raise ValueError("must not be blank")
    return value


Text = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=r"\S"),
    AfterValidator(_storable),
    AfterValidator(_visible),
]
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_storable)]
Hour = Annotated[int, Field(strict=True, ge=0, le=23)]
RowId = Annotated[int, Path(ge=1, le=2**63 - 1)]
"""The number of a row in the path."""

IntervalS = Annotated[int, Field(strict=True, ge=900, le=90 * 86_400)]
"""Users may be refreshed every quarter of an hour; an operator may set a minute (`connections set`)."""


class Input(BaseModel):
    """A body: unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid")
