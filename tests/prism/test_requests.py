"""Our requests against the providers' published descriptions: Prism finds nothing to complain of in any."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import httpx2
import pytest

from tests.fakes import enablebanking_server, gocardless_server, plaid_server
from tests.fakes.provider_server import NOW, Detour, context_for
from tests.fakes.published import ENABLE_BANKING, GOCARDLESS, PLAID
from tests.prism.server import prism
from worker.connectors.base import SyncState, Window
from worker.connectors.enablebanking import EnableBankingConfig, EnableBankingConnector
from worker.connectors.enablebanking.api import EnableBankingApi
from worker.connectors.errors import AuthenticationError, ConnectorError
from worker.connectors.gocardless import GoCardlessConfig, GoCardlessConnector
from worker.connectors.gocardless.api import GoCardlessApi
from worker.connectors.plaid import PlaidConfig, PlaidConnector
from worker.connectors.plaid.api import PlaidApi

UUID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
WINDOW = Window(from_on=NOW.date() - timedelta(days=30), to_on=NOW.date())
PLAID_CONFIG = PlaidConfig(
    client_id=plaid_server.CLIENT_ID, secret=plaid_server.SECRET, access_token="access-1", item_id="item-1"
)
EB_CONFIG = EnableBankingConfig(
    application_id=enablebanking_server.APPLICATION, private_key=enablebanking_server.PRIVATE_KEY, session_id=UUID
)
GC_CONFIG = GoCardlessConfig(
    secret_id=gocardless_server.SECRET_ID, secret_key=gocardless_server.SECRET_KEY, requisition_id=UUID
)
FUZZ_ROUNDS = 8

Prepare = Callable[[httpx2.Request], None]


@pytest.fixture(scope="module")
def plaid() -> Iterator[str]:
    with prism(PLAID) as url:
        yield url


@pytest.fixture(scope="module")
def enablebanking() -> Iterator[str]:
    with prism(ENABLE_BANKING) as url:
        yield url


@pytest.fixture(scope="module")
def gocardless() -> Iterator[str]:
    with prism(GOCARDLESS) as url:
        yield url


@contextmanager
def watched(url: str, prepare: Prepare | None = None):
    """A connector's surroundings; at the end every request must have been as published."""
    detour = Detour(url, prepare=prepare)
    with context_for(url, detour=detour) as context:
        yield context
    assert detour.seen
    assert complaints(detour) == []


def complaints(detour: Detour) -> list[str]:
    """What Prism says about our requests; it also minds some of the descriptions' own examples, in responses."""
    return [
        f"{path}: {violation['message']}"
        for path, answer in detour.seen
        for violation in json.loads(answer.headers.get("sl-violations", "[]"))
        if violation["location"][0] == "request"
    ]


def a_bearer_for_tokens(request: httpx2.Request) -> None:
    """The description asks for a bearer where one is made; the service does not."""
    request.headers.setdefault("Authorization", "Bearer none")


def anything(request: httpx2.Request) -> None:
    a_bearer_for_tokens(request)
    request.headers["Prefer"] = "dynamic=true"


def test_every_plaid_request_is_as_published(plaid):
    with watched(plaid) as context:
        connector = PlaidConnector(PLAID_CONFIG, context)
        assert connector.get_auth_status()
        assert connector.list_accounts()
        for cursor in (None, "item-1:cursor-of-before"):
            pages = list(connector.refresh(SyncState(account_id=None, cursor=cursor, window=WINDOW)))
            assert pages[-1].removed
        account_id = connector.list_accounts()[0].external_id
        assert list(connector.get_transactions(account_id, WINDOW.from_on, WINDOW.to_on))
        assert connector.revoke()
        PlaidConnector(PLAID_CONFIG.model_copy(update={"public_token": PLAID_CONFIG.secret}), context).link()


def test_a_request_that_is_not_as_published_is_noticed(plaid):
    detour = Detour(plaid)
    with context_for(plaid, detour=detour) as context, suppress(ConnectorError):
        PlaidApi(PLAID_CONFIG, context).post("/transactions/sync", {"access_token": "a", "count": 501})
    assert "count" in complaints(detour)[0]


def test_every_plaid_request_around_linking_is_as_published(plaid):
    with watched(plaid) as context:
        api = PlaidApi(PLAID_CONFIG, context)
        for access_token in (None, "access-1"):
            answer = api.create_link_token(
                "7",
                webhook="https://finmind.test/hook",
                redirect_uri="https://finmind.test/x",
                access_token=access_token,
            )
            assert answer["link_token"]
        assert api.institution_name("ins_109508")
        assert api.webhook_key("bfbd5111-8e33-4643-8ced-b2e642a72f3c")["kty"] == "EC"


