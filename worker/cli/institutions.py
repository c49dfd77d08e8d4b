"""`finmind-worker institutions`: how the banks do."""

from typing import Annotated

import typer

from worker.cli.database import database
from worker.cli.output import JsonFlag, WideFlag, print_rows
from worker.runs.providers.outage_records import institutions as known_institutions

_COLUMNS = (
    "connector_name", "institution", "state", "outage_since_at", "success", "freshness", "lateness_days",
    "connections", "current_error",
)  # fmt: skip


def institutions(
    *,
    connector: Annotated[str | None, typer.Option("--connector", metavar="NAME", help="Only of this one.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=5000)] = 100,
    wide: WideFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """List the banks as runs of the last 14 days found them, the ones that are down first."""
    with database() as sessions, sessions() as session:
        rows = known_institutions(session, connector_name=connector, limit=limit)
    print_rows(rows, _COLUMNS, as_json=as_json, wide=wide, empty="no bank has been seen yet")
