"""The declarative base. No relationships are declared: each query loads the rows that it needs.

A column has the type that its annotation says, unless it names another one: text is `text`, a moment has a time zone.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from sqlalchemy import DateTime, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

Now = Annotated[datetime, mapped_column(server_default=text("now()"))]
"""A moment that is that of the insert unless another one is stated."""


class Base(DeclarativeBase):
    """Root of all tables of the worker and of the FinMind tables that it reads or writes."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        str: Text(),
        dict[str, Any]: JSONB(),
        dict[str, str]: JSONB(),
        dict[str, int]: JSONB(),
    }
