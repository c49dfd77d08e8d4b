"""`finmind-worker rejections`: list rows that could not be imported, leave them out, open them again."""

import uuid
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from worker.bank_accounts import dismissals
from worker.bank_accounts.dismissals import RejectionChoice, RejectionFilter, RejectionsDecided, RejectionState
from worker.cli.database import database
from worker.cli.ids import read_connection_id
from worker.cli.output import JsonFlag, WideFlag, print_result, print_rows

app = typer.Typer(no_args_is_help=True, help="Rows that could not be imported: list, dismiss, reopen.")

UserOption = Annotated[int, typer.Option("--user", metavar="ID", help="Whose rows.")]
RejectionId = Annotated[
    int | None, typer.Argument(metavar="[REJECTION]", show_default=False, help="Number of the row; or --connection.")
]
ConnectionOption = Annotated[
    uuid.UUID | None,
    typer.Option("--connection", metavar="ID", parser=read_connection_id, help="All of one reason of a connection."),
]
CodeOption = Annotated[str | None, typer.Option("--code", help="Their reason, such as amount_invalid.")]
AccountOption = Annotated[str | None, typer.Option("--account", metavar="EXT", help="Only of this account.")]

_COLUMNS = ("id", "state", "connection_name", "account", "code", "message", "external_id", "dismissed_why")
_MOST = 1000


@app.command("list")
def list_(
    *,
    user: UserOption,
    state: Annotated[RejectionState, typer.Option("--state")] = RejectionState.OPEN,
    connection: ConnectionOption = None,
    code: CodeOption = None,
    wide: WideFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """List rows that could not be imported, oldest first, up to 1000."""
    wanted = RejectionFilter(state=state, connection_id=connection, code=code)
    with database() as sessions, sessions() as session:
        rows = dismissals.list_rejections(session, user, wanted, limit=_MOST)
    print_rows(rows, _COLUMNS, as_json=as_json, empty=f"no rejected row is {state}", wide=wide)


@app.command("dismiss")
def dismiss(  # noqa: PLR0913 - one argument per option
    rejection: RejectionId = None,
    *,
    user: UserOption,
    why: Annotated[str, typer.Option("--why", help="Why; it is kept with the decision.")],
    connection: ConnectionOption = None,
    code: CodeOption = None,
    account: AccountOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Leave rows out: they keep no run from success any more. One by its number, or all of one reason."""
    if not why.strip() or len(why) > dismissals.MAX_WHY:
        raise typer.BadParameter(f"--why needs 1 to {dismissals.MAX_WHY} characters")
    choice = _choice(rejection, connection, code, account)
    decided = _decide(lambda session: dismissals.dismiss(session, choice, user_id=user, why=why))
    _say("left out", decided, as_json=as_json)


@app.command("reopen")
def reopen(
    rejection: RejectionId = None,
    *,
    user: UserOption,
    connection: ConnectionOption = None,
    code: CodeOption = None,
    account: AccountOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Take a dismissal back: the rows are open again."""
    choice = _choice(rejection, connection, code, account)
    _say("open again", _decide(lambda session: dismissals.reopen(session, choice, user_id=user)), as_json=as_json)


def _choice(
    rejection: int | None, connection: uuid.UUID | None, code: str | None, account: str | None
) -> RejectionChoice:
    if (rejection is None) == (connection is None):
        raise typer.BadParameter("name one row by its number, or --connection and --code")
    if (connection is None) != (code is None) or (account is not None and connection is None):
        raise typer.BadParameter("--connection and --code go together, with --account if you like")
    return RejectionChoice(rejection_id=rejection, connection_id=connection, code=code, account_external_id=account)


def _decide(decision: Callable[[Session], RejectionsDecided]) -> RejectionsDecided:
    with database() as sessions, sessions() as session:
        return decision(session)


def _say(what: str, decided: RejectionsDecided, *, as_json: bool) -> None:
    text = f"{decided.rejections} {what}; {decided.open} of the connection are open; run {decided.run_id}"
    print_result(asdict(decided), text, as_json=as_json)
