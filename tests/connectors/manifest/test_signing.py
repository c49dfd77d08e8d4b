"""Signed requests: what is signed, with which key, and how it is written."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import ValidationError

from worker.connectors.errors import AuthenticationError
from worker.connectors.manifest.login import RequestSignature
from worker.connectors.manifest.signing import SignedRequest, sample_key

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
URL = "https://bank.test/v1/rows?from=2026-11-01"
BODY = b'{"page":2}'
TIME = str(int(NOW.timestamp()))


def signed(values=None, **said):
    declared = RequestSignature.model_validate(
        {"kind": "hmac_sha256", "secret": "{secret}", "header": "X-Sig", "signed": ["body"]} | said
    )
    request = httpx2.Request("POST", URL, content=BODY)
    auth = SignedRequest(declared, lambda: {"secret": "s3", "key": "k1"} | (values or {}), lambda: NOW)
    next(auth.auth_flow(request))
    return request.headers


def mac(text, key=b"s3", kind=hashlib.sha256):
    return hmac.new(key, text, kind)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ({}, mac(BODY).hexdigest()),
        ({"kind": "hmac_sha512"}, mac(BODY, kind=hashlib.sha512).hexdigest()),
        ({"encoding": "base64"}, base64.b64encode(mac(BODY).digest()).decode()),
        ({"signed": ["method", "target", "body_sha256"], "between": "\n"},
         mac(f"POST\n/v1/rows?from=2026-11-01\n{hashlib.sha256(BODY).hexdigest()}".encode()).hexdigest()),
        ({"signed": ["url"]}, mac(URL.encode()).hexdigest()),
        ({"signed": ["path", "query"], "between": "?"}, mac(b"/v1/rows?from=2026-11-01").hexdigest()),
        ({"signed": ["timestamp", "body"], "timestamp_header": "X-Time"}, mac(TIME.encode() + BODY).hexdigest()),
        ({"written": "HMAC {key}:{signature}"}, f"HMAC k1:{mac(BODY).hexdigest()}"),
    ],
)  # fmt: skip
def test_a_request_carries_the_signature_that_its_manifest_describes(said, written):
    assert signed(**said)["x-sig"] == written


@pytest.mark.parametrize(("encoding", "secret"), [("hex", b"key".hex()), ("base64", "a2V5"), ("text", "key")])
def test_a_secret_is_read_as_it_is_written(encoding, secret):
    assert signed({"secret": secret}, secret_encoding=encoding)["x-sig"] == mac(BODY, b"key").hexdigest()


@pytest.mark.parametrize(
    ("timestamp", "ahead_s", "written"),
    [("unix_s", 60, str(int(TIME) + 60)), ("unix_ms", 0, f"{TIME}000"), ("moment", 0, "2026-11-20T12:00:00Z")],
)
def test_the_time_that_is_signed_is_sent(timestamp, ahead_s, written):
    said = {"signed": ["timestamp"], "timestamp_header": "X-Time", "timestamp": timestamp, "ahead_s": ahead_s}
    headers = signed(**said)
    assert (headers["x-time"], headers["x-sig"]) == (written, mac(written.encode()).hexdigest())


def test_a_private_key_signs_what_its_public_half_verifies():
    key = sample_key(RequestSignature(kind="rsa_sha256", secret="{secret}", signed=("body",), header="Signature"))
    found = signed({"secret": key}, kind="rsa_sha256", encoding="base64")["x-sig"]
    public = load_pem_private_key(key.encode(), None).public_key()
    public.verify(base64.b64decode(found), BODY, padding.PKCS1v15(), SHA256())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"secret": None}, {}),
        ({"secret": "no key"}, {"kind": "rsa_sha256"}),
        ({"secret": "zz"}, {"secret_encoding": "hex"}),
        ({"key": None}, {"written": "{key}:{signature}"}),
    ],
)
def test_a_key_that_is_missing_or_none_stops_the_login_and_is_not_said(values, said):
    with pytest.raises(AuthenticationError) as caught:
        signed(values, **said)
    assert "no key" not in str(caught.value)


@pytest.mark.parametrize(
    "said", [{"signed": ["timestamp"]}, {"timestamp_header": "X"}, {"written": "x"}, {"signed": []}]
)
def test_a_signature_that_does_not_fit_together_is_refused(said):
    with pytest.raises(ValidationError):
        signed(**said)
