from datetime import timedelta

import pytest

from tests.fakes.gocardless_server import IBAN
from tests.fakes.provider_server import NOW, context_for
from tests.fakes.published import GOCARDLESS
from worker.connectors.base import AuthState, IdClass
from worker.connectors.errors import (
    AccountNotFoundError,
    AuthenticationError,
    ConnectorError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)
from worker.connectors.gocardless import GoCardlessConnector
from worker.connectors.gocardless.errors import read_error


def week(bank):
    return bank.account_ids[0], NOW.date() - timedelta(days=7), NOW.date()


def test_one_token_serves_many_calls_and_is_kept(bank, context, connector, saved):
    connector.list_accounts()
    assert bank.made["/token/new/"] == 1
    assert saved[0].access_token.get_secret_value() in bank.tokens
    GoCardlessConnector(saved[-1], context).list_accounts()
    assert bank.made["/token/new/"] == 1


def test_an_ended_token_is_renewed_from_its_refresh_token(bank, connector, saved):
    connector.list_accounts()
    with context_for(bank.url, now=NOW + timedelta(days=2)) as later:
        GoCardlessConnector(saved[-1], later).list_accounts()
    assert (bank.made["/token/new/"], bank.made["/token/refresh/"]) == (1, 1)


def test_after_a_month_the_secret_makes_new_tokens(bank, connector, saved):
    connector.list_accounts()
    with context_for(bank.url, now=NOW + timedelta(days=40)) as later:
        GoCardlessConnector(saved[-1], later).list_accounts()
    assert (bank.made["/token/new/"], bank.made["/token/refresh/"]) == (2, 0)


def test_a_token_refused_before_its_time_is_made_anew_once(bank, connector):
    connector.list_accounts()
    bank.tokens.clear()
    connector.list_accounts()
    bank.tokens.clear()
    bank.refresh_tokens.clear()
    connector.list_accounts()
    assert bank.made["/token/new/"] == 2


def test_a_token_that_is_never_accepted_stops(bank, connector):
    for _ in range(2):
        bank.fail(f"/requisitions/{bank.requisition_id}/", 401, "Invalid token", "Token is invalid or expired")
    with pytest.raises(AuthenticationError) as caught:
        connector.list_accounts()
    assert caught.value.reason == "credentials"


def test_a_wrong_secret_is_a_status(context, config):
    wrong = config.model_copy(update={"secret_key": config.secret_id})
    status = GoCardlessConnector(wrong, context).get_auth_status()
    assert (status.state, status.reason) == (AuthState.NEEDS_USER, "credentials")


def test_the_consent_ends_so_many_days_after_it_was_given(connector):
    status = connector.get_auth_status()
    assert status.state is AuthState.OK
    assert status.expires_at.isoformat() == "2027-01-30T09:05:00+00:00"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("CR", "action_required"),
        ("EX", "expired"),
        ("SU", "action_required"),
        ("RJ", "revoked"),
        ("ER", "action_required"),
    ],
)
def test_any_other_requisition_needs_the_user(bank, connector, state, reason):
    bank.status = state
    assert connector.get_auth_status().reason == reason
    with pytest.raises(AuthenticationError):
        connector.list_accounts()


def test_accounts_are_described_once_and_anchored_by_iban(bank, context, connector, saved):
    (account,) = connector.list_accounts()
    assert (account.name, account.mask, account.currency) == ("Everyday", "2874", "EUR")
    assert (account.anchor, account.institution_name) == (f"iban:{IBAN}", "Nordea")
    GoCardlessConnector(saved[-1], context).list_accounts()
    assert sum(path.endswith("/details/") for path in bank.paths()) == 1


def test_an_account_the_bank_will_not_describe_is_still_an_account(bank, connector):
    bank.fail(f"/accounts/{bank.account_ids[0]}/details/", 503, "Couldn't", "", "ServiceError")
    (account,) = connector.list_accounts()
    assert account.name == "Account"


def test_ids_are_trusted_only_where_somebody_vouches_for_the_bank(context, config, connector):
    assert connector.capabilities.id_class is IdClass.DELIVERY
    assert connector.list_accounts()[0].id_class is None
    vouched = GoCardlessConnector(config.model_copy(update={"trust_ids": True}), context)
    assert vouched.list_accounts()[0].id_class is IdClass.STABLE


def test_revoking_deletes_the_requisition(bank, connector):
    assert connector.revoke()
    assert bank.status == "EX"


PUBLISHED = [
    (401, "EUAExpiredError", AuthenticationError, {"reason": "expired"}),
    (401, "AccessExpiredError", AuthenticationError, {"reason": "expired"}),
    (401, "AccountInactiveError", AccountNotFoundError, {}),
    (403, "AccountEUAScopeError", AuthenticationError, {"reason": "action_required"}),
    (403, "AccountValidEUAError", AuthenticationError, {"reason": "expired"}),
    (403, "AccountAccessForbidden", AuthenticationError, {"reason": "action_required"}),
    (403, "AccountResourceUnavailable", AccountNotFoundError, {}),
    (403, "IPAccessDenied", ConnectorError, {}),
    (404, "AccountNotFoundError", AccountNotFoundError, {}),
    (400, "InvalidID", AccountNotFoundError, {}),
    (400, "DateRangeError", ConnectorError, {}),
    (409, "AccountSuspendedError", AuthenticationError, {"reason": "action_required"}),
    (409, "AccountStateError", AuthenticationError, {"reason": "action_required"}),
    (429, "RateLimitError", RateLimitError, {"scope": RateLimitScope.QUOTA, "retry_after_s": 39_600}),
    (500, "UnknownRequestError", ProviderUnavailableError, {"everyone": False}),
    (503, "ServiceError", ProviderUnavailableError, {"everyone": False}),
    (503, "ConnectionError", ProviderUnavailableError, {"everyone": False}),
]


def failure(connector, bank):
    """What went wrong with the account, alone or with the whole consent."""
    try:
        (page,) = connector.get_transactions(*week(bank))
    except ConnectorError as error:
        return error
    return page.failures[0].error


@pytest.mark.beside(GOCARDLESS.name)
@pytest.mark.parametrize(("status", "example", "expected", "fields"), PUBLISHED, ids=[one[1] for one in PUBLISHED])
def test_every_published_error_has_its_meaning(bank, connector, status, example, expected, fields):
    bank.fail_as_published(bank.transactions_path(), status, example)
    error = failure(connector, bank)
    assert type(error) is expected
    assert {name: getattr(error, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("detail", "scope", "retry_after_s"),
    [
        ("Please try again in 9 seconds", RateLimitScope.BURST, 9),
        ("Please try again in 79999 seconds", RateLimitScope.QUOTA, 79_999),
        ("Please try again in -3 seconds", RateLimitScope.BURST, 0),
        ("Daily request limit set by the Institution has been exceeded.", RateLimitScope.QUOTA, 39_600),
        ("", RateLimitScope.QUOTA, None),
    ],
    ids=["seconds", "most of a day", "a moment ago", "the bank's day", "nothing said"],
)
def test_a_short_limit_is_told_from_a_spent_day(detail, scope, retry_after_s):
    error = read_error(429, {"summary": "Rate limit exceeded", "detail": detail}, now=NOW)
    assert (error.scope, error.retry_after_s) == (scope, retry_after_s)


def test_an_unpaid_plan_needs_the_user():
    assert read_error(402, {"summary": "Payment Required", "detail": "Free usage limit exceeded"}, now=NOW).reason == (
        "payment_required"
    )
