"""`finmind-worker users`: people of a database that FinMind's app does not fill, to try the worker with."""

from typing import Annotated

import typer
from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert

from worker.cli.output import JsonFlag, WideFlag, print_json, print_rows, say
from worker.cli.workspace import database
from worker.errors import ConflictError, InvalidRequestError
from worker.models import User
from worker.money import is_currency

app = typer.Typer(no_args_is_help=True, help="FinMind's users: list them, or add one to try the worker with.")

_NO_LOG_IN = "!"
"""No password hashes to this, so nobody logs in to FinMind as a user that was made here."""


@app.command()
def add(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Unique in FinMind.")],
    *,
    currency: Annotated[str, typer.Option("--currency", metavar="ISO", help="Of amounts that name none.")] = "EUR",
    as_json: JsonFlag = False,
) -> None:
    """Add a user who has no log-in and print the new id; FinMind's own app makes its users itself."""
    if email.count("@") != 1 or email.startswith("@") or email.endswith("@"):
        raise InvalidRequestError(f"{email!r} is not an e-mail address")
    if not is_currency(currency.upper()):
        raise InvalidRequestError(f"{currency!r} is not an ISO 4217 currency")
    with database() as sessions, sessions() as session:
        values = {"email": email, "password_hash": _NO_LOG_IN, "preferred_currency": currency.upper()}
        made = session.scalar(insert(User).values(**values).on_conflict_do_nothing().returning(User.id))
        if made is None:
            raise ConflictError(f"there is a user with the address {email} already")
    if as_json:
        print_json({"id": made})
    else:
        say(made)


@app.command("list")
def list_(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    wide: WideFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """List users, newest first."""
    query = select(User.id, User.email, User.preferred_currency, User.created_at).order_by(User.id.desc()).limit(limit)
    with database() as sessions, sessions() as session:
        rows = [dict(row) for row in session.execute(query).mappings()]
    columns = ("id", "email", "preferred_currency", "created_at")
    print_rows(rows, columns, as_json=as_json, wide=wide, empty="no users; `finmind-worker users add EMAIL` makes one")


def require_user(user_id: int) -> None:
    """Raise InvalidRequestError unless this user exists."""
    with database() as sessions, sessions() as session:
        if not session.scalar(select(exists().where(User.id == user_id))):
            raise InvalidRequestError(f"no user {user_id}; `finmind-worker users list` shows who there is")
