"""Reads what happened in an hour, a day or a month, for the charts of operators.

Hours that have ended are read from `run_activity`; what is younger is counted from the runs themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.runs.activity import FIGURES


class Span(StrEnum):
    """How far a chart looks back."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


STEP: Mapping[Span, timedelta] = {
    Span.HOUR: timedelta(minutes=2),
    Span.DAY: timedelta(hours=1),
    Span.MONTH: timedelta(days=1),
}
STEPS: Mapping[Span, int] = {Span.HOUR: 30, Span.DAY: 24, Span.MONTH: 31}


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What happened in one step of a chart.

    Attributes:
        from_at: When the step begins (UTC).
        rows_changed: Rows created, updated, linked or removed.
        wait_p95_s: How long a person waited for a start, 95th percentile; None when nobody asked.
        run_p50_s: How long runs took, median.
        run_p95_s: How long runs took, 95th percentile.
        fresh_ratio: Active connections with data of the last day, 0 to 1; None where it is not on record.
    """

    from_at: datetime
    succeeded: int = 0
    partial: int = 0
    failed: int = 0
    cancelled: int = 0
    rows_changed: int = 0
    wait_p95_s: float | None = None
    run_p50_s: float | None = None
    run_p95_s: float | None = None
    fresh_ratio: float | None = None

    @property
    def runs(self) -> int:
        """All runs that ended in this step."""
        return self.succeeded + self.partial + self.failed + self.cancelled


_SUMS = """sum(succeeded)::int AS succeeded, sum(partial)::int AS partial, sum(failed)::int AS failed,
      sum(cancelled)::int AS cancelled, sum(rows_changed)::bigint AS rows_changed, max(wait_p95_s) AS wait_p95_s,
      max(run_p50_s) AS run_p50_s, max(run_p95_s) AS run_p95_s,
      (sum(fresh)::float / NULLIF(sum(connections) FILTER (WHERE fresh IS NOT NULL), 0)) AS fresh_ratio"""
_ENDED_HOURS = text(
    f"""
    SELECT date_bin(:step, hour_at, :from_at) AS from_at, {_SUMS}
    FROM run_activity WHERE connector_name = :connector_name AND hour_at >= :from_at AND hour_at < :until_at
    GROUP BY 1"""  # noqa: S608 - a constant
)
_OF_RUNS = f"""
    SELECT date_bin(:step, r.finished_at, :from_at) AS from_at, {FIGURES}
    FROM bank_import_runs r {{of}}
    WHERE r.finished_at >= :since_at AND NOT r.dry_run GROUP BY 1"""  # noqa: S608 - a constant
OF_BANK = """c.connector_name = :connector_name
      AND (CAST(:institution AS text) IS NULL OR c.institution_name = :institution)"""
"""The condition that a connection `c` is one of a `Bank`, whose fields are the parameters."""

_JOIN_OF_BANK = f"JOIN bank_connections c ON c.id = r.connection_id AND {OF_BANK}"
_RUNS, _RUNS_OF_BANK = text(_OF_RUNS.format(of="")), text(_OF_RUNS.format(of=_JOIN_OF_BANK))
_ENDED_DAYS = text(
    f"""
    SELECT CAST(day_on AS timestamp) AT TIME ZONE 'UTC' AS from_at, {_SUMS}
    FROM institution_days WHERE connector_name = :connector_name AND institution = :institution
      AND succeeded IS NOT NULL AND day_on >= (:from_at AT TIME ZONE 'UTC')::date
      AND day_on < (:until_at AT TIME ZONE 'UTC')::date GROUP BY 1"""  # noqa: S608 - a constant
)
_NOW = text(
    """SELECT now() AS now_at, (SELECT max(hour_at) + INTERVAL '1 hour' FROM run_activity) AS hours_until_at,
    (SELECT CAST(days_until_on AS timestamp) AT TIME ZONE 'UTC' FROM institution_weather_progress) AS days_until_at"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """A bank behind a connector; without a name, everything behind the connector."""

    connector_name: str
    institution: str | None = None


def activity(session: Session, span: Span, of: Bank | None = None) -> list[Activity]:
    """Return one entry per step of the span, oldest first; steps without a run hold zeros.

    Of a single bank days are kept and no hours: an hour and a day are counted from the runs themselves.

    Args:
        of: Only runs of this bank.
    """
    now = session.execute(_NOW).one()
    from_at = first_step(now.now_at, span)
    of_one_bank = of is not None and of.institution is not None
    kept_from = Span.MONTH if of_one_bank else Span.DAY
    ended_until_at = now.days_until_at if of_one_bank else now.hours_until_at
    is_kept = ended_until_at is not None and STEP[span] >= STEP[kept_from]
    since_at = max(from_at, ended_until_at) if is_kept else from_at
    values = {"step": STEP[span], "from_at": from_at, "since_at": since_at, "until_at": since_at}
    values |= asdict(of or Bank(connector_name=""))  # the hours of all connectors have no name
    rows = [dict(row) for row in session.execute(_RUNS_OF_BANK if of else _RUNS, values).mappings()]
    if since_at > from_at:
        ended = session.execute(_ENDED_DAYS if of_one_bank else _ENDED_HOURS, values)
        rows += [dict(row) for row in ended.mappings()]
    return fill_steps(from_at, span, rows)


def first_step(now_at: datetime, span: Span) -> datetime:
    """Return when the first step of a chart begins, so that the last step holds this moment. Pure."""
    step = STEP[span]
    epoch = datetime(2020, 1, 1, tzinfo=UTC)
    newest = epoch + (now_at.astimezone(UTC) - epoch) // step * step
    return newest - (STEPS[span] - 1) * step


def fill_steps(from_at: datetime, span: Span, rows: Sequence[Mapping[str, Any]]) -> list[Activity]:
    """Return one entry per step; rows of one step, ended hours and newer runs, are put together. Pure."""
    steps: dict[datetime, dict[str, Any]] = {from_at + index * STEP[span]: {} for index in range(STEPS[span])}
    for row in rows:
        step = steps.get(row["from_at"].astimezone(UTC))
        if step is None:
            continue
        for name, value in row.items():
            if name == "from_at" or value is None:
                continue
            known = step.get(name)
            step[name] = value if known is None else max(known, value) if name.endswith("_s") else known + value
    return [Activity(from_at=moment, **found) for moment, found in steps.items()]
