"""A blueprint for FinMind's backend: everything under /bank-connections is answered by the worker's HTTP API.

    app.register_blueprint(bank_connections.bp, url_prefix="/bank-connections")

Pages and API share FinMind's origin, so that no CORS is needed and FinMind's own access token is the log-in. Nothing of
the bank passes through FinMind's code: credentials go to the process that holds the keys. Where a server such as nginx
stands in front of FinMind, a location that passes /bank-connections/ on does the same (docs/web-app.md, "From a
browser"), and this file is not needed. Use one of the two.

Configuration: BANK_WORKER_URL, such as http://finmind-worker-api:8400.
"""

import requests
from flask import Blueprint, Response, current_app, jsonify, request, stream_with_context

bp = Blueprint("bank_connections", __name__)

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
PASSED_ON = ("Authorization", "Content-Type", "Accept", "Idempotency-Key", "Prefer", "X-Request-ID", "traceparent")
PASSED_BACK = ("Content-Type", "Location", "Retry-After", "Idempotent-Replayed", "Content-Disposition", "X-Request-ID")
CONNECT_S = 3
SILENCE_S = 60  # a stream of progress says something at least every 15 s


@bp.route("/<path:path>", methods=METHODS)
def pass_on(path: str):
    """Send the request on as it is, and the answer back as it comes."""
    try:
        answer = requests.request(
            request.method,
            f"{current_app.config['BANK_WORKER_URL']}/bank-connections/{path}",
            params=request.query_string,
            headers={name: request.headers[name] for name in PASSED_ON if name in request.headers},
            data=request.stream if request.content_length else None,
            stream=True,
            allow_redirects=False,
            timeout=(CONNECT_S, SILENCE_S),
        )
    except requests.RequestException:
        current_app.logger.exception("the bank worker does not answer")
        return jsonify(error="banks cannot be reached at the moment"), 503
    headers = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
    body = stream_with_context(answer.iter_content(chunk_size=None))
    return Response(body, answer.status_code, headers, direct_passthrough=True)
