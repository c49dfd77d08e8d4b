"""Enable Banking: the user agrees at the bank; the code of the redirect is exchanged for a session once."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from worker.connections.linking.attempts import new_state, open_attempt
from worker.connections.linking.flow import Brought, LinkService, LinkStart, finish, require_own, take
from worker.connectors.base import ConnectorContext
from worker.connectors.enablebanking import EnableBankingConnector
from worker.connectors.enablebanking.api import EnableBankingApi
from worker.connectors.enablebanking.config import EnableBankingApp
from worker.connectors.reading import part, text
from worker.errors import InvalidRequestError

_NAME = EnableBankingConnector.name
_LONGEST_CONSENT = timedelta(days=180)
_MARGIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """A bank one may link. consent: how long it lets a consent live."""

    name: str
    country: str
    consent: timedelta


def list_enablebanking_banks(link_service: LinkService, app: EnableBankingApp, country: str) -> Sequence[Bank]:
    """Return the banks of a country (two letters). Raises: ConnectorError."""
    with link_service.open_context() as context:
        return _banks(app, context, country)


def start_enablebanking(  # noqa: PLR0913 - by keyword, as a form has them
    link_service: LinkService,
    app: EnableBankingApp,
    *,
    user_id: int,
    bank: str,
    country: str,
    redirect_url: str,
    connection_id: uuid.UUID | None = None,
) -> LinkStart:
    """Return the bank's page for a consent as long as the bank allows, 180 days at most.

    bank, country: as `list_enablebanking_banks` names them. connection_id: renew this connection in place.
    Raises: NotFoundError, InvalidRequestError (no such bank), ConnectorError.
    """
    require_own(link_service, connection_id, user_id=user_id, connector_name=_NAME)
    state = new_state()
    with link_service.open_context() as context:
        consent = _consent(app, context, bank, country)
        answer = EnableBankingApi(app, context).start_authorization(
            {
                "access": {"valid_until": (context.now() + consent).isoformat()},
                "aspsp": {"name": bank, "country": country},
                "state": state,
                "redirect_url": redirect_url,
                "psu_type": "personal",
            }
        )
    with link_service.connection_service.sessions() as session:
        open_attempt(
            session,
            user_id=user_id,
            connector_name=_NAME,
            state=state,
            connection_id=connection_id,
            details={"bank": bank},
        )
    return LinkStart(state=state, url=part(answer, "url", str))


def finish_enablebanking(
    link_service: LinkService, app: EnableBankingApp, *, user_id: int, state: str, code: str, name: str | None = None
) -> uuid.UUID:
    """Exchange the code of the redirect and save the connection; return its id. Calling it twice links once.

    state, code: as the redirect carries them. Raises: InvalidRequestError, ConflictError, ConnectorError.
    """
    attempt = take(link_service, user_id=user_id, connector_name=_NAME, state=state)
    brought = Brought(config=app.model_dump() | {"code": code}, institution_name=attempt.details.get("bank"))
    return finish(link_service, attempt, lambda: brought, connector_name=_NAME, name=name)


def _consent(app: EnableBankingApp, context: ConnectorContext, bank: str, country: str) -> timedelta:
    chosen = next((one for one in _banks(app, context, country) if one.name == bank), None)
    if chosen is None:
        raise InvalidRequestError("Enable Banking lists no such bank in this country")
    return min(chosen.consent, _LONGEST_CONSENT) - _MARGIN


def _banks(app: EnableBankingApp, context: ConnectorContext, country: str) -> list[Bank]:
    return [
        Bank(
            name=text(bank, "name") or "",
            country=country,
            consent=timedelta(seconds=part(bank, "maximum_consent_validity", int)),
        )
        for bank in EnableBankingApi(app, context).banks(country)
    ]
