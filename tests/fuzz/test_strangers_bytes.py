"""Tokens, signatures, cursors, bodies and entries of queues of a stranger: refused with the error meant for them."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import jwt
import kombu
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str

from tests.fuzz.conftest import fuzzed
from worker.api.auth import TokenPolicy, UnauthenticatedError, read_user_id
from worker.api.paging import read_cursor
from worker.broker import EXECUTE, IMPORT_CONNECTION, PUBLISH_EVENT
from worker.celery_hooks.messages import MessageFilter, RefusedMessageError
from worker.celery_hooks.queue_entries import UNREADABLE, check_queue_entries
from worker.connectors.errors import InvalidDataError
from worker.connectors.plaid.webhook import read_notice
from worker.errors import InvalidRequestError
from worker.webhooks.verify import SignatureError, verify

SECRET = "a-secret-that-is-long-enough-for-hs256"
NOW = datetime.now(UTC)
CLAIMS = {"sub": "7", "type": "access", "iat": NOW, "nbf": NOW, "exp": NOW + timedelta(hours=1)}
GOOD = jwt.encode(CLAIMS, SECRET, algorithm="HS256")
PUBLIC = Ed25519PrivateKey.generate().public_key()
PUBLIC_PEM = PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)


def _refused(token, policy):
    with pytest.raises(UnauthenticatedError):
        read_user_id(token, policy)


def _part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@fuzzed
@given(st.text(max_size=60) | st.builds(".".join, st.lists(st.text(max_size=12), min_size=1, max_size=5)))
def test_no_text_is_a_token(text):
    _refused(text, TokenPolicy(secret=SECRET))


@fuzzed
@given(st.integers(0, len(GOOD) - 1), st.sampled_from("Ab9-_.=\u0130 \n"))
def test_a_token_with_one_letter_changed_opens_nothing(at, letter):
    changed = GOOD[:at] + letter + GOOD[at + 1 :]
    if _signed_part(changed) != _signed_part(GOOD):
        _refused(changed, TokenPolicy(secret=SECRET))


def _signed_part(token):
    head, _, signature = token.rpartition(".")
    try:
        return head, base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    except ValueError:
        return head, signature


@fuzzed
@given(
    st.fixed_dictionaries(
        {
            "alg": st.sampled_from(
                ["none", "None", "HS256", "HS512", "EdDSA", "RS256", "ES256", "hs256", "", None, 5, []]
            )
        },
        optional={"kid": JSON, "jku": st.text(), "jwk": JSON, "crit": JSON, "b64": JSON, "typ": JSON, "zip": JSON},
    ),
    st.dictionaries(st.sampled_from(["sub", "exp", "iat", "nbf", "aud", "iss", "type"]), JSON),
    st.binary(max_size=70),
)
def test_no_header_and_no_claims_stand_in_for_a_signature(header, claims, signature):
    whole = {"sub": "7", "exp": 4_102_444_800} | claims
    token = f"{_part(header)}.{_part(whole)}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    _refused(token, TokenPolicy(secret=SECRET))
    _refused(token, TokenPolicy(find_key=lambda _token: SimpleNamespace(key=PUBLIC)))


@fuzzed
@given(st.dictionaries(st.sampled_from(["sub", "exp", "iat", "nbf", "type"]), JSON, max_size=5))
def test_a_signed_token_with_odd_claims_names_a_user_or_is_refused(claims):
    token = jwt.encode({"sub": "7", "exp": 4_102_444_800} | claims, SECRET, algorithm="HS256")
    try:
        assert 0 < read_user_id(token, TokenPolicy(secret=SECRET)) < 2**31
    except UnauthenticatedError:
        return


@fuzzed
@given(st.text(max_size=200) | st.builds(_part, JSON))
def test_any_cursor_names_a_place_or_is_refused(cursor):
    try:
        read_cursor(cursor)
    except InvalidRequestError:
        return


SIGNED = re.compile(r"t=\d{1,12}(,v1=[0-9a-f]{64}){1,3}")


@fuzzed
@given(st.binary(max_size=100), st.none() | st.text(max_size=80) | st.from_regex(SIGNED, fullmatch=True))
def test_no_header_signs_a_body_that_nobody_signed(body, header):
    with pytest.raises(SignatureError):
        verify(body, header, "whsec_" + base64.b64encode(b"k" * 32).decode())


@fuzzed
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_notice_of_a_provider_is_read_or_refused(body):
    try:
        read_notice(body)
    except InvalidDataError:
        return


HEADERS = ["task", "id", "timelimit", "eta", "lang", "retries", "x"]
TASKS = {
    EXECUTE: SimpleNamespace(run=lambda run_id: run_id),
    IMPORT_CONNECTION: SimpleNamespace(run=lambda connection_id, account_id=None: (connection_id, account_id)),
    PUBLISH_EVENT: SimpleNamespace(run=lambda user_id=None, data=None: (user_id, data)),
}


@fuzzed
@given(
    st.dictionaries(st.sampled_from(HEADERS), JSON | st.sampled_from(list(TASKS))),
    JSON,
    st.binary(max_size=50),
    JSON,
)
def test_any_message_is_reduced_to_ours_or_refused(headers, payload, body, delivery_info):
    info = delivery_info if isinstance(delivery_info, dict) else {}
    message = SimpleNamespace(
        headers=headers, payload=payload, body=body, content_type="application/json", delivery_info=info
    )
    try:
        MessageFilter(TASKS, now=lambda: 0.0).clean(message)
    except RefusedMessageError:
        return
    assert message.headers["task"] in TASKS
    assert message.headers["timelimit"][0] <= 3600


TYPED = st.builds(
    lambda kind, value: {"__type__": kind, "__value__": value}, st.sampled_from(["decimal", "uuid"]), JSON
)
PROPERTIES = st.fixed_dictionaries(
    {"delivery_info": JSON, "delivery_tag": JSON | TYPED | st.uuids().map(str), "priority": JSON | TYPED}
)
ENTRIES = st.fixed_dictionaries(
    {
        "body": JSON | st.text(max_size=20),
        "content-type": st.sampled_from(["application/json", "application/data", None, 5]),
        "headers": JSON | st.just({"compression": "zlib"}),
        "properties": JSON | PROPERTIES,
    }
)


@fuzzed
@given(st.binary(max_size=100) | (JSON | TYPED | ENTRIES).map(lambda value: json.dumps(value).encode()))
def test_any_entry_of_a_queue_is_delivered_whole_or_dropped(entry):
    check_queue_entries()
    transport = kombu.Connection("redis://localhost").transport
    delivered = []
    transport._callbacks["interactive"] = delivered.append
    try:
        transport._deliver(redis.loads(bytes_to_str(entry)), "interactive")
    except UNREADABLE:
        return
    (message,) = delivered
    assert (message["content-type"], len(message["properties"]["delivery_tag"])) == ("application/json", 36)
