"""The linking flows as a web app calls them: real HTTP to stateful fakes, real Postgres, nothing exchanged twice."""

from contextlib import contextmanager

import pytest
from sqlalchemy import select, text

from tests.fakes import enablebanking_server, gocardless_server, plaid_server, truelayer_server
from tests.fakes.enablebanking_server import FakeEnableBanking
from tests.fakes.gocardless_server import FakeGoCardless
from tests.fakes.plaid_server import FakePlaid
from tests.fakes.provider_server import context_for, serving
from tests.fakes.truelayer_server import FakeTrueLayer
from worker.connections.credentials import open_taken, take_config
from worker.connections.lifecycle import ConnectionService
from worker.connections.linking import (
    BroughtBack,
    LinkApps,
    LinkService,
    WantedLink,
    abandon,
    finish_link,
    list_link_banks,
    start_link,
)
from worker.connectors.enablebanking.config import EnableBankingApp
from worker.connectors.errors import AuthenticationError, ConnectorError
from worker.connectors.gocardless.config import GoCardlessApp
from worker.connectors.plaid.api import PlaidApp
from worker.connectors.registry import ConnectorRegistry
from worker.credentials import LocalKeyring
from worker.credentials.envelope import EnvelopeVault
from worker.errors import ConflictError, InvalidRequestError, NotFoundError
from worker.models import BankConnection, BankLinkAttempt

PLAID_APP = PlaidApp(client_id=plaid_server.CLIENT_ID, secret=plaid_server.SECRET)
EB_APP = EnableBankingApp(application_id=enablebanking_server.APPLICATION, private_key=enablebanking_server.PRIVATE_KEY)
GC_APP = GoCardlessApp(secret_id=gocardless_server.SECRET_ID, secret_key=gocardless_server.SECRET_KEY)


def _linker(sessions, fake):
    @contextmanager
    def open_connector(connector, config):
        with context_for(fake.url) as context:
            yield connector(config, context)

    connection_service = ConnectionService(
        sessions=sessions,
        vault=EnvelopeVault([LocalKeyring({"k1": b"1" * 32})], primary_key_id="k1"),
        find_connector=ConnectorRegistry().get,
        open_connector=open_connector,
        operator_values=APPS.operator_values,
    )
    return LinkService(connection_service=connection_service, open_context=lambda: context_for(fake.url))


def _served(fake_type):
    @pytest.fixture
    def fixture(sessions):
        fake = fake_type()
        with serving(fake) as fake.url:
            fake.link_service = _linker(sessions, fake)
            yield fake

    return fixture


plaid = _served(FakePlaid)
eb = _served(FakeEnableBanking)
gc = _served(FakeGoCardless)
tl = _served(FakeTrueLayer)


APPS = LinkApps(plaid=PLAID_APP, enablebanking=EB_APP, gocardless=GC_APP, truelayer=truelayer_server.APP)
REDIRECT = "https://finmind.test/linked"


def start(fake, connector_name, user_id, **rest):
    return start_link(fake.link_service, APPS, WantedLink(user_id=user_id, connector_name=connector_name, **rest))


def finish(fake, connector_name, user_id, state, **rest):
    brought = BroughtBack(user_id=user_id, connector_name=connector_name, state=state, **rest)
    return finish_link(fake.link_service, APPS, brought)


def finish_plaid(plaid, user_id, state, public_token="public-1", **rest):
    return finish(plaid, "plaid", user_id, state, public_token=public_token, **rest)


def link_plaid(plaid, user_id, **rest):
    begun = start(plaid, "plaid", user_id)
    return begun, finish_plaid(plaid, user_id, begun.state, **rest)


def start_eb(eb, user_id, bank="Nordea", **rest):
    return start(eb, "enablebanking", user_id, bank=bank, country="FI", redirect_url=REDIRECT, **rest)


def link_eb(eb, user_id, code="code-1", **rest):
    begun = start_eb(eb, user_id, **rest)
    return begun, finish(eb, "enablebanking", user_id, begun.state, code=code)


def start_gc(gc, user_id, **rest):
    return start(gc, "gocardless", user_id, bank="NORDEA_NDEAFIHH", redirect_url=REDIRECT, **rest)


