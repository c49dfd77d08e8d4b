"""Keeps what a run finds beside its accounts' rows, and closes the run's row with it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from worker.connectors.errors import ConnectorError
from worker.errors import KeyProviderUnavailableError, WorkerError
from worker.importer import run_messages
from worker.importer.context import ImportContext
from worker.importer.fetch.unchanged_response import ResponseDigest
from worker.importer.job import Job
from worker.importer.outcome import UNACCOUNTED, AccountResult, AccountTally, outcome_of
from worker.importer.store.results.judgement import problem_of_connection
from worker.importer.store.results.problems import save_connection_problem
from worker.importer.store.unchanged_response import remember
from worker.runs.ending import close
from worker.runs.states import Counts, Outcome
from worker.telemetry.logs import get_logger

log = get_logger(__name__)


@dataclass(slots=True)
class RunFindings:
    """Findings about the run as a whole, not about one account.

    Attributes:
        stopped_by: The error that ended it before all accounts were read.
        rows_not_imported: Delivered rows of accounts that this run does not import, by the account's standing.
        rows_not_compared: Rows that have too many others near them to be compared with all, by what they may be.
        rows_out_of_reach: Known posted rows that are older than all that the bank told: it is taken to give fewer days.
        elsewhere: Counts of those rows, and of records that belong to no account.
        digest: The digest of its response, while the response can be recognised again.
    """

    stopped_by: WorkerError | None = None
    warnings: set[str] = field(default_factory=set)
    rows_not_imported: Counter[str] = field(default_factory=Counter)
    rows_not_compared: Counter[str] = field(default_factory=Counter)
    rows_out_of_reach: int = 0
    elsewhere: Counts = field(default_factory=Counts)
    digest: ResponseDigest | None = None

    def add(self, tally: AccountTally) -> None:
        """Add what was found where an account's share of a delivery was imported."""
        self.warnings |= tally.warnings
        self.rows_not_compared["replaced"] += tally.not_compared
        self.rows_out_of_reach += tally.out_of_reach

    @contextmanager
    def keeping_stopping_error(self) -> Iterator[None]:
        """Leave the block at an error of the bank or of the key provider, and keep the error as `stopped_by`."""
        try:
            yield
        except (ConnectorError, KeyProviderUnavailableError) as error:
            self.stopped_by = error
            log.warning("run.stopped", code=error.code)


@dataclass(slots=True, kw_only=True)
class ToldOfAccount:
    """What all deliveries of a run told of an account, as far as the end of the run needs it.

    Attributes:
        told_again: How many rows may be known ones or more equal purchases.
        told_from_on: The day of the oldest posted row; None without any.
        newly_absent: How many known rows they came without for the first time.
    """

    told_again: int = 0
    told_from_on: date | None = None
    newly_absent: int = 0

    def add(self, tally: AccountTally) -> None:
        """Add what one delivery told."""
        self.told_again += tally.told_again
        self.told_from_on = tally.told_from_on
        self.newly_absent += tally.newly_absent


def close_run(
    session: Session, job: Job, context: ImportContext, findings: RunFindings, results: Sequence[AccountResult]
) -> Outcome:
    """Close the run's row, and keep the digest of a response with nothing new."""
    report: dict[str, Any] = {"warnings": sorted(findings.warnings)} if findings.warnings else {}
    if findings.rows_not_imported:
        report["rows_not_imported"] = dict(findings.rows_not_imported)
    if not_compared := +findings.rows_not_compared:
        report["rows_not_compared"] = dict(not_compared)
    may_be_repeated = not report
    if findings.rows_out_of_reach:
        report["rows_out_of_reach"] = findings.rows_out_of_reach
    problem = _lost_rows(findings) or problem_of_connection(session, job.connection_id)
    outcome = outcome_of(
        results, findings.stopped_by, context.now(), report, elsewhere=findings.elsewhere, problem=problem
    )
    if not job.dry_run:
        save_connection_problem(session, job.connection_id, problem)
    close(session, job.lease, outcome)
    digest = findings.digest.value() if findings.digest else None
    if digest is not None and outcome.code == "nothing_new" and may_be_repeated:
        remember(session, job, digest)
    return outcome


def _lost_rows(findings: RunFindings) -> AccountResult | None:
    """Return that rows were lost before any account got them; rows that an account lost are its own problem."""
    counts = findings.elsewhere
    if findings.stopped_by is not None or counts.delivered == counts.accounted:
        return None
    message = run_messages.unaccounted(counts)
    return AccountResult(account_id=None, status="partial", code=UNACCOUNTED, message=message)
