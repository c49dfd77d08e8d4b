"""Keys of tokens at an address: read seldom, by one thread, and known ones go on while it does not answer."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from worker.api.auth import RemoteKeys

PRIVATE = Ed25519PrivateKey.generate()
KEY = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(PRIVATE.public_key())) | {"kid": "one", "use": "sig"}


def a_token(key_id: str) -> str:
    claims = {"sub": "1", "exp": datetime.now(UTC) + timedelta(minutes=5)}
    return jwt.encode(claims, PRIVATE, algorithm="EdDSA", headers={"kid": key_id})


@pytest.fixture
def source():
    """A server of keys that counts its readers, and answers as `answer` says."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.reads += 1
            server.hold.wait(10)
            self.send_response(server.answer)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": [KEY]}).encode())

        def log_message(self, *_given):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.reads, server.answer, server.hold = 0, 200, threading.Event()
    server.hold.set()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.hold.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def keys(source, clock):
    return RemoteKeys(f"http://127.0.0.1:{source.server_port}/jwks", now=lambda: clock[0])


def test_invented_key_ids_are_refused_without_asking_again(keys, source, clock):
    assert keys.of(a_token("one")).key_id == "one"
    for number in range(50):
        with pytest.raises(jwt.InvalidKeyError):
            keys.of(a_token(f"invented-{number}"))
    assert source.reads == 1
    clock[0] = 11
    with pytest.raises(jwt.InvalidKeyError):
        keys.of(a_token("another"))
    assert source.reads == 2


def test_nobody_waits_while_another_thread_reads(keys, source, clock):
    keys.of(a_token("one"))
    source.hold.clear()
    clock[0] = 400
    reading = threading.Thread(target=lambda: keys.of(a_token("one")))
    reading.start()
    while source.reads < 2:
        reading.join(0.01)
    assert keys.of(a_token("one")).key_id == "one"
    with pytest.raises(jwt.InvalidKeyError):
        keys.of(a_token("invented"))
    source.hold.set()
    reading.join(10)
    assert not reading.is_alive()


def test_known_keys_go_on_while_the_server_fails(keys, source, clock):
    keys.of(a_token("one"))
    source.answer, clock[0] = 500, 400
    assert keys.of(a_token("one")).key_id == "one"
    assert source.reads == 2
