"""`finmind-worker keys`: make keys, show what they seal, rotate to a new one, verify, and retire the old one."""

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.environment import settings
from worker.cli.failures import ExitCode
from worker.cli.output import JsonFlag, print_json, print_record, print_rows, say, warn
from worker.cli.progress import progress
from worker.cli.workspace import workspace
from worker.credentials import add_key, drop_key, generate_key
from worker.keys.rotation import DEFAULT_BATCH, rotate, rows_to_rotate
from worker.keys.usage import check_unneeded, key_usage
from worker.keys.verification import verify
from worker.process.interruption import when_stopped
from worker.runtime import Runtime

app = typer.Typer(no_args_is_help=True, help="The keys that seal bank credentials and webhook secrets.")


@app.command()
def generate(
    *,
    file: Annotated[Path | None, typer.Option(help="Put it first in this key file instead of printing it.")] = None,
) -> None:
    """Make a key: one entry for CREDENTIAL_KEYS, or the first line of a key file, which running workers follow."""
    if file is None:
        say(generate_key())
    else:
        say(f"{add_key(file)} is first in {file}; `finmind-worker keys rotate` moves what is sealed")


@app.command()
def status(*, as_json: JsonFlag = False) -> None:
    """Show what each key seals and since when; ends with 1 when a key that is needed is missing."""
    with workspace() as opened, opened.sessions() as session:
        usages = key_usage(session, opened.vault)
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
    batch: Annotated[int, typer.Option(min=1, max=10_000, help="Rows a transaction.")] = DEFAULT_BATCH,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what the primary key sealed already: fresh data keys.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would move.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Move everything to the primary key while imports go on; once killed, call it again. Ends with 3 if some stay."""
    with workspace() as opened:
        total = rows_to_rotate(opened.sessions, opened.vault, everything=everything)
        if dry_run:
            print_record({"to_rotate": total}, as_json=as_json)
            return
        with when_stopped("stopped: the same command goes on"), progress("rotating", total, unit="rows") as advance:
            report = rotate(opened.sessions, opened.vault, batch=batch, everything=everything, on_progress=advance)
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
    with workspace() as opened, progress("verifying", _sealed(opened), unit="rows") as advance:
        report = verify(opened.sessions, opened.vault, on_progress=advance)
    _print_outcome({"opened": dict(report.opened)}, report.failures, as_json=as_json)
    if report.failures:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def retire(key: Annotated[str, typer.Argument(help="The id of the key to let go.")]) -> None:
    """Let a key go once nothing is sealed with it; a key file loses it, CREDENTIAL_KEYS is yours to change."""
    with workspace() as opened, opened.sessions() as session:
        check_unneeded(session, opened.vault, key)
    file = settings().credential_keys_file
    if file is None:
        say(f"nothing needs {key}: take it out of CREDENTIAL_KEYS and restart the workers")
    else:
        say(f"{key} was moved to {drop_key(file, key)}; delete that once no old dump of the database matters")


def _sealed(opened: Runtime) -> int:
    with opened.sessions() as session:
        return sum(usage.sealed for usage in key_usage(session, opened.vault))


def _print_outcome(record: dict[str, object], failures: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json({**record, "failures": failures})
        return
    print_record(record, as_json=False)
    for message in failures.values():
        warn(message)
