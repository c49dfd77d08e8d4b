"""GoCardless: an agreement, a requisition, the user at the bank; there is no code to exchange afterwards."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.connections.linking.attempts import new_state, open_attempt
from worker.connections.linking.flow import Brought, LinkService, LinkStart, finish, require_own, take
from worker.connectors.errors import AuthenticationError
from worker.connectors.gocardless import GoCardlessConnector
from worker.connectors.gocardless.api import GoCardlessApi
from worker.connectors.gocardless.config import GoCardlessApp
from worker.connectors.gocardless.errors import REQUISITION_STATES
from worker.connectors.reading import part, text
from worker.errors import InvalidRequestError

_NAME = GoCardlessConnector.name
_MOST_DAYS = 730
_USUAL_DAYS = 90
_SPLIT_CONSENT = "separate_continuous_history_consent"
"""Banks with this feature give long histories only under a consent of its own that ends at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Institution:
    """A bank one may link. history_days: how far back it goes."""

    id: str
    name: str
    history_days: int


def list_gocardless_institutions(link_service: LinkService, app: GoCardlessApp, country: str) -> Sequence[Institution]:
    """Return the banks of a country (two letters). Raises: ConnectorError."""
    with link_service.open_context() as context:
        found = GoCardlessApi(app, context, keep=lambda _tokens: None).institutions(country)
    return [
        Institution(id=part(one, "id", str), name=part(one, "name", str), history_days=_history_days(one))
        for one in found
    ]


def start_gocardless(
    link_service: LinkService,
    app: GoCardlessApp,
    *,
    user_id: int,
    institution_id: str,
    redirect_url: str,
    connection_id: uuid.UUID | None = None,
) -> LinkStart:
    """Agree on terms and return the bank's page: all the history and the longest access the bank gives.

    connection_id: renew this connection in place. The redirect carries the state as `ref`.
    Raises: NotFoundError, InvalidRequestError, ConnectorError.
    """
    require_own(link_service, connection_id, user_id=user_id, connector_name=_NAME)
    state = new_state()
    with link_service.open_context() as context:
        api = GoCardlessApi(app, context, keep=lambda _tokens: None)
        institution = api.institution(institution_id)
        agreement = api.create_agreement(_terms(institution_id, institution))
        requisition = api.create_requisition(
            {
                "institution_id": institution_id,
                "agreement": part(agreement, "id", str),
                "redirect": redirect_url,
                "reference": state,
            }
        )
    with link_service.connection_service.sessions() as session:
        open_attempt(
            session,
            user_id=user_id,
            connector_name=_NAME,
            state=state,
            connection_id=connection_id,
            provider_ref=part(requisition, "id", str),
            details={"institution": text(institution, "name"), "history_days": _history_days(institution)},
        )
    return LinkStart(state=state, url=part(requisition, "link", str))


def finish_gocardless(
    link_service: LinkService, app: GoCardlessApp, *, user_id: int, state: str, name: str | None = None
) -> uuid.UUID:
    """See that the requisition is linked and save the connection; return its id. Calling it twice links once.

    state: the `ref` of the redirect. Raises: InvalidRequestError, ConflictError, ConnectorError
    (AuthenticationError when the user did not go through with it).
    """
    attempt = take(link_service, user_id=user_id, connector_name=_NAME, state=state)

    def bring() -> Brought:
        if attempt.provider_ref is None:
            raise InvalidRequestError("this link has no requisition: start again")
        _require_linked(link_service, app, attempt.provider_ref)
        institution = attempt.details.get("institution")
        config = app.model_dump() | {
            "requisition_id": attempt.provider_ref,
            "institution": institution,
            "history_days": attempt.details["history_days"],
        }
        return Brought(config=config, provider_ref=attempt.provider_ref, institution_name=institution)

    return finish(link_service, attempt, bring, connector_name=_NAME, name=name)


def _require_linked(link_service: LinkService, app: GoCardlessApp, requisition_id: str) -> None:
    with link_service.open_context() as context:
        requisition = GoCardlessApi(app, context, keep=lambda _tokens: None).requisition(requisition_id)
    status = text(requisition, "status") or ""
    if status in REQUISITION_STATES:
        raise AuthenticationError(f"GoCardless: the requisition is {status}", reason=REQUISITION_STATES[status])


def _terms(institution_id: str, institution: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "institution_id": institution_id,
        "max_historical_days": _history_days(institution),
        "access_valid_for_days": _days(institution, "max_access_valid_for_days"),
        "access_scope": ["balances", "details", "transactions"],
    }


def _history_days(institution: Mapping[str, Any]) -> int:
    days = _days(institution, "transaction_total_days")
    features = institution.get("supported_features")
    splits = isinstance(features, list) and _SPLIT_CONSENT in features
    return min(days, _USUAL_DAYS) if splits else days


def _days(institution: Mapping[str, Any], field: str) -> int:
    """Read a number of days that GoCardless gives as text."""
    said = text(institution, field) or ""
    return min(max(int(said), 1), _MOST_DAYS) if said.isdecimal() else _USUAL_DAYS
