"""The statements that must not read the whole history of runs, and the sequential scans in their plans."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import event, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session
from sqlalchemy.sql import ClauseElement

from worker.runs import lease
from worker.runs.dispatching import dispatch, planning
from worker.runs.run_filter import After, RunFilter
from worker.runs.run_queries import list_runs
from worker.runs.states import RunKind, RunStatus
from worker.status import connection_pages, overview
from worker.status.metrics import GAUGES

_SOME_ID = "01a22388-66aa-7db5-aa25-71a5ba9885c5"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStatement:
    """A statement and the values it is planned with."""

    name: str
    sql: str
    values: Mapping[str, object] = field(default_factory=dict)


def dispatch_statements() -> Iterator[PlannedStatement]:
    """Yield what dispatcher and claim ask."""
    values = {"interactive": False, "page": 1000, "full_users": [], "full_connectors": []}
    of_dispatch = {
        "waiting": dispatch._WAITING, "under way": dispatch._UNDER_WAY,  # noqa: SLF001
        "postpone": dispatch._POSTPONE, "name connectors": dispatch._NAME_CONNECTORS,  # noqa: SLF001
    }  # fmt: skip
    for name, statement in of_dispatch.items():
        sql = statement.text.replace(":redispatch", "INTERVAL '90 seconds'")
        yield PlannedStatement(name=name, sql=sql, values=values)
    yield PlannedStatement(name="due connectors", sql=planning._DUE_CONNECTORS.text)  # noqa: SLF001
    claimed = {"run_id": _SOME_ID, "token": _SOME_ID, "lease_s": 60, "worker_name": "w"}
    claimed |= {"count_up_to": 100, "light": True}
    yield PlannedStatement(name="claim", sql=lease._CLAIM.text, values=claimed)  # noqa: SLF001


def screen_statements(connection_id: object) -> Iterator[PlannedStatement]:
    """Yield what metrics, status and the operator's pages ask."""
    for gauge in GAUGES:
        yield PlannedStatement(name=gauge.name, sql=gauge.query)
    yield PlannedStatement(name="status: work", sql=overview._WORK)  # noqa: SLF001
    yield PlannedStatement(name="status: runs", sql=overview._RUNS)  # noqa: SLF001
    page = {"ids": [connection_id], "days": 14}
    yield PlannedStatement(name="page of a connection", sql=str(connection_pages._HISTORY), values=page)  # noqa: SLF001


def list_statements(session: Session) -> Iterator[PlannedStatement]:
    """Yield what the API's lists of runs ask: the first page and the one behind it."""
    asked: list[ClauseElement] = []

    def keep(_connection: object, clause: ClauseElement, *_details: object) -> None:
        asked.append(clause)

    engine = session.get_bind()
    event.listen(engine, "before_execute", keep)
    try:
        few = (RunFilter(user_id=1), RunFilter(kinds=[RunKind.REVERT]))
        for wanted in (RunFilter(), RunFilter(statuses=[RunStatus.SUCCEEDED]), *few):
            if first := list_runs(session, wanted)[-1:]:
                after = After(queued_at=first[0]["queued_at"], run_id=first[0]["id"])
                list_runs(session, RunFilter(user_id=wanted.user_id, statuses=wanted.statuses, after=after))
    finally:
        event.remove(engine, "before_execute", keep)
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's
    for number, clause in enumerate(asked):
        bound = clause.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        yield PlannedStatement(name=f"list of runs, {number}", sql=str(bound).replace(":", "\\:"))


def sequential_scans(session: Session, statement: PlannedStatement, table: str = "bank_import_runs") -> list[str]:
    """Return the lines of the plan that read the whole of a table."""
    plan = session.scalars(text(f"EXPLAIN {statement.sql}"), dict(statement.values))
    return [line.strip() for line in plan if f"Seq Scan on {table}" in line]


def scans_of_runs(session: Session, connection_id: object) -> dict[str, list[str]]:
    """Return, for each statement that reads the whole history of runs, where its plan does."""
    statements = [*dispatch_statements(), *screen_statements(connection_id), *list_statements(session)]
    found = {statement.name: sequential_scans(session, statement) for statement in statements}
    return {name: lines for name, lines in found.items() if lines}
