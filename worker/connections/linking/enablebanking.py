"""Links banks through Enable Banking: the user consents at the bank; the code of the redirect is exchanged once."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
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
from worker.connectors.enablebanking import EnableBankingConnector
from worker.connectors.enablebanking.api import EnableBankingApi
from worker.connectors.enablebanking.config import EnableBankingApp
from worker.connectors.reading import part, text
from worker.errors import InvalidRequestError

_LONGEST_CONSENT = timedelta(days=180)
_MARGIN = timedelta(minutes=10)


class EnableBankingFlow(LinkFlow):
    """Requests the longest consent that the bank allows, at most 180 days."""

    name = EnableBankingConnector.name

    def __init__(self, service: LinkService, app: EnableBankingApp) -> None:
        super().__init__(service)
        self._app = app

    def banks(self, context: ConnectorContext, country: str) -> Sequence[LinkBank]:
        """Return the banks of a country (two letters)."""
        return [
            LinkBank(
                id=text(bank, "name") or "",
                name=text(bank, "name") or "",
                country=country,
                consent_days=_consent(bank).days,
                user_types=_user_types(bank),
            )
            for bank in EnableBankingApi(self._app, context).banks(country)
        ]

    def open(self, context: ConnectorContext, wanted: WantedLink, state: str) -> OpenedLink:
        """Start an authorisation, and return the bank's page."""
        name, country = needed(wanted.bank, "bank"), needed(wanted.country, "country")
        redirect_url = needed(wanted.redirect_url, "redirect_url")
        api = EnableBankingApi(self._app, context)
        bank = next((one for one in api.banks(country) if text(one, "name") == name), None)
        if bank is None:
            raise InvalidRequestError("Enable Banking lists no such bank in this country")
        valid_until = context.now() + min(_consent(bank), _LONGEST_CONSENT) - _MARGIN
        answer = api.start_authorization(
            {
                # Both kinds of access are the documented default; some banks need them stated.
                "access": {"valid_until": valid_until.isoformat(), "balances": True, "transactions": True},
                "aspsp": {"name": name, "country": country},
                "state": state,
                "redirect_url": redirect_url,
                "psu_type": _user_type(bank, wanted),
            }
        )
        return OpenedLink(url=part(answer, "url", str), details={"bank": name})

    def close(self, attempt: Attempt, callback: BroughtBack) -> Linked:
        """Return a config with the code, which the connector exchanges before the first save."""
        config = self._app.model_dump() | {"code": needed(callback.code, "code")}
        return Linked(config=config, institution_name=attempt.details.get("bank"))


def _consent(bank: Mapping[str, Any]) -> timedelta:
    return timedelta(seconds=part(bank, "maximum_consent_validity", int))


def _user_types(bank: Mapping[str, Any]) -> tuple[str, ...]:
    found = bank.get("psu_types")
    return tuple(one for one in ("personal", "business") if one in found) if isinstance(found, list) else ()


def _user_type(bank: Mapping[str, Any], wanted: WantedLink) -> str:
    """Return the user type to request. Raises: InvalidRequestError when the bank does not serve it."""
    served = _user_types(bank) or ("personal", "business")
    if wanted.user_type is not None and wanted.user_type not in served:
        raise InvalidRequestError(f"this bank serves {' and '.join(served)} customers only")
    return wanted.user_type or served[0]
