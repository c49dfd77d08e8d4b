"""Vault's transit engine over HTTP, as far as data keys need it, behaving as its API documentation says.

Keys have versions (`vault:v2:…`), ciphertext is AES-256-GCM with associated data, tokens are checked, errors carry
Vault's status codes and its JSON shape. It can be sealed (503) and a minimum decryption version can be set.
"""

import base64
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "hvs.test-token"


class RefusalError(Exception):
    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(errors)
        self.status = status
        self.errors = errors


class TransitKey:
    def __init__(self) -> None:
        self.versions = [os.urandom(32)]
        self.min_decryption_version = 1

    def encrypt(self, plaintext: bytes, associated_data: bytes) -> str:
        nonce = os.urandom(12)
        sealed = nonce + AESGCM(self.versions[-1]).encrypt(nonce, plaintext, associated_data)
        return f"vault:v{len(self.versions)}:{base64.b64encode(sealed).decode()}"

    def decrypt(self, ciphertext: str, associated_data: bytes) -> bytes:
        try:
            prefix, version, encoded = ciphertext.split(":", 2)
            number, sealed = int(version.removeprefix("v")), base64.b64decode(encoded, validate=True)
            key = self.versions[number - 1]
        except (ValueError, IndexError):
            raise RefusalError(400, "invalid ciphertext: unable to decode") from None
        if prefix != "vault" or number < self.min_decryption_version:
            raise RefusalError(400, "ciphertext or signature version is disallowed by policy (too old)")
        try:
            return AESGCM(key).decrypt(sealed[:12], sealed[12:], associated_data)
        except (InvalidTag, ValueError):
            raise RefusalError(400, "cipher: message authentication failed") from None


class TransitDouble:
    """One Vault server on loopback with one mount. calls: operations asked for, in order."""

    def __init__(self) -> None:
        self.keys: dict[str, TransitKey] = {}
        self.token = TOKEN
        self.sealed = False
        self.calls: list[str] = []
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                try:
                    answer, status = double.answer(self.path, self.headers.get("X-Vault-Token"), body), 200
                except RefusalError as refusal:
                    answer, status = {"errors": list(refusal.errors)}, refusal.status
                self.send_response(status)
                content = json.dumps(answer).encode()
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str, token: str | None, body: dict[str, str]) -> dict[str, object]:
        _, api, mount, operation, name = path.split("/", 4)
        self.calls.append(operation)
        if self.sealed:
            raise RefusalError(503, "Vault is sealed")
        if token != self.token:
            raise RefusalError(403, "permission denied")
        if (api, mount) != ("v1", "transit"):
            raise RefusalError(404, "no handler for route")
        if operation == "encrypt":
            key = self.keys.setdefault(name, TransitKey())  # encrypt upserts, as Vault does with `create` rights
            plaintext = base64.b64decode(body["plaintext"], validate=True)
            return {"data": {"ciphertext": key.encrypt(plaintext, _associated(body)), "key_version": len(key.versions)}}
        if operation == "decrypt":
            if name not in self.keys:
                raise RefusalError(400, "encryption key not found")
            plaintext = self.keys[name].decrypt(body["ciphertext"], _associated(body))
            return {"data": {"plaintext": base64.b64encode(plaintext).decode()}}
        raise RefusalError(404, "unsupported path")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _associated(body: dict[str, str]) -> bytes:
    return base64.b64decode(body.get("associated_data", ""), validate=True)