def test_every_enable_banking_request_is_as_published(enablebanking):
    with watched(enablebanking) as context:
        connector = EnableBankingConnector(EB_CONFIG, context)
        assert connector.get_auth_status()
        assert connector.list_accounts()
        api = EnableBankingApi(EB_CONFIG, context)
        for key, longest in ((None, False), ("key-1", False), (None, True)):
            assert api.transactions(UUID, WINDOW, key=key, longest=longest)["transactions"]
        assert api.balances(UUID)["balances"]
        assert api.details(UUID)
        assert connector.revoke()


def test_every_enable_banking_request_around_linking_is_as_published(enablebanking):
    with watched(enablebanking) as context:
        api = EnableBankingApi(EB_CONFIG, context)
        assert api.banks("FI")
        assert api.start_authorization(
            {
                "access": {"valid_until": "2027-05-01T00:00:00+00:00"},
                "aspsp": {"name": "Nordea", "country": "FI"},
                "state": "s",
                "redirect_url": "https://finmind.test/linked",
                "psu_type": "personal",
            }
        )["url"]
        unlinked = EB_CONFIG.model_copy(update={"code": PLAID_CONFIG.secret, "session_id": None})
        assert EnableBankingConnector(unlinked, context).link().session_id


def test_every_gocardless_request_is_as_published(gocardless):
    with watched(gocardless, a_bearer_for_tokens) as context:
        connector = GoCardlessConnector(GC_CONFIG, context)
        assert connector.get_auth_status()
        with suppress(AuthenticationError):  # the example is a requisition that nobody finished
            connector.list_accounts()
        (page,) = connector.get_transactions(UUID, WINDOW.from_on, WINDOW.to_on)
        assert len(page.transactions) + len(page.rejected) == 3
        assert connector.revoke()


def test_every_gocardless_request_around_linking_is_as_published(gocardless):
    with watched(gocardless, a_bearer_for_tokens) as context:
        api = GoCardlessApi(GC_CONFIG, context, keep=lambda _tokens: None)
        assert api.institutions("GB")
        institution = api.institution("N26_NTSBDEB1")
        agreement = api.create_agreement(
            {
                "institution_id": institution["id"],
                "max_historical_days": 540,
                "access_valid_for_days": 180,
                "access_scope": ["balances", "details", "transactions"],
            }
        )
        assert api.create_requisition(
            {
                "institution_id": institution["id"],
                "agreement": agreement["id"],
                "redirect": "https://finmind.test/linked",
                "reference": "r",
            }
        )["id"]
        assert api.agreement(UUID)
        assert api.metadata(UUID)
        assert api.details(UUID)
        assert api.balances(UUID)
        later = GC_CONFIG.model_copy(
            update={
                "refresh_token": GC_CONFIG.secret_key,
                "refresh_expires_at": NOW + timedelta(days=9),
            }
        )
        assert GoCardlessApi(later, context, keep=lambda _tokens: None).requisition(UUID)


def test_whatever_plaid_may_say_is_read_or_refused(plaid):
    with watched(plaid, anything) as context:
        connector = PlaidConnector(PLAID_CONFIG, context)
        for _ in range(FUZZ_ROUNDS):
            _survives(lambda: next(iter(connector.refresh(SyncState(account_id=None, cursor=None, window=WINDOW)))))
            _survives(connector.list_accounts)
            _survives(connector.get_auth_status)


def test_whatever_enable_banking_may_say_is_read_or_refused(enablebanking):
    with watched(enablebanking, anything) as context:
        connector = EnableBankingConnector(EB_CONFIG, context)
        for _ in range(FUZZ_ROUNDS):
            _survives(lambda: next(iter(_window(connector))))
            _survives(connector.list_accounts)
            _survives(connector.get_auth_status)


def test_whatever_gocardless_may_say_is_read_or_refused(gocardless):
    with watched(gocardless, anything) as context:
        connector = GoCardlessConnector(GC_CONFIG, context)
        for _ in range(FUZZ_ROUNDS):
            _survives(lambda: next(iter(_window(connector))))
            _survives(connector.list_accounts)
            _survives(connector.get_auth_status)


def _window(connector):
    return connector.get_transactions(UUID, WINDOW.from_on, WINDOW.to_on)


def _survives(step) -> None:
    with suppress(ConnectorError):
        step()
