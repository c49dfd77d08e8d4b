"""A proxy in front of Postgres that cuts a connection at a chosen moment of the protocol."""

import socket
import struct
import threading
from contextlib import suppress
from enum import Enum
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_HEADER = 5


class Cut(Enum):
    """When to cut. BEFORE_COMMIT: it never arrives; AFTER_COMMIT: it is done, but nobody hears of it."""

    BEFORE_COMMIT = "before the COMMIT arrives"
    AFTER_COMMIT = "after the COMMIT, before its answer"
    MID_COPY = "in the middle of a COPY"


class CuttingProxy:
    """Passes everything on between clients and the server at `url`, until `arm` said what to cut."""

    def __init__(self, url: str) -> None:
        self._address = url
        self._armed: tuple[Cut, int] | None = None
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        port = self._listening.getsockname()[1]
        parts = urlsplit(url)
        who = f"{parts.username}:{parts.password or ''}"
        self.url = f"{parts.scheme}://{who}@127.0.0.1:{port}{parts.path}?sslmode=disable&gssencmode=disable"
        self.was_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, cut: Cut, nth: int) -> None:
        """Cut at the nth such moment from now on, counted over all connections (1 is the next one)."""
        with self._lock:
            self._armed = (cut, nth)
            self.was_cut = False

    def close(self) -> None:
        """Close everything."""
        for each in (self._listening, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = _dial(self._address)
                self._open += [client, server]
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on what the client says, message by message, and the answers as they come."""
        with suppress(OSError, EOFError):
            server.sendall(_first_message(client))
            answers = threading.Thread(target=_pump, args=(server, client), daemon=True)
            answers.start()
            while True:
                kind, message = _message(client)
                cut = self._due(kind, message)
                if cut is not None:
                    _cut(cut, client, server, message)
                    answers.join(5)
                    break
                server.sendall(message)
        for each in (client, server):
            each.close()

    def _due(self, kind: bytes, message: bytes) -> Cut | None:
        """Return what to do to this message: None passes it on."""
        with self._lock:
            if self._armed is None:
                return None
            cut, left = self._armed
            hit = kind == b"d" if cut is Cut.MID_COPY else kind == b"Q" and message[_HEADER:].startswith(b"COMMIT")
            if not hit:
                return None
            self.was_cut = left == 1
            self._armed = None if self.was_cut else (cut, left - 1)
            return cut if self.was_cut else None


def _cut(cut: Cut, client: socket.socket, server: socket.socket, message: bytes) -> None:
    client.shutdown(socket.SHUT_RDWR)
    match cut:
        case Cut.BEFORE_COMMIT:
            server.shutdown(socket.SHUT_RDWR)
        case Cut.AFTER_COMMIT:
            server.sendall(message)
            server.shutdown(socket.SHUT_WR)  # the server commits, and then finds that nobody is there any more
        case Cut.MID_COPY:
            server.sendall(message[: len(message) // 2])
            server.shutdown(socket.SHUT_RDWR)


def _dial(url: str) -> socket.socket:
    parts = urlsplit(url)
    folder = parse_qs(parts.query).get("host")
    if folder is None:
        return socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5432))
    server = socket.socket(socket.AF_UNIX)
    server.connect(str(Path(folder[0]) / ".s.PGSQL.5432"))
    return server


def _first_message(client: socket.socket) -> bytes:
    (length,) = struct.unpack("!I", head := _exactly(client, 4))
    return head + _exactly(client, length - 4)


def _message(client: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(client, _HEADER)
    kind, length = head[:1], struct.unpack("!I", head[1:])[0]
    return kind, head + _exactly(client, length - 4)


def _exactly(source: socket.socket, size: int) -> bytes:
    held = bytearray()
    while len(held) < size:
        more = source.recv(size - len(held))
        if not more:
            raise EOFError
        held += more
    return bytes(held)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
