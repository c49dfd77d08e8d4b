"""The operator's pages: runs and their decisions, connections, deliveries, and the state of the workers.

They are rendered on the server and work without scripts; one small script keeps an open page current. They show the
runs of every user, so operators log in with names and passwords of their own; without such log-ins the pages are off.
The audit records by name what an operator looked at and what an operator did.
"""

from fastapi import APIRouter, Depends

from worker.api.ops import (
    accounts,
    bulk_runs,
    connections,
    deliveries,
    institutions,
    live,
    overview,
    recordings,
    rejections,
    runs,
    transactions,
    unknown_page,
    work,
)
from worker.api.ops.access import operator

router = APIRouter(include_in_schema=False, dependencies=[Depends(operator)])
for _part in (
    overview.router,
    recordings.router,
    institutions.router,
    bulk_runs.router,
    runs.router,
    rejections.router,
    connections.router,
    accounts.router,
    transactions.router,
    deliveries.router,
    work.router,
    live.router,
    unknown_page.router,  # the last one: it takes every address
):
    router.include_router(_part)

__all__ = ["router"]
