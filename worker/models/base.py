"""The declarative base. No relationships are declared: each query loads the rows that it needs.

A column has the type that its annotation says, unless it names another one: text is `text`, a moment has a time zone.
"""

import uuid
from datetime import datetime
from typing import Annotated, Any, ClassVar

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

Now = Annotated[datetime, mapped_column(server_default=text("now()"))]
"""A moment that is that of the insert unless another one is stated."""

FromZero = Annotated[int, mapped_column(server_default=text("0"))]
"""A number that begins at 0."""

SerialId = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
"""The id of a row, given by the database."""

UserRef = Annotated[int, mapped_column(ForeignKey("users.id", ondelete="CASCADE"))]
"""The user whose row it is, which goes with them."""

ConnectionRef = Annotated[uuid.UUID, mapped_column(ForeignKey("bank_connections.id", ondelete="CASCADE"))]
"""The connection whose row it is, which goes with it."""

SourceRef = Annotated[int, mapped_column(BigInteger, ForeignKey("bank_connection_accounts.id", ondelete="CASCADE"))]
"""The source, or account of a connection, that a row is about; the row goes with it, as with those that follow."""

TransactionRef = Annotated[int, mapped_column(BigInteger, ForeignKey("bank_transactions.id", ondelete="CASCADE"))]
RunRef = Annotated[uuid.UUID, mapped_column(ForeignKey("bank_import_runs.id", ondelete="CASCADE"))]


class Base(DeclarativeBase):
    """Root of all tables of the worker and of the FinMind tables that it reads or writes."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        str: Text(),
        dict[str, Any]: JSONB(),
        dict[str, str]: JSONB(),
        dict[str, int]: JSONB(),
    }
