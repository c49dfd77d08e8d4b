"""A provider that answers with everything it was told: the worst place to send a secret to."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

STATUSES = {"limited": 429, "refused": 401, "down": 503, "forbidden": 403, "nonsense": 200, "page": 200}


class EchoServer:
    """Answers every request as `mood` says, with the request's headers, path and body inside the answer."""

    def __init__(self) -> None:
        self.mood = "down"
        self.told: list[bytes] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                told = f"{self.path}\n{self.headers}\n{body.decode('utf-8', 'replace')}"
                server.told.append(told.encode())
                page = server.mood == "page"
                content = (f"<html>{told}</html>" if page else json.dumps({"error": told, told: told})).encode()
                self.send_response(STATUSES[server.mood])
                self.send_header("Content-Type", "text/html" if page else "application/json")
                self.send_header("Content-Length", str(len(content)))
                if server.mood == "limited":
                    self.send_header("Retry-After", "1")
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815 - named by the server

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
