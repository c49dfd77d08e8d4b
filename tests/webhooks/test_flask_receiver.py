"""The example of the documentation does what it says, against what we really send."""

import importlib.util
import socket
import threading
import time
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from worker.webhooks.signing import make_secret, sign

EXAMPLE = Path(__file__).parents[2] / "examples" / "flask_receiver.py"
SECRET = make_secret()
BODY = b'{"id": "evt_1"}'


@pytest.fixture
def create_app():
    spec = importlib.util.spec_from_file_location("flask_receiver", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.create_app


def header(timestamp_s: float, secret: str = SECRET, body: bytes = BODY) -> str:
    return f"t={int(timestamp_s)},v1={sign(secret, int(timestamp_s), body)}"


@pytest.mark.parametrize(
    ("made", "status"),
    [
        (header, 204),
        (lambda now_s: header(now_s - 310), 401),
        (lambda now_s: header(now_s + 310), 401),
        (lambda now_s: header(now_s, make_secret()), 401),
        (lambda now_s: header(now_s, body=BODY + b" "), 401),
        (lambda _now_s: "t=,v1=", 401),
        (lambda _now_s: None, 401),
    ],
    ids=["good", "old", "from the future", "another secret", "another body", "malformed", "missing"],
)
def test_the_example_accepts_what_is_ours_and_nothing_else(create_app, made, status):
    signature = made(time.time())
    headers = {"X-Webhook-Signature": signature} if signature else {}
    client = create_app([SECRET]).test_client()
    assert client.post("/hook", data=BODY, headers=headers, content_type="application/json").status_code == status


def test_the_example_receives_what_we_deliver(create_app, add_subscription, publish, deliver, rows):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    secret = add_subscription(f"http://127.0.0.1:{port}/hook").secret
    app = create_app([secret])
    server = make_server("127.0.0.1", port, app)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        publish()
        deliver()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert rows("SELECT last_code FROM webhook_deliveries") == [("http_204",)]
    assert [event["type"] for event in app.extensions["seen"].values()] == ["expense.created"]
