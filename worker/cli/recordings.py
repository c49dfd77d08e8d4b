"""`finmind-worker connections record` and `replay`: keep what a bank answered, scrubbed, and run it again."""

import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.database import client, database
from worker.cli.failures import ExitCode
from worker.cli.ids import ConnectionId
from worker.cli.output import JsonFlag, print_json, print_rows, say, warn
from worker.cli.progress import progress
from worker.cli.watching import POLL_S
from worker.connectors.registry import ConnectorRegistry
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.errors import ConflictError, InvalidRequestError
from worker.process.interruption import when_stopped
from worker.recordings.recording import Recording, read
from worker.recordings.replay import ReplayBench, ReplayResult
from worker.recordings.store import ask_for_recording, recording_of
from worker.telemetry.logs import setup_logging

_MOST_DIFFERENCES = 20
_COLUMNS = ("on", "amount", "currency", "decision", "reason", "account")
_LARGEST_FILE = 256 * 1024 * 1024


def record(
    connection: ConnectionId,
    *,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to; by default recording-RUN.json.")
    ] = None,
    whole: Annotated[bool, typer.Option("--import", help="Import everything instead of a refresh.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --import: decide everything, write nothing.")
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0, help="Wait this long at most.")
    ] = 600,
) -> None:
    """Run a connection once and keep what its bank answered, without anything personal, in a file to send."""
    if dry_run and not whole:
        raise InvalidRequestError("--dry-run goes with --import")
    if out is not None and not out.parent.is_dir():
        raise InvalidRequestError(f"--out: there is no folder {out.parent}")
    with database() as sessions, client() as opened:
        with sessions() as session:
            if whole:
                run_id = opened.request_import(session, connection, dry_run=dry_run)
            else:
                run_id = opened.request_refresh(session, connection)
            ask_for_recording(session, run_id)
        text = _wait_for(sessions, run_id, timeout)
    path = out or Path(f"recording-{run_id}.json")
    path.write_text(text, encoding="utf-8")
    say(f"kept run {run_id} in {path}; look into it before you send it")


def replay(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Recordings of one connection, oldest first.")],
    *,
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database", metavar="URL", help="Replay in this database, which has the schema; never a live one."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run recordings again, each on what the ones before it left, and compare what is decided.

    Without --database a Postgres is started for it and removed again.
    """
    setup_logging(level="ERROR", json=True)
    recordings = [_read(path) for path in files]
    with _scratch(database_url) as sessions, progress("replaying", len(files), unit="recordings") as advance:
        bench = ReplayBench(sessions=sessions, find_connector=ConnectorRegistry().get)
        results = []
        for recording in recordings:
            results.append(bench.replay(recording))
            advance(1)
    differs = any(result.differences for result in results)
    if as_json:
        print_json([_shown(path, result) for path, result in zip(files, results, strict=True)])
    else:
        _print(files, results)
    raise typer.Exit(ExitCode.FAILED if differs else ExitCode.DONE)


def _wait_for(sessions: Sessions, run_id: uuid.UUID, timeout_s: float) -> str:
    started_s = time.monotonic()
    words = f"stopped waiting: `finmind-worker runs show {run_id}` says how the run goes on"
    with when_stopped(words), progress("waiting for the run"):
        while time.monotonic() - started_s <= timeout_s:
            with sessions() as session:
                text = recording_of(session, run_id)
            if text is not None:
                return text
            time.sleep(POLL_S)
    raise ConflictError(f"run {run_id} has not ended after {timeout_s:.0f} s: is a worker running?")


def _read(path: Path) -> Recording:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InvalidRequestError(f"{path} is too large for a recording")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{path} cannot be read: {type(error).__name__}") from None
    return read(text)


@contextmanager
def _scratch(database_url: str | None) -> Iterator[Sessions]:
    """Open the named database, or start a Postgres that lives as long as the block."""
    if database_url is not None:
        engine = open_engine(database_url, role="replay")
        try:
            yield open_sessions(engine)
        finally:
            engine.dispose()
        return
    from worker.local.postgres import EmbeddedPostgres  # noqa: PLC0415 - only where one is started
    from worker.schema.apply import apply_schema  # noqa: PLC0415 - only where one is started

    with tempfile.TemporaryDirectory(prefix="finmind-replay-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o711)  # as root the server runs as a system user of its own
        server = EmbeddedPostgres(Path(directory) / "postgres", durable=False)
        engine = open_engine(server.url, role="replay")
        try:
            apply_schema(engine)
            yield open_sessions(engine)
        finally:
            engine.dispose()
            server.stop()


def _shown(path: Path, result: ReplayResult) -> dict[str, object]:
    return {
        "file": str(path),
        "outcome": result.outcome,
        "decisions": [asdict(decision) for decision in result.decisions],
        "differences": result.differences,
    }


def _print(files: Sequence[Path], results: Sequence[ReplayResult]) -> None:
    for path, result in zip(files, results, strict=True):
        say(f"{path}: {result.outcome['status']} ({result.outcome['code']})")
        rows = [asdict(decision) for decision in result.decisions]
        print_rows(rows, _COLUMNS, as_json=False, empty="no decisions: nothing changed")
        if not result.differences:
            say(f"the same {len(rows)} decisions as recorded")
        for difference in result.differences[:_MOST_DIFFERENCES]:
            warn(difference)
        if len(result.differences) > _MOST_DIFFERENCES:
            warn(f"and {len(result.differences) - _MOST_DIFFERENCES} more differences; --json lists them all")
        if result.differences:
            warn("a run decides alike only behind the recordings of all runs of its connection before it")
