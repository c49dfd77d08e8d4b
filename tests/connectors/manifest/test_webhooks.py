"""Webhooks of manifests: whose signature counts, how old one may be, and what each event asks for."""

import base64
import hashlib
import hmac
import json
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import BaseModel, SecretStr

from tests.connectors.manifest.stories import REGISTRY
from tests.fakes import up_server
from worker.connectors.base import ConnectorContext
from worker.connectors.errors import AuthenticationError, InvalidDataError
from worker.connectors.manifest.rules import Webhook
from worker.connectors.manifest.webhooks import make_webhooks
from worker.connectors.notices import NoticeAction, ReceivedWebhook

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BODY = json.dumps({"type": "rows.new", "login": "l-1"}).encode()


class Keys(BaseModel):
    secret: SecretStr


@contextmanager
def context():
    with httpx2.Client() as http:
        yield ConnectorContext(http=http, now=lambda: NOW)


def opened(secret="canary-secret", **signature):
    said = Webhook.model_validate(
        {
            "signature": {"kind": "hmac_sha256", "header": "X-Sig", "secret": "{secret}", **signature},
            "event": "type",
            "id": "delivery",
            "connection": "login",
            "connection_field": "login",
            "refresh": ["rows.new"],
            "needs_user": ["login.ended"],
        }
    )
    return make_webhooks(said)(Keys(secret=SecretStr(secret)), context)


def signed(text=BODY, secret=b"canary-secret", kind=hashlib.sha256):
    return hmac.new(secret, text, kind)


def received(value, body=BODY, **headers):
    return ReceivedWebhook(headers={"x-sig": value, **headers}, body=body)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ({}, signed().hexdigest()),
        ({}, f"sha256={signed().hexdigest()}"),
        ({"encoding": "base64"}, base64.b64encode(signed().digest()).decode()),
        ({"kind": "hmac_sha512"}, signed(kind=hashlib.sha512).hexdigest()),
        ({"kind": "hmac_sha1"}, signed(kind=hashlib.sha1).hexdigest()),
        ({"kind": "shared_secret"}, "canary-secret"),
    ],
)
def test_a_webhook_of_the_provider_is_let_in(said, value):
    assert opened(**said).verify(received(value)).issued_at == NOW


@pytest.mark.parametrize("value", ["", "nonsense", "zz", signed(b"other").hexdigest(), signed(secret=b"x").hexdigest()])
@pytest.mark.parametrize("kind", ["hmac_sha256", "shared_secret", "rsa_sha256"])
def test_a_stranger_is_not(kind, value):
    with pytest.raises(AuthenticationError):
        opened(kind=kind).verify(received(value))


def test_a_key_pair_of_the_provider_is_checked_with_its_public_half():
    key = rsa.generate_private_key(65537, 2048)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
    door = opened(secret=public, kind="rsa_sha256", encoding="base64")
    value = base64.b64encode(key.sign(BODY, padding.PKCS1v15(), SHA256())).decode()
    assert door.verify(received(value)).issued_at == NOW
    with pytest.raises(AuthenticationError):
        door.verify(received(value, body=BODY + b" "))


def test_the_time_is_part_of_what_is_signed_and_an_old_webhook_is_refused():
    door = opened(signed="timestamp.body", timestamp_key="t", signature_key="v1", max_age_s=180)

    def header(at, secret=b"canary-secret"):
        stamp = str(int(at.timestamp()))
        return f"t={stamp},v1={'0' * 64},v1={signed(f'{stamp}.'.encode() + BODY, secret).hexdigest()}"

    fresh = NOW - timedelta(seconds=100)
    assert door.verify(received(header(fresh))).issued_at == fresh
    for value in (header(NOW - timedelta(seconds=181)), header(fresh, b"x"), f"v1={signed().hexdigest()}", "t=x,v1=y"):
        with pytest.raises(AuthenticationError):
            door.verify(received(value))


def test_the_same_delivery_is_known_again_and_another_one_is_not():
    door = opened(kind="shared_secret")
    first, again = (door.verify(received("canary-secret")).delivery for _ in range(2))
    assert first == again != door.verify(received("canary-secret", body=b"{}")).delivery


@pytest.mark.parametrize(
    ("event", "action", "reason"),
    [
        ("rows.new", NoticeAction.REFRESH, None),
        ("login.ended", NoticeAction.NEEDS_USER, "action_required"),
        ("weather.changed", NoticeAction.NONE, None),
    ],
)
def test_an_event_asks_for_what_the_manifest_says(event, action, reason):
    door = opened(signed="timestamp.body", timestamp_header="X-At")
    notice = door.interpret(json.dumps({"type": event, "login": "l-1"}).encode())
    assert (notice.action, notice.login_ref, notice.code, notice.reason) == (action, "l-1", event, reason)


def test_a_login_that_ended_who_knows_when_is_looked_at():
    notice = opened().interpret(json.dumps({"type": "login.ended", "login": "l-1"}).encode())
    assert (notice.action, notice.code, notice.reason) == (NoticeAction.REFRESH, "login.ended", None)


def test_news_that_read_alike_are_news_again_after_a_minute_where_no_time_is_signed():
    door, (now, later) = opened(), (NOW, NOW + timedelta(minutes=1))
    clock = iter([now, now + timedelta(seconds=9), later])
    door.open_context = lambda: nullcontext(ConnectorContext(http=httpx2.Client(), now=lambda: next(clock)))
    first, soon, again = (door.verify(received(signed().hexdigest())).delivery for _ in range(3))
    assert first == soon != again


def test_a_delivery_that_names_itself_is_known_whenever_and_however_it_comes_again():
    first, later = (
        json.dumps({"delivery": "d-7", "type": "rows.new", "login": "l-1", "attempt": attempt}).encode()
        for attempt in (1, 2)
    )
    door = opened()
    named = {door.verify(received(signed(body).hexdigest(), body=body)).delivery for body in (first, later)}
    assert len(named) == 1


@pytest.mark.parametrize(
    "body", [b"[" * 50_000, b"", b"nonsense", b"[]", b"7", b'{"type": {"a": 1}}', b'{"login": "l-1"}']
)
def test_what_is_no_webhook_is_refused(body):
    with pytest.raises(InvalidDataError):
        opened().interpret(body)


def test_ups_webhooks_name_the_connection_that_keeps_their_id():
    connector = REGISTRY.get("up")
    config = connector.Config.model_validate({"token": "t", "webhook_id": up_server.WEBHOOK})
    assert connector.login_ref(config) == up_server.WEBHOOK
    assert connector.webhooks is not None
    door = connector.webhooks(
        connector.Config.model_validate({"token": "t", "webhook_secret": up_server.SECRET}), context
    )
    body, headers = up_server.webhook("TRANSACTION_SETTLED")
    door.verify(ReceivedWebhook(headers={name.lower(): value for name, value in headers.items()}, body=body))
    notice = door.interpret(body)
    assert (notice.action, notice.login_ref) == (NoticeAction.REFRESH, up_server.WEBHOOK)
