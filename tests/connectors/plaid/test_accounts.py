from decimal import Decimal

import pytest

from tests.fakes.plaid_server import CARD, CHECKING, CLIENT_ID
from worker.connectors.base import AccountType, AuthState, BalanceKind
from worker.connectors.errors import AuthenticationError
from worker.connectors.plaid import PlaidConfig, PlaidConnector
from worker.connectors.plaid.normalize import account_type_of


def test_accounts_come_with_type_mask_currency_and_bank(connector):
    checking, card = connector.list_accounts()
    assert (checking.external_id, card.external_id) == (CHECKING, CARD)
    assert (checking.account_type, card.account_type) == (AccountType.CHECKING, AccountType.CREDIT)
    assert (checking.mask, checking.currency) == ("0000", "USD")
    assert checking.institution_name == "First Platypus Bank"


def test_what_is_owed_on_a_card_is_negative(connector):
    checking, card = connector.list_accounts()
    assert (checking.balance.amount, checking.balance.kind) == (Decimal("110.94"), BalanceKind.BOOKED)
    assert card.balance.amount == Decimal("-410.0")


def test_a_bank_named_only_by_its_id_is_looked_up(plaid, connector):
    plaid.institution_name = None
    assert {one.institution_name for one in connector.list_accounts()} == {"Platypus by id"}


def test_a_persistent_account_id_anchors_the_account_across_logins(plaid, connector):
    plaid.accounts[0]["persistent_account_id"] = "8cfb8beb"
    assert [one.anchor for one in connector.list_accounts()] == ["plaid:8cfb8beb", None]


@pytest.mark.parametrize(
    ("kind", "subtype", "expected"),
    [
        ("depository", "checking", AccountType.CHECKING),
        ("depository", "savings", AccountType.SAVINGS),
        ("depository", "money market", AccountType.SAVINGS),
        ("credit", "credit card", AccountType.CREDIT),
        ("loan", "student", AccountType.LOAN),
        ("investment", "401k", AccountType.INVESTMENT),
        ("brokerage", None, AccountType.INVESTMENT),
        ("other", None, AccountType.UNKNOWN),
        (None, None, AccountType.UNKNOWN),
    ],
)
def test_account_types(kind, subtype, expected):
    assert account_type_of(kind, subtype) is expected


def test_a_good_login_says_when_its_consent_ends(connector):
    status = connector.get_auth_status()
    assert status.state is AuthState.OK
    assert status.expires_at.isoformat() == "2027-05-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("code", "oauth_reason", "expected"),
    [
        ("ITEM_LOGIN_REQUIRED", None, "expired"),
        ("ITEM_LOGIN_REQUIRED", "OAUTH_USER_REVOKED", "revoked"),
        ("ITEM_LOCKED", None, "action_required"),
    ],
)
def test_a_refused_login_is_a_status(plaid, connector, code, oauth_reason, expected):
    plaid.item_error = {
        "error_type": "ITEM_ERROR",
        "error_code": code,
        "error_code_reason": oauth_reason,
        "error_message": "the login details of this item have changed",
        "display_message": None,
    }
    status = connector.get_auth_status()
    assert (status.state, status.reason) == (AuthState.NEEDS_USER, expected)


def test_a_wrong_secret_is_a_status_too(context):
    wrong = PlaidConfig(client_id=CLIENT_ID, secret="wrong", access_token="access-canary-1")
    assert PlaidConnector(wrong, context).get_auth_status().reason == "credentials"


def test_linking_exchanges_the_public_token_once(context, config):
    before = config.model_copy(update={"access_token": None, "public_token": config.secret, "item_id": None})
    linked = PlaidConnector(before, context).link()
    assert (linked.access_token.get_secret_value(), linked.item_id, linked.public_token) == (
        "access-canary-1",
        "item-1",
        None,
    )
    with pytest.raises(AuthenticationError):
        PlaidConnector(before, context).link()


def test_revoking_removes_the_login_at_plaid(plaid, connector):
    assert connector.revoke()
    assert plaid.removed_items == 1


def test_a_config_without_any_token_is_refused():
    with pytest.raises(ValueError, match="access_token or public_token"):
        PlaidConfig(client_id="a", secret="b")
