"""Completes ids on the command line from their first or last characters.

Ids begin with the time at which they were made: of rows of one minute only the ends differ.
"""

import re
import uuid
from typing import Annotated, Any

import typer
from sqlalchemy import String, cast, or_, select

from worker.cli.database import database
from worker.errors import InvalidRequestError, NotFoundError
from worker.models import BankConnection, BankImportRun, WebhookSubscription

_PART = re.compile(r"[0-9a-f-]{4,35}")
_CHOICES_SHOWN = 5


def _reader(model: Any, what: str) -> Any:  # noqa: ANN401 - a mapped class with an id, and what typer calls
    def read(given: str | uuid.UUID) -> uuid.UUID:
        try:
            return uuid.UUID(str(given))
        except ValueError:
            return _only_with(str(given).lower())

    def _only_with(part: str) -> uuid.UUID:
        if not _PART.fullmatch(part):
            raise typer.BadParameter(f"{part!r} is no id of a {what}, nor its first or last 4 characters or more")
        column = model.id
        with database() as sessions, sessions() as session:
            whole = cast(column, String)
            fits = or_(whole.startswith(part, autoescape=True), whole.endswith(part, autoescape=True))
            found = session.scalars(select(column).where(fits).order_by(column).limit(_CHOICES_SHOWN + 1)).all()
        if not found:
            raise NotFoundError(f"no {what} begins or ends with {part}")
        if len(found) > 1:
            shown = ", ".join(map(str, found[:_CHOICES_SHOWN]))
            more = " and more" if len(found) > _CHOICES_SHOWN else ""
            raise InvalidRequestError(f"several ids of a {what} begin or end with {part}: {shown}{more}")
        only: uuid.UUID = found[0]
        return only

    return read


read_connection_id = _reader(BankConnection, "connection")

read_subscription_id = _reader(WebhookSubscription, "subscription")

ConnectionId = Annotated[
    uuid.UUID,
    typer.Argument(metavar="CONNECTION", parser=read_connection_id, help="Its id, or the beginning or end of it."),
]
RunId = Annotated[
    uuid.UUID,
    typer.Argument(metavar="RUN", parser=_reader(BankImportRun, "run"), help="Its id, or the beginning or end of it."),
]
SubscriptionId = Annotated[
    uuid.UUID,
    typer.Argument(metavar="SUBSCRIPTION", parser=read_subscription_id, help="Its id, or the beginning or end of it."),
]
