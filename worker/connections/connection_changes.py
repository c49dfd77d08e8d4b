"""Changes of a connection after it was added: its name, schedule, options and accounts."""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import and_, case, func, update
from sqlalchemy.orm import Session

from worker.connections.validation import read
from worker.errors import InvalidRequestError, NotFoundError
from worker.inert_text import inert
from worker.models import BankConnection, BankConnectionAccount
from worker.models.connection_options import ConnectionOptions

SHORTEST_INTERVAL = timedelta(minutes=1)
LONGEST_INTERVAL = timedelta(days=90)


class Schedule(BaseModel):
    """When a connection is refreshed on schedule.

    Attributes:
        refresh_interval: Time between two refreshes; None for none.
        refresh_from_hour: First preferred hour (0 to 23) in the connection's time zone.
        refresh_until_hour: End of the preferred hours, exclusive; they may span midnight.
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
    """Merge `changes` into the options; None resets one to its default. Raises: InvalidRequestError."""
    merged = {**connection.options, **changes}
    kept = {name: value for name, value in merged.items() if value is not None}
    connection.options = read(ConnectionOptions, kept, what="options").model_dump(mode="json", exclude_unset=True)
    connection.updated_at = func.now()


def change_schedule(connection: BankConnection, changes: Mapping[str, Any]) -> None:
    """Change interval and hours; the next refresh follows after the new interval. Raises: InvalidRequestError."""
    current = {name: getattr(connection, name) for name in Schedule.model_fields}
    schedule = read(Schedule, {**current, **changes}, what="schedule")
    for name in Schedule.model_fields:
        setattr(connection, name, getattr(schedule, name))
    interval = schedule.refresh_interval
    connection.next_refresh_at = None if interval is None else func.now() + interval
    connection.updated_at = func.now()


def rename(connection: BankConnection, name: str) -> None:
    """Rename the connection; a name has 1 to 200 characters. Raises: InvalidRequestError."""
    connection.display_name = read_name(name)
    connection.updated_at = func.now()


def read_name(name: str) -> str:
    """Return the name without control characters and outer blanks. Raises: InvalidRequestError for a wrong length."""
    stripped = inert(name).strip()
    if not 1 <= len(stripped) <= 200:  # noqa: PLR2004 - the width of the column
        raise InvalidRequestError("a connection's name has 1 to 200 characters")
    return stripped


def include_account(session: Session, connection_id: uuid.UUID, account: int | str, *, included: bool) -> None:
    """Import an account from now on, or leave it out; its rows stay. A new account that waits does so no longer.

    Args:
        account: Our id (number), or the bank's id (text).

    Raises: NotFoundError.
    """
    waits_as_new = and_(BankConnectionAccount.status == "waiting", BankConnectionAccount.status_code == "new_account")
    values: dict[str, Any] = {"included": included}
    if included:
        values["status"] = case((waits_as_new, "active"), else_=BankConnectionAccount.status)
        values["status_code"] = case((waits_as_new, None), else_=BankConnectionAccount.status_code)
    _change_account(session, connection_id, account, values)


def invert_account(session: Session, connection_id: uuid.UUID, account: int | str, *, inverted: bool) -> None:
    """Store whether the bank states an account's amounts with the opposite sign; the next run corrects its rows.

    It reads the whole history again, and takes a new opening amount. The choice is kept when the account gets a new id
    at the bank. Raises: NotFoundError.
    """
    changes = BankConnectionAccount.inverted != inverted
    read_again: dict[str, Any] = {"history_complete": False, "opening_pending": 0}
    read_again |= dict.fromkeys(("cursor", "history_from_on"))
    opening = ("opening_amount", "opening_on", "opening_balance", "opening_balance_on", "opening_last_days")
    read_again |= dict.fromkeys(opening)
    values = {
        name: case((changes, value), else_=getattr(BankConnectionAccount, name)) for name, value in read_again.items()
    }
    _change_account(session, connection_id, account, {"inverted": inverted, **values})


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
