import base64
import hashlib
import json
from contextlib import nullcontext
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.fakes.provider_server import NOW
from worker.connectors.errors import AuthenticationError, ConnectorError, InvalidDataError, RateLimitError
from worker.connectors.notices import NoticeAction, ReceivedWebhook
from worker.connectors.plaid import WebhookKeys
from worker.connectors.plaid.api import PlaidApi
from worker.connectors.plaid.webhook import PlaidWebhooks, read_notice, verify_signature

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


ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256."""


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
    assert verify_signature(BODY, sign(key), keys) == NOW
    notice = read_notice(BODY)
    assert (notice.action, notice.login_ref) == (NoticeAction.REFRESH, "item-1")


def test_a_key_is_asked_for_once(plaid, key, keys):
    verify_signature(BODY, sign(key), keys)
    verify_signature(BODY, sign(key), keys)
    assert plaid.paths() == ["/webhook_verification_key/get"]


def test_another_body_is_refused(key, keys):
    with pytest.raises(AuthenticationError, match="body"):
        verify_signature(BODY.replace(b"item-1", b"item-2"), sign(key), keys)


@pytest.mark.parametrize("age", [timedelta(minutes=5, seconds=1), timedelta(minutes=-6)], ids=["old", "from tomorrow"])
def test_another_time_is_refused(key, keys, age):
    with pytest.raises(AuthenticationError, match="old"):
        verify_signature(BODY, sign(key, age=age), keys)


def test_a_webhook_of_four_minutes_ago_is_good(key, keys):
    assert verify_signature(BODY, sign(key, age=timedelta(minutes=4)), keys) == NOW - timedelta(minutes=4)


@pytest.mark.usefixtures("key")
def test_another_key_is_refused(keys):
    with pytest.raises(AuthenticationError, match="signature"):
        verify_signature(BODY, sign(ec.generate_private_key(ec.SECP256R1())), keys)


def test_another_algorithm_is_refused_before_any_key_is_asked_for(plaid, keys):
    with pytest.raises(AuthenticationError, match="ES256"):
        verify_signature(BODY, sign("a shared secret of thirty-two bytes!", algorithm="HS256"), keys)
    assert plaid.asked == []


@pytest.mark.parametrize("signature", ["", "not a token", "a.b.c"])
def test_what_is_no_token_is_refused(keys, signature):
    with pytest.raises(AuthenticationError):
        verify_signature(BODY, signature, keys)


def test_a_token_without_body_hash_or_time_is_refused(key, keys):
    with pytest.raises(AuthenticationError):
        verify_signature(BODY, sign(key, request_body_sha256=None), keys)
    with pytest.raises(AuthenticationError):
        verify_signature(BODY, jwt.encode({}, key, algorithm="ES256", headers={"kid": "key-1"}), keys)


@pytest.mark.parametrize(
    ("kid", "claims"),
    [("key-1", {"request_body_sha256": "\ud800"}), ("key-1", {"request_body_sha256": "\xe9"}), ("\ud800", {}),
     ("a\0", {}), ("a\r\nX: 1", {}), ("", {}), ("k" * 101, {})],
)  # fmt: skip
def test_what_is_no_text_of_plaids_is_refused_before_any_key_is_asked_for(plaid, key, keys, kid, claims):
    with pytest.raises(AuthenticationError):
        verify_signature(BODY, sign(key, kid=kid, **claims), keys)
    assert plaid.asked == []


def test_an_expired_key_signs_nothing(plaid, key, keys):
    plaid.keys["key-1"] = jwk(key, expired_at=int(NOW.timestamp()) - 60)
    with pytest.raises(AuthenticationError, match="expired"):
        verify_signature(BODY, sign(key), keys)


def test_invented_key_ids_cannot_make_us_ask_plaid_without_end(plaid, key, keys):
    for attempt in range(20):
        with pytest.raises(ConnectorError):
            verify_signature(BODY, sign(key, kid=f"invented-{attempt}"), keys)
    with pytest.raises(RateLimitError):
        verify_signature(BODY, sign(key, kid="one-more"), keys)
    assert len(plaid.asked) == 20


def test_a_refused_key_id_is_asked_for_once(plaid, key, keys):
    for _ in range(3):
        with pytest.raises(AuthenticationError):
            verify_signature(BODY, sign(key, kid="invented"), keys)
    assert len(plaid.asked) == 1


def test_a_key_that_comes_again_gets_through_a_flood_of_invented_ones(key, keys):
    for attempt in range(50):
        with pytest.raises(ConnectorError):
            verify_signature(BODY, sign(key, kid=f"invented-{attempt}"), keys)
    with pytest.raises(RateLimitError):
        verify_signature(BODY, sign(key), keys)
    assert verify_signature(BODY, sign(key), keys) == NOW


def other_half(signature):
    """Return the second valid form of an ES256 signature: (r, n - s)."""
    signed, _, value = signature.rpartition(".")
    raw = base64.urlsafe_b64decode(value + "==")
    return f"{signed}.{number_pair(raw[:32], ORDER - int.from_bytes(raw[32:], 'big'))}"


def number_pair(first, second):
    return base64.urlsafe_b64encode(first + second.to_bytes(32, "big")).rstrip(b"=").decode()


@pytest.mark.parametrize("spelling", [other_half, lambda signature: signature + "=="], ids=["other half", "padded"])
def test_a_webhook_in_another_spelling_of_its_signature_is_the_same_delivery(key, config, context, spelling):
    webhooks = PlaidWebhooks(config, lambda: nullcontext(context))
    signature = sign(key)
    assert spelling(signature) != signature

    def delivery(header):
        return webhooks.verify(ReceivedWebhook(body=BODY, headers={"plaid-verification": header})).delivery

    assert delivery(spelling(signature)) == delivery(signature)
    assert delivery(signature) != delivery(sign(key, age=timedelta(seconds=1)))


CODES = [
    ("TRANSACTIONS", "SYNC_UPDATES_AVAILABLE", NoticeAction.REFRESH, None),
    ("TRANSACTIONS", "HISTORICAL_UPDATE", NoticeAction.REFRESH, None),
    ("TRANSACTIONS", "TRANSACTIONS_REMOVED", NoticeAction.REFRESH, None),
    ("ITEM", "LOGIN_REPAIRED", NoticeAction.REFRESH, None),
    ("ITEM", "PENDING_DISCONNECT", NoticeAction.ACCESS_ENDING, "expired"),
    ("ITEM", "PENDING_EXPIRATION", NoticeAction.ACCESS_ENDING, "expired"),
    ("ITEM", "USER_PERMISSION_REVOKED", NoticeAction.NEEDS_USER, "revoked"),
    ("ITEM", "USER_ACCOUNT_REVOKED", NoticeAction.REFRESH, None),
    ("ITEM", "NEW_ACCOUNTS_AVAILABLE", NoticeAction.NEW_ACCOUNTS, None),
    ("ITEM", "WEBHOOK_UPDATE_ACKNOWLEDGED", NoticeAction.NONE, None),
    ("HOLDINGS", "DEFAULT_UPDATE", NoticeAction.NONE, None),
    ("SOMETHING", "NEW", NoticeAction.NONE, None),
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
        ("ITEM_LOGIN_REQUIRED", NoticeAction.NEEDS_USER, "expired"),
        ("INVALID_CREDENTIALS", NoticeAction.NEEDS_USER, "credentials"),
        ("INSTITUTION_DOWN", NoticeAction.NONE, None),
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


@pytest.mark.parametrize("issued_at", [float("nan"), float("inf"), 10**400, -(10**400), True, "now", None, [1]])
def test_a_moment_that_is_none_is_refused(key, keys, issued_at):
    with pytest.raises(AuthenticationError):
        verify_signature(BODY, sign(key, iat=issued_at), keys)


@pytest.mark.parametrize("odd", ["\\ud800", "\\u0000", "x" * 300, ""])
def test_what_no_column_takes_is_left_out(odd):
    body = f'{{"webhook_type": "ITEM", "webhook_code": "{odd}", "item_id": "{odd}", "account_id": "{odd}"}}'
    notice = read_notice(body.encode())
    assert (notice.login_ref, notice.account_id, notice.code) == (None, None, "OTHER")
