"""`finmind-worker keys`: make keys, see what they seal, move everything to a new one, prove it, let the old one go."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.environment import settings
from worker.cli.failures import ExitCode
from worker.cli.output import JsonFlag, on_terminal, print_json, print_record, print_rows, warn
from worker.credentials import Vault, add_key, drop_key, generate_key, open_vault
from worker.database import Sessions, open_engine, open_sessions
from worker.keys import check_unneeded, key_usage, rotate, rows_to_rotate, verify

app = typer.Typer(no_args_is_help=True, help="The keys that seal bank credentials and webhook secrets.")


@app.command()
def generate(
    *,
    file: Annotated[Path | None, typer.Option(help="Put it first in this key file instead of printing it.")] = None,
) -> None:
    """Make a key: one entry for CREDENTIAL_KEYS, or the first line of a key file, which running workers follow."""
    if file is None:
        typer.echo(generate_key())
    else:
        typer.echo(f"{add_key(file)} is first in {file}; `finmind-worker keys rotate` moves what is sealed")


@app.command()
def status(*, as_json: JsonFlag = False) -> None:
    """Show what each key seals and since when; ends with 1 when a key that is needed is missing."""
    with _sessions() as sessions, sessions() as session:
        usages = key_usage(session, open_vault(settings()))
    rows = [
        {
            "key": usage.key_id,
            "state": "missing" if not usage.configured else "primary" if usage.primary else "secondary",
            "sealed": usage.sealed,
            "oldest_sealed_at": usage.oldest_sealed_at,
            "per_column": usage.per_column,
        }
        for usage in usages
    ]
    print_rows(rows, ["key", "state", "sealed", "oldest_sealed_at"], as_json=as_json, empty="no keys")
    if any(not usage.configured for usage in usages):
        raise typer.Exit(ExitCode.FAILED)


@app.command("rotate")
def rotate_(
    *,
    batch: Annotated[int, typer.Option(min=1, max=10_000, help="Rows a transaction.")] = 500,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what the primary key sealed already: fresh data keys.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would move.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Move everything to the primary key while imports go on; once killed, call it again. Ends with 3 if some stay."""
    with _sessions() as sessions:
        vault = open_vault(settings())
        if dry_run:
            print_record({"to_rotate": rows_to_rotate(sessions, vault, everything=everything)}, as_json=as_json)
            return
        total = rows_to_rotate(sessions, vault, everything=everything)
        with _progress("rotating", total, quiet=as_json) as advance:
            report = rotate(sessions, vault, batch=batch, everything=everything, on_progress=advance)
    _print_outcome(
        {"key": report.primary_key_id, "rotated": report.rotated, "remaining": report.remaining},
        report.failures,
        as_json=as_json,
    )
    if report.remaining:
        raise typer.Exit(ExitCode.IN_PART)


@app.command("verify")
def verify_(*, as_json: JsonFlag = False) -> None:
    """Open every sealed value and say which do not open and why; changes nothing. Ends with 1 when one does not."""
    with _sessions() as sessions:
        vault = open_vault(settings())
        with _progress("verifying", _sealed(sessions, vault), quiet=as_json) as advance:
            report = verify(sessions, vault, on_progress=advance)
    _print_outcome({"opened": dict(report.opened)}, report.failures, as_json=as_json)
    if report.failures:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def retire(key: Annotated[str, typer.Argument(help="The id of the key to let go.")]) -> None:
    """Let a key go once nothing is sealed with it; a key file loses it, CREDENTIAL_KEYS is yours to change."""
    with _sessions() as sessions, sessions() as session:
        check_unneeded(session, open_vault(settings()), key)
    file = settings().credential_keys_file
    if file is None:
        typer.echo(f"nothing needs {key}: take it out of CREDENTIAL_KEYS and restart the workers")
    else:
        typer.echo(f"{key} was moved to {drop_key(file, key)}; delete that once no old dump of the database matters")


@contextmanager
def _sessions() -> Iterator[Sessions]:
    engine = open_engine(settings().database_url.get_secret_value(), role="cli")
    try:
        yield open_sessions(engine)
    finally:
        engine.dispose()


def _sealed(sessions: Sessions, vault: Vault) -> int:
    with sessions() as session:
        return sum(usage.sealed for usage in key_usage(session, vault))


def _print_outcome(record: dict[str, object], failures: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json({**record, "failures": failures})
        return
    print_record(record, as_json=False)
    for message in failures.values():
        warn(message)


@contextmanager
def _progress(what: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar to a person who watches; yield what is called with each number of rows that were done."""
    if quiet or not on_terminal():
        yield lambda _rows: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    with Progress(TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task(what, total=total)
        yield lambda rows: progress.advance(task, rows)