def stored(fake, connection_id):
    connection_service = fake.link_service.connection_service
    taken = take_config(connection_service.sessions, connection_id)
    return open_taken(
        connection_service.sessions,
        connection_service.vault,
        taken,
        connection_service.find_connector(taken.connector_name).Config,
    )


def row(sessions, connection_id):
    with sessions() as session:
        return session.get(BankConnection, connection_id)


def statuses(sessions):
    with sessions() as session:
        return list(session.scalars(select(BankLinkAttempt.status)))


def test_plaid_links_with_the_token_of_the_link_page(plaid, sessions, user_id):
    begun, connection_id = link_plaid(plaid, user_id, institution_name="First Platypus Bank")
    assert begun.link_token == "link-1"
    assert row(sessions, connection_id).display_name == "First Platypus Bank"
    config = stored(plaid, connection_id)
    assert (config.access_token.get_secret_value(), config.public_token) == ("access-canary-1", None)
    assert plaid.asked[0].body["products"] == ["transactions"]


def test_a_connection_knows_its_login_at_the_provider(plaid, sessions, user_id):
    _, connection_id = link_plaid(plaid, user_id)
    assert row(sessions, connection_id).login_ref == "item-1"


def test_finishing_twice_exchanges_once_and_gives_the_same_connection(plaid, user_id):
    begun, connection_id = link_plaid(plaid, user_id)
    again = finish_plaid(plaid, user_id, begun.state)
    assert again == connection_id
    assert plaid.exchanged == ["public-1"]


def test_a_token_whose_answer_was_lost_is_never_sent_again(plaid, sessions, user_id):
    begun = start(plaid, "plaid", user_id)
    plaid.fail("/item/public_token/exchange", "API_ERROR", "INTERNAL_SERVER_ERROR", 500)
    for expected in (ConnectorError, ConflictError):
        with pytest.raises(expected):
            finish_plaid(plaid, user_id, begun.state)
    assert plaid.paths().count("/item/public_token/exchange") == 1
    assert statuses(sessions) == ["failed"]


def test_an_exchange_that_died_half_way_is_not_taken_up_by_anybody(plaid, sessions, user_id):
    begun = start(plaid, "plaid", user_id)
    with sessions() as session:
        session.execute(text("UPDATE bank_link_attempts SET status = 'exchanging'"))
    with pytest.raises(ConflictError, match="start again"):
        finish_plaid(plaid, user_id, begun.state)
    assert plaid.exchanged == []


def test_a_state_nobody_was_given_is_refused_before_anything_is_exchanged(plaid, user_id):
    start(plaid, "plaid", user_id)
    with pytest.raises(InvalidRequestError):
        finish_plaid(plaid, user_id, "forged")
    assert plaid.exchanged == []


def test_a_state_of_somebody_else_is_refused(plaid, sessions, user_id):
    with sessions() as session:
        other = session.execute(
            text("INSERT INTO users (email, password_hash) VALUES ('eve@example.test', 'x') RETURNING id")
        ).scalar_one()
    begun = start(plaid, "plaid", user_id)
    with pytest.raises(InvalidRequestError):
        finish_plaid(plaid, other, begun.state)
    assert statuses(sessions) == ["started"]


def test_a_state_that_is_too_old_is_refused(plaid, sessions, user_id):
    begun = start(plaid, "plaid", user_id)
    with sessions() as session:
        session.execute(text("UPDATE bank_link_attempts SET expires_at = now() - interval '1 second'"))
    with pytest.raises(InvalidRequestError, match="too long ago"):
        finish_plaid(plaid, user_id, begun.state)


def test_the_state_itself_is_not_stored(plaid, sessions, user_id):
    begun = start(plaid, "plaid", user_id)
    with sessions() as session:
        dump = session.execute(text("SELECT row_to_json(a)::text FROM bank_link_attempts a")).scalar_one()
    assert begun.state not in dump
    assert begun.state not in repr(begun)


