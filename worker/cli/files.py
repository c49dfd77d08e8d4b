"""`finmind-worker files`: inspect a statement file, propose or list profiles of tables, import a file."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.prompt import Prompt

from worker.cli.database import client
from worker.cli.environment import settings
from worker.cli.failures import ExitCode
from worker.cli.file_report import print_report
from worker.cli.imports import TimeoutOption, WaitFlag, tell
from worker.cli.output import JsonFlag, print_json, print_result, print_rows
from worker.cli.progress import progress
from worker.cli.users import require_user
from worker.cli.workspace import workspace
from worker.connections.statement_files import connection_for, folder_of, keep
from worker.connectors.file import FileConfig
from worker.connectors.file.config import stated_columns
from worker.connectors.file.folder import Folder
from worker.connectors.file.indexed_files import RowKeeper
from worker.connectors.file.inspection import report
from worker.connectors.file.proposal import profile_keys, profile_toml, propose_profile, settled
from worker.connectors.file.statement.errors import Doubt
from worker.connectors.file.table.profile import Profile
from worker.connectors.file.table.profile_files import built_in_profile, built_in_profiles, load_profile
from worker.errors import InvalidRequestError
from worker.process.interruption import uninterrupted
from worker.process.state_directory import state_directory
from worker.runtime import open_connection_service

app = typer.Typer(no_args_is_help=True, help="Look at statement files, list CSV profiles, import a file.")

_MAX_STDIN_BYTES = 1024**3
_CHUNK_BYTES = 1024**2

PathArgument = Annotated[Path, typer.Argument(metavar="PATH", help="Statement file or folder; - reads stdin.")]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", metavar="NAME|FILE", help="Shipped CSV profile, or a TOML file of your own.")
]
DateOrder = Annotated[
    str | None, typer.Option("--date-order", metavar="dmy|mdy|ymd", help="Where a CSV file does not prove it.")
]
PositiveIs = Annotated[
    str | None, typer.Option("--positive-is", metavar="in|out", help="Which way positive CSV amounts went.")
]
DirectionFrom = Annotated[
    str | None,
    typer.Option(
        "--direction-from",
        metavar="word|reversal|sign",
        help="What a minus means where a word, mark or column states the direction besides.",
    ),
]
EncodingOption = Annotated[str | None, typer.Option("--encoding", help="Where it is found out wrongly.")]
NotificationsFlag = Annotated[bool, typer.Option("--notifications", help="Read camt.054 too.")]
ReportsOption = Annotated[
    str | None,
    typer.Option("--reports", metavar="so_far|new", help="What each of several reports in one CAMT.052 file tells."),
]
CurrencyOption = Annotated[str | None, typer.Option("--currency", metavar="ISO", help="Of rows that state none.")]
IbanOption = Annotated[str | None, typer.Option("--iban", help="The account's IBAN, where the file has none.")]
DecimalOption = Annotated[
    str | None, typer.Option("--decimal", metavar=".|,", help="Decimal mark, where a file does not prove it.")
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="NAME=FIELD", help="What a column holds; repeatable. NAME may be 1, 2 …"),
]
IgnoreOption = Annotated[
    list[str] | None, typer.Option("--ignore", metavar="NAME", help="A column that is not read; repeatable.")
]
FlipFlag = Annotated[bool, typer.Option("--flip-sign", help="Turn every amount round.")]


@app.command()
def inspect(  # noqa: PLR0913 - one parameter per flag
    path: PathArgument,
    *,
    profile: ProfileOption = None,
    column: ColumnOption = None,
    ignore: IgnoreOption = None,
    date_order: DateOrder = None,
    decimal: DecimalOption = None,
    positive_is: PositiveIs = None,
    direction_from: DirectionFrom = None,
    encoding: EncodingOption = None,
    notifications: NotificationsFlag = False,
    reports: ReportsOption = None,
    currency: CurrencyOption = None,
    iban: IbanOption = None,
    flip_sign: FlipFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Show what is understood of a file: format, accounts, period, rows, balances, warnings. Nothing is imported."""
    stated: dict[str, Any] = {
        "profile": _profile(profile),
        **_reading(column, ignore, date_order, decimal, encoding),
        **_directions(positive_is, direction_from),
        "notifications": notifications,
        "reports": reports,
        "account": _account(currency, iban, flip_sign=flip_sign, name=None),
    }
    with _on_disk(path) as readable:
        config = _config(path=readable, **stated)
        with progress(f"reading {path.name}", unit="rows") as advance:
            found = Folder.inspect(config, rows=RowKeeper(advance))
    shown = report(found)
    if as_json:
        print_json(shown)
    else:
        print_report(shown)
    if found.refused and not found.files:
        raise typer.Exit(ExitCode.FAILED)
    if found.refused or found.doubts(None) or any(file.summary.bad_count for file in found.files):
        raise typer.Exit(ExitCode.IN_PART)


