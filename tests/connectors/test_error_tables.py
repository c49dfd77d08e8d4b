"""Every documented error of every provider: what the connector makes of it, and what the page says."""

from pathlib import Path

import pytest

from tests.fakes import enablebanking_server, gocardless_server, plaid_server
from tests.fakes.enablebanking_server import FakeEnableBanking
from tests.fakes.gocardless_server import FakeGoCardless
from tests.fakes.plaid_server import FakePlaid
from tests.fakes.provider_server import context_for, serving
from tests.fakes.published import ENABLE_BANKING
from worker.connectors.enablebanking import EnableBankingConfig, EnableBankingConnector
from worker.connectors.enablebanking import errors as enablebanking
from worker.connectors.errors import ConnectorError
from worker.connectors.gocardless import GoCardlessConfig, GoCardlessConnector
from worker.connectors.gocardless import errors as gocardless
from worker.connectors.manifest.loading import parse_manifest, shipped
from worker.connectors.manifest.refusals import MEANINGS, mark_of
from worker.connectors.plaid import PlaidConfig, PlaidConnector
from worker.connectors.plaid import errors as plaid
from worker.connectors.simplefin import errors as simplefin
from worker.connectors.simplefin.account_set import read_account_set

TABLES = {module.__name__.split(".")[-2]: module.ERRORS for module in (plaid, enablebanking, gocardless, simplefin)}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "providers.md"


def table_of(errors):
    """Return a provider's table as the page has it; alternatives of a pattern are told apart by slashes."""
    rows = [f"| `{code.replace('|', ' / ')}` | {meaning.run} | {meaning.user} |" for code, meaning in errors.items()]
    return "\n".join(["| the provider says | the run | the user |", "|---|---|---|", *rows])


@pytest.mark.parametrize("provider", TABLES)
def test_the_page_has_the_table_of_the_code(provider):
    assert table_of(TABLES[provider]) in PAGE.read_text()


@pytest.mark.parametrize("name", shipped())
def test_the_page_has_the_table_of_the_manifest(name):
    rules = parse_manifest(shipped()[name], name).errors
    assert table_of({mark_of(rule): MEANINGS[rule.means] for rule in rules}) in PAGE.read_text()


def expect(meaning, connector):
    expected = meaning.error("")
    with pytest.raises(type(expected)) as caught:
        connector.list_accounts()
    for name in ("reason", "everyone", "scope", "forgotten"):
        assert getattr(caught.value, name, None) == getattr(expected, name, None)


@pytest.mark.parametrize("code", plaid.ERRORS)
def test_what_plaid_documents(code):
    fake = FakePlaid()
    config = PlaidConfig(client_id=plaid_server.CLIENT_ID, secret=plaid_server.SECRET, access_token="a", item_id="i")
    fake.fail("/accounts/get", "INVALID_REQUEST", code)
    with serving(fake) as url, context_for(url) as context:
        expect(plaid.ERRORS[code], PlaidConnector(config, context))


@pytest.mark.parametrize("code", enablebanking.ERRORS)
def test_what_enable_banking_documents(code):
    fake = FakeEnableBanking()
    config = EnableBankingConfig(
        application_id=enablebanking_server.APPLICATION,
        private_key=enablebanking_server.PRIVATE_KEY,
        session_id=fake.session_id,
    )
    fake.fail(f"/sessions/{fake.session_id}", code, 422)
    with serving(fake) as url, context_for(url) as context:
        expect(enablebanking.ERRORS[code], EnableBankingConnector(config, context))


@pytest.mark.beside(ENABLE_BANKING.name)
def test_no_published_code_of_enable_banking_is_missing():
    published = set(ENABLE_BANKING.document["components"]["schemas"]["ErrorCode"]["enum"])
    ours = {code for code in published if "PAYMENT" not in code}
    assert ours == set(enablebanking.ERRORS)


@pytest.mark.parametrize("words", gocardless.ERRORS)
def test_what_gocardless_documents(words):
    fake = FakeGoCardless()
    config = GoCardlessConfig(
        secret_id=gocardless_server.SECRET_ID,
        secret_key=gocardless_server.SECRET_KEY,
        requisition_id=fake.requisition_id,
    )
    for said in words.replace(".*", " x").split("|"):
        fake.fail(f"/requisitions/{fake.requisition_id}/", 400, said)
        with serving(fake) as url, context_for(url) as context:
            expect(gocardless.ERRORS[words], GoCardlessConnector(config, context))


@pytest.mark.parametrize("code", simplefin.ERRORS)
def test_what_simplefin_documents(code):
    expected = simplefin.ERRORS[code].error("")
    trouble = {"code": code, "msg": "trouble", "account_id": "a"}
    body = {"accounts": [{"id": "a", "currency": "USD"}], "errlist": [trouble]}
    try:
        error = read_account_set(body).failures["a"]
    except ConnectorError as raised:
        error = raised
    assert (type(error), getattr(error, "reason", None)) == (type(expected), getattr(expected, "reason", None))
