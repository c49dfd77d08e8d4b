import base64
import hashlib
import json
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.fakes.provider_server import NOW
from worker.connectors.errors import AuthenticationError, ConnectorError, InvalidDataError, RateLimitError
from worker.connectors.plaid import PlaidAction, WebhookKeys, plaid_webhook
from worker.connectors.plaid.api import PlaidApi
from worker.connectors.plaid.webhook import read_notice

BODY = json.dumps(
    {
        "webhook_type": "TRANSACTIONS",
        "webhook_code": "SYNC_UPDATES_AVAILABLE",
        "item_id": "item-1",
        "initial_update_complete": True,
        "historical_update_complete": True,
        "environment": "sandbox",
    },
    indent=2,
).encode()


def number(value):
    return base64.urlsafe_b64encode(value.to_bytes(32, "big")).rstrip(b"=").decode()


def jwk(key, kid="key-1", expired_at=None):
    public = key.public_key().public_numbers()
    return {
        "alg": "ES256",
        "crv": "P-256",
        "kid": kid,
        "kty": "EC",
        "use": "sig",
        "x": number(public.x),
        "y": number(public.y),
        "created_at": 1560466150,
        "expired_at": expired_at,
    }


@pytest.fixture
def key(plaid):
    made = ec.generate_private_key(ec.SECP256R1())
    plaid.keys["key-1"] = jwk(made)
    return made


@pytest.fixture
def keys(config, context):
    return WebhookKeys(fetch=PlaidApi(config, context).webhook_key, now=lambda: NOW)


def sign(key, body=BODY, *, age=timedelta(0), algorithm="ES256", kid="key-1", **claims):
    stated = {"iat": (NOW - age).timestamp(), "request_body_sha256": hashlib.sha256(body).hexdigest()} | claims
    return jwt.encode(stated, key, algorithm=algorithm, headers={"kid": kid})


def test_a_signed_update_asks_for_a_refresh(key, keys):
    notice = plaid_webhook(BODY, sign(key), keys)
    assert (notice.action, notice.item_id) == (PlaidAction.REFRESH, "item-1")


def test_a_key_is_asked_for_once(plaid, key, keys):
    plaid_webhook(BODY, sign(key), keys)
    plaid_webhook(BODY, sign(key), keys)
    assert plaid.paths() == ["/webhook_verification_key/get"]


def test_another_body_is_refused(key, keys):
    with pytest.raises(AuthenticationError, match="body"):
        plaid_webhook(BODY.replace(b"item-1", b"item-2"), sign(key), keys)


@pytest.mark.parametrize("age", [timedelta(minutes=5, seconds=1), timedelta(minutes=-6)], ids=["old", "from tomorrow"])
def test_another_time_is_refused(key, keys, age):
    with pytest.raises(AuthenticationError, match="old"):
        plaid_webhook(BODY, sign(key, age=age), keys)


def test_a_webhook_of_four_minutes_ago_is_good(key, keys):
    assert plaid_webhook(BODY, sign(key, age=timedelta(minutes=4)), keys).action is PlaidAction.REFRESH


@pytest.mark.usefixtures("key")
def test_another_key_is_refused(keys):
    with pytest.raises(AuthenticationError, match="signature"):
        plaid_webhook(BODY, sign(ec.generate_private_key(ec.SECP256R1())), keys)


def test_another_algorithm_is_refused_before_any_key_is_asked_for(plaid, keys):
    with pytest.raises(AuthenticationError, match="ES256"):
        plaid_webhook(BODY, sign("a shared secret of thirty-two bytes!", algorithm="HS256"), keys)
    assert plaid.asked == []


@pytest.mark.parametrize("signature", ["", "not a token", "a.b.c"])
def test_what_is_no_token_is_refused(keys, signature):
    with pytest.raises(AuthenticationError):
        plaid_webhook(BODY, signature, keys)


def test_a_token_without_body_hash_or_time_is_refused(key, keys):
    with pytest.raises(AuthenticationError):
        plaid_webhook(BODY, sign(key, request_body_sha256=None), keys)
    with pytest.raises(AuthenticationError):
        plaid_webhook(BODY, jwt.encode({}, key, algorithm="ES256", headers={"kid": "key-1"}), keys)


