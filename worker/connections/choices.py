"""What a person may choose about a connection after it was added: its name, schedule, policies and accounts."""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import func, update
from sqlalchemy.orm import Session

from worker.connections.validation import read
from worker.errors import InvalidRequestError, NotFoundError
from worker.inert_text import inert
from worker.models import BankConnection, BankConnectionAccount
from worker.models.connection_options import ConnectionOptions

SHORTEST_INTERVAL = timedelta(minutes=1)
LONGEST_INTERVAL = timedelta(days=90)


class Schedule(BaseModel):
    """When a connection is refreshed by itself. Hours are 0 to 23, in the connection's zone.

    The range of hours may pass midnight. refresh_interval: None = only when asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    refresh_interval: timedelta | None = Field(default=timedelta(hours=24), ge=SHORTEST_INTERVAL, le=LONGEST_INTERVAL)
    refresh_from_hour: int | None = Field(default=None, ge=0, le=23)
    refresh_until_hour: int | None = Field(default=None, ge=0, le=23)

    @model_validator(mode="after")
    def _both_hours(self) -> "Schedule":
        if (self.refresh_from_hour is None) != (self.refresh_until_hour is None):
            raise ValueError("give both refresh_from_hour and refresh_until_hour, or neither")
        return self


def change_options(connection: BankConnection, changes: Mapping[str, Any]) -> None:
    """Merge `changes` into the policies; None sets one back to its default. Raises: InvalidRequestError."""
    merged = {**connection.options, **changes}
    kept = {name: value for name, value in merged.items() if value is not None}
    connection.options = read(ConnectionOptions, kept, what="options").model_dump(mode="json", exclude_unset=True)
    connection.updated_at = func.now()


def change_schedule(connection: BankConnection, changes: Mapping[str, Any]) -> None:
    """Change interval and hours; the next refresh is one new interval away. Raises: InvalidRequestError."""
    current = {name: getattr(connection, name) for name in Schedule.model_fields}
    schedule = read(Schedule, {**current, **changes}, what="schedule")
    for name in Schedule.model_fields:
        setattr(connection, name, getattr(schedule, name))
    interval = schedule.refresh_interval
    connection.next_refresh_at = None if interval is None else func.now() + interval
    connection.updated_at = func.now()


def rename(connection: BankConnection, name: str) -> None:
    """Give the connection another name, 1 to 200 characters. Raises: InvalidRequestError."""
    connection.display_name = read_name(name)
    connection.updated_at = func.now()


def read_name(name: str) -> str:
    """Return the name, inert and without its outer blanks. Raises: InvalidRequestError when its length is wrong."""
    stripped = inert(name).strip()
    if not 1 <= len(stripped) <= 200:  # noqa: PLR2004 - the width of the column
        raise InvalidRequestError("a connection's name has 1 to 200 characters")
    return stripped


def include_account(session: Session, connection_id: uuid.UUID, account: int | str, *, included: bool) -> None:
    """Import an account from now on, or leave it out; its rows stay. account: our number, or the bank's id (text).

    Raises: NotFoundError.
    """
    _change_account(session, connection_id, account, {"included": included})


def invert_account(session: Session, connection_id: uuid.UUID, account: int | str, *, inverted: bool) -> None:
    """Say whether the bank states the amounts of an account with the opposite sign; the next run corrects its rows.

    The choice belongs to our account and survives a new id at the bank. Raises: NotFoundError.
    """
    _change_account(session, connection_id, account, {"inverted": inverted})


def _change_account(session: Session, connection_id: uuid.UUID, account: int | str, values: Mapping[str, Any]) -> None:
    named = (
        BankConnectionAccount.id == account
        if isinstance(account, int)
        else BankConnectionAccount.external_id == account
    )
    found = session.execute(
        update(BankConnectionAccount)
        .where(BankConnectionAccount.connection_id == connection_id, named)
        .values(**values, updated_at=func.now())
        .returning(BankConnectionAccount.id)
    ).scalar()
    if found is None:
        raise NotFoundError(f"connection {connection_id} has no account of that id")
