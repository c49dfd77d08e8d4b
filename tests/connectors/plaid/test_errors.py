import pytest

from tests.fakes.plaid_server import CHECKING
from worker.connectors.errors import (
    AccountNotFoundError,
    AuthenticationError,
    ConnectorError,
    CursorInvalidError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)
from worker.connectors.plaid.errors import read_error

REFUSALS = [
    ("ITEM_ERROR", "ITEM_LOGIN_REQUIRED", 400, AuthenticationError, {"reason": "expired"}),
    ("ITEM_ERROR", "INVALID_CREDENTIALS", 400, AuthenticationError, {"reason": "credentials"}),
    ("ITEM_ERROR", "ITEM_NOT_FOUND", 400, AuthenticationError, {"reason": "revoked"}),
    ("ITEM_ERROR", "ACCESS_NOT_GRANTED", 400, AuthenticationError, {"reason": "action_required"}),
    ("ITEM_ERROR", "PRODUCT_NOT_READY", 400, ProviderUnavailableError, {"everyone": False}),
    ("INVALID_INPUT", "INVALID_ACCESS_TOKEN", 400, AuthenticationError, {"reason": "revoked"}),
    ("INVALID_INPUT", "INVALID_API_KEYS", 400, AuthenticationError, {"reason": "credentials"}),
    ("INVALID_INPUT", "INVALID_ACCOUNT_ID", 400, AccountNotFoundError, {}),
    ("INSTITUTION_ERROR", "INSTITUTION_DOWN", 400, ProviderUnavailableError, {"everyone": False}),
    ("INSTITUTION_ERROR", "INSTITUTION_NOT_RESPONDING", 400, ProviderUnavailableError, {"everyone": False}),
    ("INSTITUTION_ERROR", "INSTITUTION_NO_LONGER_SUPPORTED", 400, AuthenticationError, {"reason": "action_required"}),
    ("API_ERROR", "INTERNAL_SERVER_ERROR", 500, ProviderUnavailableError, {"everyone": True}),
    ("API_ERROR", "PLANNED_MAINTENANCE", 503, ProviderUnavailableError, {"everyone": True}),
    ("RATE_LIMIT_EXCEEDED", "TRANSACTIONS_SYNC_LIMIT", 429, RateLimitError, {"scope": RateLimitScope.BURST}),
    ("RATE_LIMIT_EXCEEDED", "ADDITION_LIMIT", 429, RateLimitError, {"scope": RateLimitScope.QUOTA}),
    ("TRANSACTIONS_ERROR", "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION", 400, CursorInvalidError, {}),
    ("INVALID_REQUEST", "MISSING_FIELDS", 400, ConnectorError, {}),
]


@pytest.mark.parametrize(
    ("error_type", "error_code", "status", "expected", "fields"), REFUSALS, ids=[one[1] for one in REFUSALS]
)
def test_what_plaid_says_decides_what_is_done(error_type, error_code, status, expected, fields):
    raised = read_error(status, {"error_type": error_type, "error_code": error_code, "request_id": "r1"})
    assert type(raised) is expected
    assert {name: getattr(raised, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("cursor not associated with access_token", CursorInvalidError),
        ("Cursor is invalid", CursorInvalidError),
        ("count must be at most 500", ConnectorError),
    ],
)
def test_a_cursor_that_the_login_forgot_is_told_from_another_wrong_field(message, expected):
    body = {"error_type": "INVALID_REQUEST", "error_code": "INVALID_FIELD", "error_message": message}
    raised = read_error(400, body)
    assert (type(raised), getattr(raised, "forgotten", None)) == (
        expected,
        True if expected is CursorInvalidError else None,
    )


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("OAUTH_USER_REVOKED", "revoked"), ("OAUTH_CONSENT_EXPIRED", "expired"), ("OAUTH_INVALID_TOKEN", "expired")],
)
def test_banks_with_oauth_say_more_about_a_lost_login(reason, expected):
    body = {"error_type": "ITEM_ERROR", "error_code": "ITEM_LOGIN_REQUIRED", "error_code_reason": reason}
    assert read_error(400, body).reason == expected


def test_an_error_travels_through_the_call_with_its_wait_and_without_plaids_free_text(plaid, connector):
    plaid.fail("/accounts/get", "RATE_LIMIT_EXCEEDED", "ACCOUNTS_LIMIT", 429)
    with pytest.raises(RateLimitError) as caught:
        connector.list_accounts()
    assert caught.value.scope is RateLimitScope.BURST
    assert "canary" not in str(caught.value)
    assert "ACCOUNTS_LIMIT" in str(caught.value)


def test_an_account_that_is_gone_is_left_out(plaid, connector):
    plaid.fail("/transactions/get", "INVALID_INPUT", "INVALID_ACCOUNT_ID")
    with pytest.raises(AccountNotFoundError):
        list(connector.get_transactions(CHECKING, *(_day(1), _day(2))))


def _day(number):
    from datetime import date

    return date(2026, 11, number)