def test_plaid_renews_in_place_without_exchanging_anything(plaid, sessions, user_id):
    _, connection_id = link_plaid(plaid, user_id)
    with sessions() as session:
        values = {"status": "needs_user", "cursor": "item-1:c7"}
        session.execute(BankConnection.__table__.update().values(values))
    begun = start(plaid, "plaid", user_id, connection_id=connection_id)
    assert plaid.asked[-1].body["access_token"] == "access-canary-1"
    assert "products" not in plaid.asked[-1].body
    assert plaid.asked[-1].body["update"] == {"account_selection_enabled": True}
    assert finish_plaid(plaid, user_id, begun.state) == connection_id
    renewed = row(sessions, connection_id)
    assert (renewed.status, renewed.link_epoch, renewed.cursor) == ("active", 2, "item-1:c7")
    assert renewed.next_refresh_at is not None
    assert plaid.exchanged == ["public-1"]


def test_only_ones_own_connection_of_the_same_connector_is_renewed(plaid, eb, user_id):
    _, connection_id = link_plaid(plaid, user_id)
    with pytest.raises(NotFoundError):
        start(plaid, "plaid", user_id + 1, connection_id=connection_id)
    with pytest.raises(InvalidRequestError):
        link_eb(eb, user_id, connection_id=connection_id)
    assert eb.asked == []


def test_enable_banking_links_with_the_code_of_the_redirect(eb, sessions, user_id):
    begun, connection_id = link_eb(eb, user_id)
    assert begun.url.startswith("https://tilisy.enablebanking.com/")
    asked = eb.asked[1].body
    assert (asked["state"], asked["aspsp"]) == (begun.state, {"name": "Nordea", "country": "FI"})
    assert asked["access"]["valid_until"] == "2027-05-19T11:50:00+00:00"
    config = stored(eb, connection_id)
    assert (config.session_id, config.code, len(config.accounts)) == (eb.session_id, None, 1)
    assert row(sessions, connection_id).institution_name == "Nordea"


def test_enable_banking_renews_in_place_under_a_new_session(eb, sessions, user_id):
    _, connection_id = link_eb(eb, user_id)
    before = eb.session_id
    eb.codes = ["code-2"]
    _, renewed_id = link_eb(eb, user_id, code="code-2", connection_id=connection_id)
    assert renewed_id == connection_id
    assert stored(eb, connection_id).session_id == eb.session_id != before
    assert row(sessions, connection_id).link_epoch == 2


def test_a_code_that_was_used_leaves_no_connection(eb, sessions, user_id):
    with pytest.raises(AuthenticationError):
        link_eb(eb, user_id, code="used")
    assert statuses(sessions) == ["failed"]
    with sessions() as session:
        assert session.scalars(select(BankConnection)).all() == []


def test_enable_banking_lists_banks_and_refuses_unknown_ones(eb, user_id):
    (bank,) = list_link_banks(eb.link_service, APPS, "enablebanking", "FI")
    assert (bank.name, bank.country, bank.consent_days) == ("Nordea", "FI", 180)
    with pytest.raises(InvalidRequestError, match="no such bank"):
        start_eb(eb, user_id, bank="Nowhere")


@pytest.mark.parametrize(
    ("served", "wanted", "asked_for"),
    [
        (["personal", "business"], None, "personal"),
        (["personal", "business"], "business", "business"),
        (["business"], None, "business"),
        ([], "business", "business"),
    ],
)
def test_enable_banking_asks_for_the_kind_of_customer_that_the_user_is(eb, user_id, served, wanted, asked_for):
    eb.user_types = served
    start_eb(eb, user_id, user_type=wanted)
    assert eb.asked[-1].body["psu_type"] == asked_for
    assert list(list_link_banks(eb.link_service, APPS, "enablebanking", "FI")[0].user_types) == served


def test_enable_banking_refuses_a_kind_of_customer_that_the_bank_does_not_serve(eb, user_id):
    eb.user_types = ["personal"]
    with pytest.raises(InvalidRequestError, match="personal customers only"):
        start_eb(eb, user_id, user_type="business")


def test_enable_banking_says_which_access_it_wants(eb, user_id):
    start_eb(eb, user_id)
    access = eb.asked[-1].body["access"]
    assert (access["balances"], access["transactions"]) == (True, True)