@app.command("profile")
def propose(  # noqa: PLR0913 - one parameter per flag
    path: PathArgument,
    *,
    column: ColumnOption = None,
    ignore: IgnoreOption = None,
    date_order: DateOrder = None,
    decimal: DecimalOption = None,
    positive_is: PositiveIs = None,
    direction_from: DirectionFrom = None,
    encoding: EncodingOption = None,
    currency: CurrencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the profile of a table as TOML, with one question for each doubt; on a terminal the questions are asked."""
    stated: dict[str, Any] = {
        **_reading(column, ignore, date_order, decimal, encoding),
        **_directions(positive_is, direction_from),
        "account": _account(currency, None, flip_sign=False, name=None),
    }
    with _on_disk(path) as readable:
        config = _config(path=readable, **stated)
        with progress(f"reading {path.name}"):
            proposal = propose_profile(readable, config)
        while proposal.doubts and not as_json and sys.stdin.isatty():
            config = settled(config, proposal.doubts[0], _ask(proposal.doubts[0]))
            proposal = propose_profile(readable, config)
    print_result(proposal.as_report(), proposal.as_toml(), as_json=as_json)
    if proposal.doubts:
        raise typer.Exit(ExitCode.IN_PART)


@app.command()
def profiles(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show this one in full.")] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """List the CSV layouts that are known, or show one as a start for your own."""
    if name is not None:
        shown = profile_keys(built_in_profile(name))
        print_result(shown, profile_toml(shown), as_json=as_json)
        return
    rows = [{"name": one.name, "title": one.title, "columns": list(one.recognised_by)} for one in built_in_profiles()]
    print_rows(rows, ("name", "title"), as_json=as_json, empty="no profiles")


@app.command("import")
def import_(  # noqa: PLR0913 - one parameter per flag
    path: PathArgument,
    *,
    user: Annotated[int, typer.Option("--user", metavar="ID", help="FinMind's user id.")],
    profile: ProfileOption = None,
    column: ColumnOption = None,
    ignore: IgnoreOption = None,
    date_order: DateOrder = None,
    decimal: DecimalOption = None,
    positive_is: PositiveIs = None,
    direction_from: DirectionFrom = None,
    encoding: EncodingOption = None,
    notifications: NotificationsFlag = False,
    reports: ReportsOption = None,
    currency: CurrencyOption = None,
    iban: IbanOption = None,
    flip_sign: FlipFlag = False,
    name: Annotated[str | None, typer.Option("--name", help="What to call the connection, if it is new.")] = None,
    wait: WaitFlag = False,
    timeout: TimeoutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Keep a statement file where the workers find it and import it; the same file again changes nothing."""
    stated: dict[str, Any] = {
        "profile": _profile(profile),
        **_reading(column, ignore, date_order, decimal, encoding),
        **_directions(positive_is, direction_from),
        "notifications": notifications,
        "reports": reports,
        "account": _account(currency, iban, flip_sign=flip_sign, name=None),
    }
    require_user(user)
    with _on_disk(path) as readable, workspace() as opened:
        config = _config(path=readable, **stated)
        with progress(f"reading {path.name}", unit="rows") as advance:
            Folder.scan(config, RowKeeper(advance))
        folder = folder_of(settings().statement_folder or state_directory() / "statements", user, config)
        with uninterrupted():  # a file that is kept is imported
            for one in sorted(readable.iterdir()) if readable.is_dir() else [readable]:
                if one.is_file():
                    keep(one, folder)
            wanted = _config(path=folder, **stated)
            connection_id, _ = connection_for(open_connection_service(opened), user, wanted, name)
            with client() as asking, opened.sessions() as session:
                run_id = asking.request_refresh(session, connection_id)
        tell(opened.sessions, run_id, wait=wait, timeout_s=timeout, as_json=as_json)


def _ask(doubt: Doubt) -> str:
    return Prompt.ask(doubt.text, choices=list(doubt.choices), default=doubt.choices[0])


@contextmanager
def _on_disk(path: Path) -> Iterator[Path]:
    """Give a path that can be read several times: the path itself, or what stands on standard input."""
    if str(path) != "-":
        if not path.exists():
            raise InvalidRequestError(f"{path}: there is no such file or folder")
        yield path.absolute()
        return
    with tempfile.TemporaryDirectory() as place:
        stored = Path(place) / "stdin"
        _store_stdin(stored)
        yield stored


def _store_stdin(place: Path) -> None:
    """Raises: InvalidRequestError past one gibibyte."""
    left = _MAX_STDIN_BYTES
    with place.open("wb") as target:
        while data := sys.stdin.buffer.read(_CHUNK_BYTES):
            left -= len(data)
            if left < 0:
                raise InvalidRequestError("standard input holds more than 1 GiB; give a path")
            target.write(data)


def _reading(
    column: list[str] | None,
    ignore: list[str] | None,
    date_order: str | None,
    decimal: str | None,
    encoding: str | None,
) -> dict[str, Any]:
    """Return the fields of a config that say how a table is read."""
    return {
        "columns": stated_columns(column or []) or None,
        "ignored": tuple(ignore or ()) or None,
        "date_order": date_order,
        "decimal": decimal,
        "encoding": encoding,
    }


def _directions(positive_is: str | None, direction_from: str | None) -> dict[str, Any]:
    """Return the fields of a config that say which way money went."""
    return {"positive_is": positive_is, "direction_from": direction_from}


def _profile(stated: str | None) -> Profile | str | None:
    """A name of a shipped profile, or the content of a TOML file."""
    if stated is None:
        return None
    if stated.endswith(".toml") or "/" in stated:
        return load_profile(Path(stated))
    return built_in_profile(stated).name


def _account(currency: str | None, iban: str | None, *, flip_sign: bool, name: str | None) -> dict[str, Any] | None:
    stated = {"currency": currency, "iban": iban, "flip_sign": flip_sign or None, "name": name}
    return {key: value for key, value in stated.items() if value is not None} or None


def _config(**stated: object) -> FileConfig:
    """Raises: InvalidRequestError naming the first flag that is wrong."""
    try:
        return FileConfig.model_validate({key: value for key, value in stated.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = str(first["loc"][-1]).replace("_", "-")
        raise InvalidRequestError(f"--{field}: {first['msg'].removeprefix('Value error, ')}") from None
