"""Signs requests as a manifest says, over the very bytes that are sent."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Generator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property

import httpx2
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from worker.connectors.errors import AuthenticationError
from worker.connectors.manifest.login import RequestSignature
from worker.connectors.manifest.request_filling import fill

_HASHES = {"hmac_sha256": hashlib.sha256, "hmac_sha512": hashlib.sha512, "hmac_sha1": hashlib.sha1}

_PARTS: Mapping[str, Callable[[httpx2.Request, str], bytes]] = {
    "timestamp": lambda _request, timestamp: timestamp.encode(),
    "method": lambda request, _: request.method.encode(),
    "url": lambda request, _: str(request.url).encode(),
    "target": lambda request, _: request.url.raw_path,
    "path": lambda request, _: request.url.raw_path.partition(b"?")[0],
    "query": lambda request, _: request.url.query,
    "body": lambda request, _: request.content,
    "body_sha256": lambda request, _: hashlib.sha256(request.content).hexdigest().encode(),
}


class SignedRequest(httpx2.Auth):
    """Adds the signature of a request to its headers. One for each connection, which reads its key once.

    Args:
        values: returns the connection's values by name, with the secret.
        now: returns the moment that is signed.
    """

    requires_request_body = True

    def __init__(
        self,
        declared: RequestSignature,
        values: Callable[[], Mapping[str, str | None]],
        now: Callable[[], datetime],
    ) -> None:
        self._declared = declared
        self._values = values
        self._now = now

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Sign the request, which is complete by now, and send it once."""
        timestamp = _timestamp(self._declared.timestamp, self._now() + timedelta(seconds=self._declared.ahead_s))
        if self._declared.timestamp_header:
            request.headers[self._declared.timestamp_header] = timestamp
        request.headers[self._declared.header] = self._header(request, timestamp)
        yield request

    def _header(self, request: httpx2.Request, timestamp: str) -> str:
        signed = self._declared.between.encode().join(
            _PARTS[part](request, timestamp) for part in self._declared.signed
        )
        made = self._sign(signed)
        text = made.hex() if self._declared.encoding == "hex" else base64.b64encode(made).decode()
        written = fill(self._declared.written, {**self._values(), "signature": text})
        if written is None:
            raise AuthenticationError("a part of the login is missing", reason="credentials")
        return written

    @cached_property
    def _sign(self) -> Callable[[bytes], bytes]:
        """What signs with the connection's secret. Raises: AuthenticationError when it is missing, or of no scheme."""
        secret = fill(self._declared.secret, self._values())
        if secret is None:
            raise AuthenticationError("the key that signs requests is missing", reason="credentials")
        return _signer(self._declared, secret)


@cache
def sample_key(declared: RequestSignature) -> str:
    """Return a secret of the scheme's own kind that opens nothing, for the checks."""
    if declared.kind == "rsa_sha256":
        key = generate_private_key(65537, 2048)
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    plain = "check-signing-7f3a9c41"
    return {"text": plain, "hex": plain.encode().hex(), "base64": base64.b64encode(plain.encode()).decode()}[
        declared.secret_encoding
    ]


def _timestamp(written: str, at: datetime) -> str:
    match written:
        case "unix_s":
            return str(int(at.timestamp()))
        case "unix_ms":
            return str(int(at.timestamp() * 1000))
        case _:
            return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _signer(declared: RequestSignature, secret: str) -> Callable[[bytes], bytes]:
    try:
        key = _decoded(secret, declared.secret_encoding)
        if declared.kind != "rsa_sha256":
            return lambda signed: hmac.new(key, signed, _HASHES[declared.kind]).digest()
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm):
        private = None
    if not isinstance(private, RSAPrivateKey):
        raise AuthenticationError("the key that signs requests is none of its scheme", reason="credentials")
    return lambda signed: private.sign(signed, padding.PKCS1v15(), SHA256())


def _decoded(secret: str, encoding: str) -> bytes:
    match encoding:
        case "base64":
            return base64.b64decode(secret, validate=True)
        case "hex":
            return bytes.fromhex(secret)
        case _:
            return secret.encode()
