"""`finmind-worker users`: list users, export or erase one's data, and add one for trying the worker."""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select

from worker.cli.database import database
from worker.cli.environment import settings
from worker.cli.failures import ExitCode
from worker.cli.output import JsonFlag, WideFlag, print_json, print_result, print_rows, say
from worker.cli.progress import Advance, progress
from worker.cli.workspace import workspace
from worker.connections.lifecycle import revoke_at_provider
from worker.connections.users import add_user
from worker.errors import ConflictError, InvalidRequestError
from worker.models import BankConnection, User
from worker.money import is_currency
from worker.personal_data.archive import archive
from worker.personal_data.erasure import DataStores, Erased, ErasurePlan, erase, plan_erasure
from worker.process.interruption import when_stopped
from worker.runtime import Runtime, open_connection_service

app = typer.Typer(no_args_is_help=True, help="FinMind's users: list, add, export, erase.")


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
        made = add_user(session, email, currency.upper())
        if made is None:
            raise ConflictError(f"there is a user with the address {email} already")
    print_result({"id": made}, made, as_json=as_json)


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


@app.command()
def export(
    user_id: Annotated[int, typer.Argument(metavar="USER", min=1)],
    *,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="By default finmind-export-USER.zip; - for stdout.")
    ] = None,
) -> None:
    """Write a ZIP archive of everything kept about a user, without any secret; docs/privacy.md has its format."""
    target = to or Path(f"finmind-export-{user_id}.zip")
    with database() as sessions:
        parts = archive(sessions, user_id, statement_folder=settings().statement_folder)
        if str(target) == "-":
            for part in parts:
                sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
            return
        with when_stopped("stopped: no archive was written"), progress("writing", unit="bytes") as advance:
            _write(_counted(parts, advance), target)
    say(f"wrote {target} ({target.stat().st_size:,} bytes, readable by you alone)")


def _counted(parts: Iterator[bytes], advance: Advance) -> Iterator[bytes]:
    for part in parts:
        yield part
        advance(len(part))


def _write(parts: Iterator[bytes], target: Path) -> None:
    """Write a new file that appears whole or not at all."""
    if target.exists():
        raise ConflictError(f"{target} is there already: move it away, or choose another name with --to")
    unfinished = target.with_name(f".{target.name}.part")
    try:
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:  # noqa: PTH123 - a mode from the start
            stream.writelines(parts)
        unfinished.rename(target)
    except OSError as error:
        raise InvalidRequestError(f"{target} cannot be written: {error.strerror or type(error).__name__}") from None
    finally:
        unfinished.unlink(missing_ok=True)


@app.command("erase")
def erase_(
    user_id: Annotated[int, typer.Argument(metavar="USER", min=1)],
    *,
    keep_account: Annotated[
        bool, typer.Option("--keep-account", help="Leave the user, and what FinMind itself keeps about them.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Erase everything kept about a user, and search the database afterwards for what identified them.

    Ends with 3 when something was found, or the user themself stays with FinMind.
    """
    with workspace() as runtime:
        place = _place(runtime)
        plan = plan_erasure(place, user_id, keep_account=keep_account)
        if not as_json:
            _print_plan(plan)
        if dry_run:
            if as_json:
                print_json(asdict(plan))
            return
        if not yes:
            typer.confirm(f"Erase user {user_id}? This cannot be undone", abort=True, err=True)
        with when_stopped("stopped: the same command goes on"), progress("erasing"):
            erased = erase(place, plan)
    found = erased.search
    if as_json:
        print_json(asdict(erased))
    else:
        _print_erased(erased)
    in_part = bool(found.traces) or not (plan.erases_account or keep_account)
    raise typer.Exit(ExitCode.IN_PART if in_part else ExitCode.DONE)


def _place(runtime: Runtime) -> DataStores:
    service = open_connection_service(runtime)

    def revoke(connection_id: str) -> bool:
        with runtime.sessions() as session:
            row = session.get(BankConnection, connection_id)
        return row is not None and row.status != "disconnected" and revoke_at_provider(service, row)

    return DataStores(
        sessions=runtime.sessions,
        redis=runtime.redis,
        cache=runtime.cache,
        statement_folder=runtime.settings.statement_folder,
        revoke=revoke,
    )


def _print_plan(plan: ErasurePlan) -> None:
    if not plan.exists:
        say(f"there is no user {plan.user_id}; what is left of one is erased")
    _print_counts(plan.rows)
    say(f"{plan.files} statement files, {len(plan.connections)} authorisations at providers")
    if plan.finmind_rows:
        say("with the user goes what FinMind itself keeps:")
        _print_counts(plan.finmind_rows)
    if plan.reason_kept and plan.exists:
        say(f"the user stays in FinMind: {plan.reason_kept}")


def _print_counts(rows: Mapping[str, int]) -> None:
    tables = [{"table": name, "rows": count} for name, count in rows.items()]
    print_rows(tables, ("table", "rows"), as_json=False, empty="no rows")


def _print_erased(erased: Erased) -> None:
    search = erased.search
    keys = (
        "no key in Redis, which does not answer" if erased.redis_keys is None else f"{erased.redis_keys} keys in Redis"
    )
    say(f"erased {sum(erased.plan.rows.values())} rows, {erased.plan.files} files, {keys}")
    say(f"{erased.revoked} of {len(erased.plan.connections)} authorisations were ended at their provider")
    say(f"{erased.audit_lines} lines of the audit became counts")
    if not search.values:
        say("nothing of the user is known any more that could be searched for")
        return
    say(f"searched {search.columns} columns of the database for {search.values} values of the user:")
    for trace in search.traces:
        say(f"  found in {trace.table}.{trace.column}: {trace.rows} rows")
    if not search.traces:
        say("  nothing was found")
    if search.unreadable:
        say(f"  not searched, for want of rights: {', '.join(search.unreadable)}")


def require_user(user_id: int) -> None:
    """Raise InvalidRequestError unless this user exists."""
    with database() as sessions, sessions() as session:
        if session.scalar(select(User.id).where(User.id == user_id)) is None:
            raise InvalidRequestError(f"no user {user_id}; `finmind-worker users list` shows who there is")
