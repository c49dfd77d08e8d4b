import pytest

from tests.fakes.enablebanking_server import APPLICATION, HASH, PRIVATE_KEY
from tests.fakes.provider_server import NOW
from worker.connectors.base import AccountType, AuthState, IdClass
from worker.connectors.enablebanking import EnableBankingConfig, EnableBankingConnector
from worker.connectors.enablebanking.errors import PeriodRefusedError, read_error
from worker.connectors.errors import (
    AccountNotFoundError,
    AuthenticationError,
    ConnectorError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)


def test_a_good_session_says_when_the_consent_ends(connector):
    status = connector.get_auth_status()
    assert status.state is AuthState.OK
    assert status.expires_at.isoformat() == "2027-05-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("EXPIRED", "expired"),
        ("CLOSED", "revoked"),
        ("REVOKED", "revoked"),
        ("CANCELLED", "revoked"),
        ("INVALID", "expired"),
        ("PENDING_AUTHORIZATION", "action_required"),
        ("RETURNED_FROM_BANK", "action_required"),
    ],
)
def test_any_other_session_needs_the_user(bank, connector, state, reason):
    bank.status = state
    status = connector.get_auth_status()
    assert (status.state, status.reason) == (AuthState.NEEDS_USER, reason)
    with pytest.raises(AuthenticationError):
        connector.list_accounts()


def test_a_session_nobody_knows_is_a_status(bank, connector):
    bank.session_id = "another"
    assert connector.get_auth_status().reason == "expired"


def test_linking_opens_the_session_once_and_keeps_what_it_learned(bank, context, saved):
    before = EnableBankingConfig(application_id=APPLICATION, private_key=PRIVATE_KEY, code="code-1")
    linked = EnableBankingConnector(before, context).link()
    assert linked.session_id == bank.session_id
    assert (linked.code, linked.bank, len(linked.accounts)) == (None, "Nordea", 1)
    with pytest.raises(AuthenticationError):
        EnableBankingConnector(before, context).link()
    asked = len(bank.asked)
    (account,) = EnableBankingConnector(linked, context).list_accounts()
    assert bank.paths()[asked:] == [f"/sessions/{bank.session_id}"]
    assert account.name == "Everyday"
    assert saved == []


def test_an_account_keeps_its_anchor_when_its_id_changes_with_the_session(context, connector):
    (before,) = connector.list_accounts()
    renewed = EnableBankingConfig(application_id=APPLICATION, private_key=PRIVATE_KEY, code="code-1")
    (after,) = EnableBankingConnector(EnableBankingConnector(renewed, context).link(), context).list_accounts()
    assert before.external_id != after.external_id
    assert before.anchor == after.anchor == f"hash:{HASH}0"


def test_accounts_not_described_at_linking_are_asked_about_once(bank, context, connector, saved):
    (account,) = connector.list_accounts()
    assert (account.name, account.mask, account.currency) == ("Everyday", "0785", "EUR")
    assert account.account_type is AccountType.CHECKING
    connector.list_accounts()
    EnableBankingConnector(saved[-1], context).list_accounts()
    assert bank.paths().count(f"/accounts/{bank.uids[0]}/details") == 1


def test_an_account_the_bank_will_not_describe_is_still_an_account(bank, connector, saved):
    bank.fail(f"/accounts/{bank.uids[0]}/details", "ASPSP_ERROR", 500)
    (account,) = connector.list_accounts()
    assert (account.name, account.anchor) == ("Account", f"hash:{HASH}0")
    assert saved == []


def test_references_are_trusted_only_where_somebody_vouches_for_the_bank(context, config, connector):
    assert connector.capabilities.id_class is IdClass.POSITIONAL
    assert connector.list_accounts()[0].id_class is None
    vouched = EnableBankingConnector(config.model_copy(update={"trust_references": True}), context)
    assert vouched.list_accounts()[0].id_class is IdClass.STABLE


def test_revoking_ends_the_session(bank, connector):
    assert connector.revoke()
    assert bank.status == "CLOSED"


def test_a_session_that_ends_between_two_calls_stops_the_run(bank, connector):
    connector.list_accounts()
    bank.status = "EXPIRED"
    with pytest.raises(AuthenticationError) as caught:
        list(connector.get_transactions(bank.uids[0], *_week()))
    assert caught.value.reason == "expired"


@pytest.mark.parametrize("key", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_a_key_that_is_no_key_is_refused_without_being_repeated(key):
    with pytest.raises(ValueError, match="PEM") as caught:
        EnableBankingConfig(application_id="a", private_key=key, session_id="s")
    assert "AAAA" not in str(caught.value)


ERRORS = [
    ("EXPIRED_SESSION", 401, "", AuthenticationError, {"reason": "expired"}),
    ("CLOSED_SESSION", 401, "", AuthenticationError, {"reason": "revoked"}),
    ("REVOKED_SESSION", 401, "", AuthenticationError, {"reason": "revoked"}),
    ("ASPSP_PSU_ACTION_REQUIRED", 400, "", AuthenticationError, {"reason": "action_required"}),
    ("UNAUTHORIZED_ACCESS", 401, "", AuthenticationError, {"reason": "credentials"}),
    ("ASPSP_RATE_LIMIT_EXCEEDED", 429, "", RateLimitError, {"scope": RateLimitScope.QUOTA}),
    ("", 429, "slow down", RateLimitError, {"scope": RateLimitScope.BURST}),
    ("ASPSP_ERROR", 400, "Access exceeded", RateLimitError, {"scope": RateLimitScope.QUOTA}),
    ("ASPSP_ERROR", 500, "boom", ProviderUnavailableError, {"everyone": False}),
    ("ASPSP_TIMEOUT", 408, "", ProviderUnavailableError, {"everyone": False}),
    ("", 500, "", ProviderUnavailableError, {"everyone": True}),
    ("ACCOUNT_DOES_NOT_EXIST", 404, "", AccountNotFoundError, {}),
    ("ASPSP_ACCOUNT_NOT_ACCESSIBLE", 400, "", AccountNotFoundError, {}),
    ("WRONG_CONTINUATION_KEY", 422, "", ProviderUnavailableError, {"everyone": False}),
    ("WRONG_TRANSACTIONS_PERIOD", 422, "", PeriodRefusedError, {}),
    ("WRONG_REQUEST_PARAMETERS", 422, "", ConnectorError, {}),
]


@pytest.mark.parametrize(
    ("error", "status", "message", "expected", "fields"), ERRORS, ids=[f"{one[0]}-{one[1]}" for one in ERRORS]
)
def test_what_the_service_says_decides_what_is_done(error, status, message, expected, fields):
    raised = read_error(status, {"message": message, "error": error}, now=NOW)
    assert type(raised) is expected
    assert {name: getattr(raised, name) for name in fields} == fields


def _week():
    from datetime import date

    return date(2026, 11, 13), date(2026, 11, 20)
