"""Links banks through GoCardless: an agreement, then a requisition that the user confirms at the bank."""

from collections.abc import Mapping, Sequence
from typing import Any

from worker.connections.linking.attempts import Attempt
from worker.connections.linking.contract import (
    BroughtBack,
    LinkBank,
    Linked,
    LinkFlow,
    LinkService,
    OpenedLink,
    WantedLink,
    needed,
)
from worker.connectors.base import ConnectorContext
from worker.connectors.errors import AuthenticationError
from worker.connectors.gocardless import GoCardlessConnector
from worker.connectors.gocardless.api import GoCardlessApi
from worker.connectors.gocardless.config import GoCardlessApp
from worker.connectors.gocardless.errors import REQUISITION_STATES
from worker.connectors.reading import part, text
from worker.errors import InvalidRequestError

_MOST_DAYS = 730
_USUAL_DAYS = 90
_SPLIT_CONSENT = "separate_continuous_history_consent"
"""Banks with this feature give a long history only under a separate consent, which ends at once."""


class GoCardlessFlow(LinkFlow):
    """Requests the longest history and access that the bank gives; the redirect has the state as `ref`."""

    name = GoCardlessConnector.name

    def __init__(self, service: LinkService, app: GoCardlessApp) -> None:
        super().__init__(service)
        self._app = app

    def banks(self, context: ConnectorContext, country: str) -> Sequence[LinkBank]:
        """Return the banks of a country (two letters)."""
        return [
            LinkBank(
                id=part(one, "id", str),
                name=part(one, "name", str),
                country=country,
                history_days=_history_days(one),
                consent_days=_days(one, "max_access_valid_for_days"),
            )
            for one in self._api(context).institutions(country)
        ]

    def open(self, context: ConnectorContext, wanted: WantedLink, state: str) -> OpenedLink:
        """Create an agreement and a requisition, and return the bank's page."""
        institution_id, api = needed(wanted.bank, "bank"), self._api(context)
        redirect_url = needed(wanted.redirect_url, "redirect_url")
        institution = api.institution(institution_id)
        terms = {
            "institution_id": institution_id,
            "max_historical_days": _history_days(institution),
            "access_valid_for_days": _days(institution, "max_access_valid_for_days"),
            "access_scope": ["balances", "details", "transactions"],
        }
        agreement_id = part(api.create_agreement(terms), "id", str)
        requisition = api.create_requisition(
            {"institution_id": institution_id, "agreement": agreement_id, "redirect": redirect_url, "reference": state}
        )
        return OpenedLink(
            url=part(requisition, "link", str),
            provider_ref=part(requisition, "id", str),
            details={"institution": text(institution, "name"), "history_days": _history_days(institution)},
        )

    def close(self, attempt: Attempt, callback: BroughtBack) -> Linked:
        """Check that the requisition is linked. Raises: AuthenticationError when the user did not confirm it."""
        del callback
        if attempt.provider_ref is None:
            raise InvalidRequestError("this link has no requisition: start again")
        with self.service.open_context() as context:
            status = text(self._api(context).requisition(attempt.provider_ref), "status") or ""
        if status in REQUISITION_STATES:
            raise AuthenticationError(f"GoCardless: the requisition is {status}", reason=REQUISITION_STATES[status])
        config = self._app.model_dump() | {"requisition_id": attempt.provider_ref, **attempt.details}
        return Linked(
            config=config, provider_ref=attempt.provider_ref, institution_name=attempt.details.get("institution")
        )

    def _api(self, context: ConnectorContext) -> GoCardlessApi:
        return GoCardlessApi(self._app, context, keep=lambda _tokens: None)


def _history_days(institution: Mapping[str, Any]) -> int:
    days = _days(institution, "transaction_total_days")
    features = institution.get("supported_features")
    splits = isinstance(features, list) and _SPLIT_CONSENT in features
    return min(days, _USUAL_DAYS) if splits else days


def _days(institution: Mapping[str, Any], field: str) -> int:
    """Read a number of days that GoCardless gives as text."""
    stated = text(institution, field) or ""
    return min(max(int(stated), 1), _MOST_DAYS) if stated.isdecimal() else _USUAL_DAYS
