"""Completes ids on the command line from their first characters."""

import re
import uuid
from typing import Annotated, Any

import typer
from sqlalchemy import String, cast, select

from worker.cli.workspace import database
from worker.errors import InvalidRequestError, NotFoundError
from worker.models import BankConnection, BankImportRun, WebhookSubscription

_BEGINNING = re.compile(r"[0-9a-f-]{4,35}")
_CHOICES_SHOWN = 5


def _reader(model: Any, what: str) -> Any:  # noqa: ANN401 - a mapped class with an id, and what typer calls
    def read(given: str | uuid.UUID) -> uuid.UUID:
        try:
            return uuid.UUID(str(given))
        except ValueError:
            return _begun_by(str(given).lower())

    def _begun_by(beginning: str) -> uuid.UUID:
        if not _BEGINNING.fullmatch(beginning):
            raise typer.BadParameter(f"{beginning!r} is no id of a {what}, nor the first 4 characters or more of one")
        column = model.id
        with database() as sessions, sessions() as session:
            begins = cast(column, String).startswith(beginning, autoescape=True)
            found = session.scalars(select(column).where(begins).order_by(column).limit(_CHOICES_SHOWN + 1)).all()
        if not found:
            raise NotFoundError(f"no {what} {beginning}…")
        if len(found) > 1:
            shown = ", ".join(map(str, found[:_CHOICES_SHOWN]))
            raise InvalidRequestError(f"several ids of a {what} begin with {beginning}: {shown}")
        only: uuid.UUID = found[0]
        return only

    return read


read_connection_id = _reader(BankConnection, "connection")

read_subscription_id = _reader(WebhookSubscription, "subscription")

ConnectionId = Annotated[
    uuid.UUID, typer.Argument(metavar="CONNECTION", parser=read_connection_id, help="Its id, or the beginning of it.")
]
RunId = Annotated[
    uuid.UUID,
    typer.Argument(metavar="RUN", parser=_reader(BankImportRun, "run"), help="Its id, or the beginning of it."),
]
SubscriptionId = Annotated[
    uuid.UUID,
    typer.Argument(metavar="SUBSCRIPTION", parser=read_subscription_id, help="Its id, or the beginning of it."),
]