def test_an_expired_key_signs_nothing(plaid, key, keys):
    plaid.keys["key-1"] = jwk(key, expired_at=int(NOW.timestamp()) - 60)
    with pytest.raises(AuthenticationError, match="expired"):
        plaid_webhook(BODY, sign(key), keys)


def test_invented_key_ids_cannot_make_us_ask_plaid_without_end(plaid, key, keys):
    for attempt in range(10):
        with pytest.raises(ConnectorError):
            plaid_webhook(BODY, sign(key, kid=f"invented-{attempt}"), keys)
    with pytest.raises(RateLimitError):
        plaid_webhook(BODY, sign(key, kid="one-more"), keys)
    assert len(plaid.asked) == 10


CODES = [
    ("TRANSACTIONS", "SYNC_UPDATES_AVAILABLE", PlaidAction.REFRESH, None),
    ("TRANSACTIONS", "HISTORICAL_UPDATE", PlaidAction.REFRESH, None),
    ("TRANSACTIONS", "TRANSACTIONS_REMOVED", PlaidAction.REFRESH, None),
    ("ITEM", "LOGIN_REPAIRED", PlaidAction.REFRESH, None),
    ("ITEM", "PENDING_DISCONNECT", PlaidAction.NEEDS_USER, "expired"),
    ("ITEM", "PENDING_EXPIRATION", PlaidAction.NEEDS_USER, "expired"),
    ("ITEM", "USER_PERMISSION_REVOKED", PlaidAction.NEEDS_USER, "revoked"),
    ("ITEM", "USER_ACCOUNT_REVOKED", PlaidAction.ACCOUNT_REVOKED, None),
    ("ITEM", "NEW_ACCOUNTS_AVAILABLE", PlaidAction.NEW_ACCOUNTS, None),
    ("ITEM", "WEBHOOK_UPDATE_ACKNOWLEDGED", PlaidAction.IGNORE, None),
    ("HOLDINGS", "DEFAULT_UPDATE", PlaidAction.IGNORE, None),
    ("SOMETHING", "NEW", PlaidAction.IGNORE, None),
]


@pytest.mark.parametrize(("kind", "code", "action", "reason"), CODES, ids=[one[1] for one in CODES])
def test_each_code_has_one_meaning(kind, code, action, reason):
    notice = read_notice(json.dumps({"webhook_type": kind, "webhook_code": code, "item_id": "i"}).encode())
    assert (notice.action, notice.reason) == (action, reason)


def test_a_notice_about_one_account_names_it():
    body = {"webhook_type": "ITEM", "webhook_code": "USER_ACCOUNT_REVOKED", "item_id": "i", "account_id": "a"}
    assert read_notice(json.dumps(body).encode()).account_id == "a"


@pytest.mark.parametrize(
    ("code", "action", "reason"),
    [
        ("ITEM_LOGIN_REQUIRED", PlaidAction.NEEDS_USER, "expired"),
        ("INVALID_CREDENTIALS", PlaidAction.NEEDS_USER, "credentials"),
        ("INSTITUTION_DOWN", PlaidAction.IGNORE, None),
    ],
)
def test_an_item_error_needs_the_user_only_when_the_user_can_mend_it(code, action, reason):
    body = {"webhook_type": "ITEM", "webhook_code": "ERROR", "item_id": "i", "error": {"error_code": code}}
    notice = read_notice(json.dumps(body).encode())
    assert (notice.action, notice.reason) == (action, reason)


def test_a_warning_says_how_long_the_login_still_works():
    body = {
        "webhook_type": "ITEM",
        "webhook_code": "PENDING_EXPIRATION",
        "item_id": "i",
        "consent_expiration_time": "2026-11-27T08:00:00Z",
    }
    assert read_notice(json.dumps(body).encode()).works_until.isoformat() == "2026-11-27T08:00:00+00:00"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b'{"webhook_type": "ITEM"}'])
def test_what_is_no_webhook_is_refused(body):
    with pytest.raises(InvalidDataError):
        read_notice(body)