def test_gocardless_lists_the_banks_of_a_country(gc):
    (bank,) = list_link_banks(gc.link_service, APPS, "gocardless", "FI")
    assert (bank.id, bank.name, bank.history_days) == ("NORDEA_NDEAFIHH", "Nordea", 540)


def test_gocardless_links_once_the_user_agreed(gc, sessions, user_id):
    begun = start_gc(gc, user_id)
    agreement, requisition = gc.created
    assert (agreement["max_historical_days"], agreement["access_valid_for_days"]) == (540, 180)
    assert requisition["reference"] == begun.state
    connection_id = finish(gc, "gocardless", user_id, begun.state)
    config = stored(gc, connection_id)
    assert (config.requisition_id, config.history_days, config.institution) == (gc.requisition_id, 540, "Nordea")
    assert row(sessions, connection_id).display_name == "Nordea"


@pytest.mark.parametrize("state", ["CR", "RJ", "EX"])
def test_gocardless_saves_nothing_before_the_user_agreed(gc, sessions, user_id, state):
    begun = start_gc(gc, user_id)
    gc.status = state
    with pytest.raises(AuthenticationError):
        finish(gc, "gocardless", user_id, begun.state)
    with sessions() as session:
        assert session.scalars(select(BankConnection)).all() == []


def test_gocardless_renews_in_place_under_a_new_requisition(gc, sessions, user_id):
    begun = start_gc(gc, user_id)
    connection_id = finish(gc, "gocardless", user_id, begun.state)
    again = start_gc(gc, user_id, connection_id=connection_id)
    assert finish(gc, "gocardless", user_id, again.state) == connection_id
    assert stored(gc, connection_id).requisition_id == gc.requisition_id
    assert row(sessions, connection_id).link_epoch == 2


def test_a_link_the_user_broke_off_is_over(gc, user_id):
    begun = start_gc(gc, user_id)
    abandon(gc.link_service, user_id=user_id, connector_name="gocardless", state=begun.state)
    with pytest.raises(ConflictError):
        finish(gc, "gocardless", user_id, begun.state)


def link_tl(tl, user_id, code="code-1", **rest):
    begun = start(tl, "truelayer", user_id, redirect_url=REDIRECT, **rest)
    tl.visit(begun.url)
    return begun, finish(tl, "truelayer", user_id, begun.state, code=code)


def test_a_login_by_oauth2_of_a_manifest_ends_with_tokens_and_its_code_is_exchanged_once(tl, sessions, user_id):
    begun, connection_id = link_tl(tl, user_id)
    config = stored(tl, connection_id)
    assert (config.refresh_token.get_secret_value(), config.code, config.code_verifier) == (tl.refresh, None, None)
    assert config.access_token.get_secret_value() == tl.access
    assert finish(tl, "truelayer", user_id, begun.state, code="code-1") == connection_id
    assert tl.paths() == ["/connect/token"]
    assert row(sessions, connection_id).display_name == "TrueLayer"


def test_a_login_by_oauth2_is_renewed_in_place(tl, sessions, user_id):
    _, connection_id = link_tl(tl, user_id)
    _, renewed_id = link_tl(tl, user_id, code="code-2", connection_id=connection_id)
    assert renewed_id == connection_id
    assert stored(tl, connection_id).refresh_token.get_secret_value() == "refresh-canary-2"
    assert row(sessions, connection_id).link_epoch == 2


def test_a_code_that_is_not_the_providers_saves_nothing(tl, sessions, user_id):
    with pytest.raises(AuthenticationError):
        link_tl(tl, user_id, code="forged")
    assert statuses(sessions) == ["failed"]


@pytest.mark.parametrize("name", ["mercury", "simplefin"])
def test_what_has_no_page_of_its_own_is_not_linked_in_a_browser(tl, user_id, name):
    with pytest.raises(NotFoundError, match="not linked in a browser"):
        start(tl, name, user_id, redirect_url=REDIRECT)


def test_without_the_operators_application_there_is_no_page(tl, user_id):
    wanted = WantedLink(user_id=user_id, connector_name="truelayer", redirect_url=REDIRECT)
    with pytest.raises(NotFoundError, match="LINK_APPS"):
        start_link(tl.link_service, LinkApps(), wanted)
