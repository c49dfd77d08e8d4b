"""Routes of providers' webhooks: each is verified, stored and answered; runs follow from the rows."""

from fastapi import APIRouter, BackgroundTasks, Request, Response
from fastapi.concurrency import run_in_threadpool

from worker.api.problems import ProblemError
from worker.api.services import Services, ServicesDep
from worker.connections.notices.receiving import NoticeInbox
from worker.connectors.base import ReceivedWebhook
from worker.connectors.errors import AuthenticationError, InvalidDataError
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

router = APIRouter(prefix="/provider-webhooks", include_in_schema=False)


@router.post("/{connector_name}")
async def receive_webhook(
    connector_name: str, request: Request, services: ServicesDep, nudges: BackgroundTasks
) -> Response:
    """Keep a webhook that its provider signed. 401: it did not; 503: that cannot be told now, send it again."""
    received = ReceivedWebhook(headers={**request.headers}, body=await request.body())
    if await run_in_threadpool(_keep, services, connector_name, received):
        nudges.add_task(services.nudge_dispatcher)
    return Response(status_code=200, background=nudges)


def _keep(services: Services, connector_name: str, received: ReceivedWebhook) -> bool:
    verifier = services.webhook_verifiers.of(connector_name)
    if verifier is None:
        raise ProblemError(404, "not_found", "no provider sends webhooks under this name")
    try:
        verified = verifier.verify(received)
    except AuthenticationError as error:
        log.info("provider_webhook.refused", connector=connector_name, reason=str(error))
        raise ProblemError(401, "unauthenticated", "the signature was refused") from None
    try:
        notice = verifier.interpret(received.body)
    except InvalidDataError:
        raise ProblemError(422, "invalid_request", "this is no webhook of the provider") from None
    inbox = NoticeInbox(sessions=services.sessions, vault=services.runtime.vault)
    return inbox.keep(connector_name, verified, notice)
