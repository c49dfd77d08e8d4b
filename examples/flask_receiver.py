"""A receiver of FinMind webhooks with Flask: verify the raw bytes, recognise what was seen, answer at once.

    pip install flask
    WEBHOOK_SECRET=whsec_… flask --app flask_receiver run --port 9000

`verify` is one file without dependencies: copy worker/webhooks/verify.py, or install finmind-worker.
"""

import os

from flask import Flask, abort, request

from worker.webhooks.verify import SignatureError, verify

MAX_BODY_BYTES = 256 * 1024


def create_app(secrets: list[str] | None = None) -> Flask:
    """Build the application. secrets: more than one while a secret is being rotated."""
    keys = secrets or os.environ["WEBHOOK_SECRET"].split(",")
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    # In production: a table with a unique key on the id, kept for as long as you replay.
    app.extensions["seen"] = seen = {}

    @app.post("/hook")
    def receive() -> tuple[str, int]:
        body = request.get_data()  # the raw bytes, before anything parses them
        try:
            verify(body, request.headers.get("X-Webhook-Signature"), keys)
        except SignatureError:
            abort(401)
        event = request.get_json()
        if event["id"] not in seen:
            seen[event["id"]] = event  # hand it to a queue here; long work does not belong into the answer
        return "", 204

    return app
