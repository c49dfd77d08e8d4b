"""Watches a run by its row: a live line on a terminal, plain lines elsewhere, and an exit code at the end."""

import time
import uuid
from collections.abc import Mapping
from typing import Any, Self

from worker.cli.failures import ExitCode
from worker.cli.output import on_terminal, print_result, say, warn
from worker.connections.connection_queries import list_accounts
from worker.db.engine import Sessions
from worker.db.outage import once_it_answers
from worker.inert_text import inert_lines
from worker.process.interruption import when_stopped
from worker.runs.run_queries import run_of
from worker.runs.states import GOING_ON, RunKind, RunStatus

POLL_S = 0.3
UNCLAIMED_S = 15.0
"""A run that no worker has claimed for this long is mentioned (s)."""

AWAY_S = 60.0
"""How long a database that is away is waited for (s)."""

_EXIT: Mapping[str, ExitCode] = {
    RunStatus.SUCCEEDED: ExitCode.DONE,
    RunStatus.PARTIAL: ExitCode.IN_PART,
    RunStatus.DEFERRED: ExitCode.IN_PART,
}
_SHOWN = ("created", "updated", "unchanged", "linked", "removed", "rejected", "suggested")


def watch(sessions: Sessions, run_id: uuid.UUID, *, timeout_s: float | None, as_json: bool) -> ExitCode:
    """Follow a run until it ends or is deferred, print how, and return what that means as an exit code.

    Args:
        timeout_s: Stop watching after this long; the run goes on.
    """
    run = follow(sessions, run_id, timeout_s=timeout_s, quiet=as_json)
    if run is None:
        return ExitCode.FAILED
    print_result(run, summary(run), as_json=as_json)
    return exit_code(run)


def exit_code(run: dict[str, Any]) -> ExitCode:
    """Return what the result of a run means as an exit code."""
    return _EXIT.get(run["status"], ExitCode.FAILED)


def follow(sessions: Sessions, run_id: uuid.UUID, *, timeout_s: float | None, quiet: bool) -> dict[str, Any] | None:
    """Show a run until it ends or is deferred, and return it; None when it has not within `timeout_s`.

    Args:
        quiet: Show nothing.
    """
    goes_on = f"`finmind-worker runs show {run_id}` says how it goes on"
    started_s = time.monotonic()
    line = _LiveLine() if on_terminal() and not quiet else _PlainLines(quiet=quiet)
    warned = named = False
    with when_stopped(f"stopped watching: {goes_on}"), line:
        while True:
            run = _read(sessions, run_id)
            if run["accounts_total"] and run["kind"] == RunKind.IMPORT and not named:
                named = True
                line.tell(f"accounts: {account_names(sessions, run['connection_id'])}")
            line.show(run)
            if _has_ended(run):
                break
            waited_s = time.monotonic() - started_s
            if timeout_s is not None and waited_s > timeout_s:
                warn(f"run {run_id} is still {run['status']}; {goes_on}")
                return None
            if run["status"] == RunStatus.QUEUED and waited_s > UNCLAIMED_S and not warned:
                warn("no worker has taken the run yet; `finmind-worker status` says what is running")
                warned = True
            time.sleep(POLL_S)
    return run


def account_names(sessions: Sessions, connection_id: uuid.UUID) -> str:
    """Name the accounts of a connection with their currency, and say which of them are not imported."""
    with sessions() as session:
        accounts = list_accounts(session, connection_id)
    return ", ".join(map(_account_name, accounts))


def _account_name(account: dict[str, Any]) -> str:
    standing = account["status"] if account["status"] != "active" else None if account["included"] else "left out"
    return f"{account['name']} ({', '.join(filter(None, (account['currency'], standing)))})".removesuffix(" ()")


def summary(run: dict[str, Any]) -> str:
    """Say in one line how a run ended."""
    counts = counted(run)
    words = [f"{kind_of(run)} {run['id']} of {run['connection_name']} {run['status']} ({run['code']})"]
    if counts and run["dry_run"]:
        words.append(f"nothing was written; it would have been {counts}")
    elif counts:
        words.append(counts)
    if run["reverted_by_run_id"]:
        words.append(f"taken back since by run {run['reverted_by_run_id']}")
    if run["message"]:
        words.append(str(run["message"]))
    if run["status"] == RunStatus.DEFERRED:
        words.append(f"goes on after {run['not_before']:%Y-%m-%d %H:%M}Z")
    return ": ".join(words)


def kind_of(run: dict[str, Any]) -> str:
    """Say what kind of run it is, and whether it counts: a dry run writes nothing, a reverted one was taken back."""
    dry = "dry " if run["dry_run"] else ""
    reverted = ", reverted" if run["reverted_by_run_id"] else ""
    return f"{dry}{run['kind']}{reverted}"


def counted(run: dict[str, Any]) -> str:
    """Say what happened to rows so far: only what is not zero."""
    found = [f"{run[name]} {name}" for name in _SHOWN if run[name]]
    return ", ".join([*found, f"{run['transfer_legs']} legs of transfers"] if run["transfer_legs"] else found)


def fetched(run: dict[str, Any]) -> str:
    """Say what has arrived from the bank so far."""
    if not run["pages"]:
        return ""
    days = f" of {run['read_from_on']} to {run['read_to_on']}" if run["read_from_on"] else ""
    return f", {run['fetched']} rows{days} on {run['pages']} pages"


def _read(sessions: Sessions, run_id: uuid.UUID) -> dict[str, Any]:
    """Read a run, and wait for a database that is away, such as one that restarts: the run goes on after that."""

    def read() -> dict[str, Any]:
        with sessions() as session:
            return run_of(session, run_id)

    return once_it_answers(read, patience_s=AWAY_S, every_s=POLL_S)


def _has_ended(run: dict[str, Any]) -> bool:
    return run["status"] not in GOING_ON


class _PlainLines:
    """One line per change of state, on standard error so that the result stays alone."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, run: dict[str, Any]) -> None:
        """Print the state when it is another one than before."""
        line = f"{run['status']}: accounts {run['accounts_done']}/{run['accounts_total']}{fetched(run)}"
        if not self._quiet and line != self._last and not _has_ended(run):
            say(line, err=True)
        self._last = line

    def tell(self, words: str) -> None:
        """Print a line that stays."""
        if not self._quiet:
            say(words, err=True)


class _LiveLine:
    """A bar over the accounts, with what happened to rows beside it."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
        from rich.table import Column  # noqa: PLC0415

        # Where the terminal is narrow the counts give way, from their end; nothing else is cut.
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", table_column=Column(min_width=len(RunStatus.SUCCEEDED))),
            BarColumn(bar_width=12, table_column=Column(min_width=12)),
            TimeElapsedColumn(table_column=Column(min_width=len("0:00:00"))),
        )
        counts = TextColumn("{task.fields[counts]}", table_column=Column(ratio=1, no_wrap=True))
        self._progress = Progress(*columns, counts, transient=True, expand=True)
        self._task = self._progress.add_task("queued", total=None, counts="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, run: dict[str, Any]) -> None:
        """Redraw."""
        total = run["accounts_total"] or None
        counts = ", ".join(filter(None, (counted(run), fetched(run).removeprefix(", "))))
        self._progress.update(
            self._task, description=run["status"], total=total, completed=run["accounts_done"], counts=counts
        )

    def tell(self, words: str) -> None:
        """Print a line that stays above the bar."""
        self._progress.console.print(inert_lines(words), markup=False, highlight=False)
