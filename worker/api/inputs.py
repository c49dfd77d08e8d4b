"""Base model of request bodies, types of text and numbers, words of answers; refuses text that nothing can hold."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from worker.errors import InvalidFieldsError
from worker.inert_text import inert, is_blank

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_LONGEST_PLACE = 100


def refuse_unstorable(place: str, value: Any) -> None:  # noqa: ANN401 - any JSON
    """Refuse NUL and halves of characters in all texts and keys of a value: no table, hash or answer can hold them.

    Raises: InvalidFieldsError naming the place.
    """
    waiting = [(place, value)]
    while waiting:
        where, one = waiting.pop()
        match one:
            case str() if _UNSTORABLE.search(one):
                said = "must not contain NUL or half a character"
                named = inert(where)[:_LONGEST_PLACE]
                raise InvalidFieldsError(f"{named}: {said}", {named: said})
            case Mapping():
                waiting += [(where, key) for key in one]
                waiting += [(f"{where}.{key}", item) for key, item in one.items()]
            case list() | tuple():
                waiting += [(where, item) for item in one]
            case _:
                pass  # numbers and the like


def _visible(value: str) -> str:
    if is_blank(value):
        raise ValueError("must not be blank")
    return value


Text = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=r"\S"),
    AfterValidator(_visible),
]
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Hour = Annotated[int, Field(strict=True, ge=0, le=23)]
RowId = Annotated[int, Path(ge=1, le=2**63 - 1)]
"""The number of a row in the path."""

IntervalS = Annotated[int, Field(strict=True, ge=900, le=90 * 86_400)]
"""Users may be refreshed every quarter of an hour; an operator may set a minute (`connections set`)."""


def one_of(words: Iterable[str]) -> Any:  # noqa: ANN401 - as pydantic's own Field
    """Describe a text of an answer that is one of some words.

    It is not refused when it is another one: a later version, whose rows are there after a rollback, may have more.
    """
    return Field(json_schema_extra={"x-extensible-enum": [*words]})


class Input(BaseModel):
    """A body: unknown fields are refused, so that a misspelt one is noticed, and so is text that nothing can hold."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _holdable(cls, given: Any) -> Any:  # noqa: ANN401 - what was sent
        refuse_unstorable("body", given)
        return given
