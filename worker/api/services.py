"""Dependencies of routes: the services of this process, and the authenticated user."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import BackgroundTasks, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from worker.api.auth import TokenPolicy, UnauthenticatedError, read_user_id
from worker.api.rate_limit import COSTS, UserLimit
from worker.api.webhook_verifiers import WebhookVerifiers
from worker.client import WorkerClient
from worker.connections.lifecycle import ConnectionService
from worker.connections.linking import LinkApps, LinkService
from worker.credentials.operators import OperatorLogins
from worker.db.engine import Sessions
from worker.runs.request import request_run
from worker.runs.states import RunRequest
from worker.runtime import Runtime
from worker.status import Fleet, Status, read_fleet, read_status
from worker.status.kept_readings import KeptReadings

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_OLDEST_S = 60.0
"""What was read longer ago is not shown: somebody who opens a page in the morning sees no state of the evening."""


def _keep_large_fleets() -> KeptReadings[Fleet]:
    return KeptReadings(keeps=lambda fleet, _: fleet.is_large, oldest_s=_OLDEST_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the routes of this process work with.

    Attributes:
        webhook_verifiers: Verify webhooks of providers.
        nudge_dispatcher: Wakes the dispatcher; never raises.
        operators: The log-ins of the operator's page; None when the page is off.
        trace_context: The traceparent header of the request.
        kept_fleet: What the operator's pages showed last of very many connections.
    """

    runtime: Runtime
    connection_service: ConnectionService
    link_service: LinkService
    link_apps: LinkApps
    client: WorkerClient
    tokens: TokenPolicy
    limit: UserLimit
    operators: OperatorLogins | None
    webhook_verifiers: WebhookVerifiers
    nudge_dispatcher: Callable[[], None]
    trace_context: str | None = None
    kept_fleet: KeptReadings[Fleet] = field(default_factory=_keep_large_fleets)

    @property
    def sessions(self) -> Sessions:
        """The factory of transactions."""
        return self.runtime.sessions

    @property
    def readings(self) -> Sessions:
        """The factory of transactions for what operators look at, which may be some moments old."""
        return self.runtime.readings

    def status(self, session: Session) -> Status:
        """Return the state of the worker; what is read from every connection may be some moments old."""
        fleet = self.kept_fleet.get("fleet", lambda: read_fleet(session), self._renewed_fleet)
        return read_status(session, self.runtime.broker, fleet)

    def _renewed_fleet(self) -> Fleet:
        with self.readings() as session:
            return read_fleet(session)

    def ask(self, session: Session, request: RunRequest, background: BackgroundTasks) -> uuid.UUID:
        """Write a run's row and nudge the workers after the answer was sent; no request waits for the broker."""
        run_id = request_run(session, replace(request, trace_context=self.trace_context))
        background.add_task(self.client.nudge, run_id)
        return run_id


def services(request: Request) -> Services:
    """Return the services of the application that answers, with the trace this request belongs to."""
    found = request.app.state.services
    assert isinstance(found, Services)
    traceparent = request.headers.get("traceparent", "")
    return replace(found, trace_context=traceparent if _TRACEPARENT.fullmatch(traceparent) else None)


_bearer = HTTPBearer(
    auto_error=False, bearerFormat="JWT", description="FinMind's access token; `sub` is the user's id."
)


def caller(request: Request, _token: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> int:
    """Return the user id of a verified token, counted against the user's limit by what the route costs."""
    known: int | None = getattr(request.state, "user_id", None)
    route = request.scope.get("route")
    return authenticate(request, cost=COSTS.get(getattr(route, "name", ""), 1)) if known is None else known


def authenticate(request: Request, *, cost: int) -> int:
    """Return the user id of a verified token and count `cost` against the user's limit.

    Raises: UnauthenticatedError, ProblemError 429.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise UnauthenticatedError("no token")
    found = services(request)
    user_id = read_user_id(token.strip(), found.tokens)
    found.limit.take(user_id, cost)
    request.state.user_id = user_id
    return user_id


UserId = Annotated[int, Depends(caller)]
ServicesDep = Annotated[Services, Depends(services)]
