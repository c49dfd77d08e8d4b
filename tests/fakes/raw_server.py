"""A server on loopback that sends exactly the bytes it was given, for answers no honest server would send."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Script = Callable[[socket.socket, threading.Event], None]


def sends(answer: bytes) -> Script:
    return lambda peer, _stop: peer.sendall(answer)


def drips(answer: bytes) -> Script:
    """One byte now and then, for ever: each one restarts a timeout that only watches the gaps."""

    def script(peer: socket.socket, stop: threading.Event) -> None:
        peer.sendall(answer)
        while not stop.wait(0.02):
            peer.sendall(b" ")

    return script


def hangs(_peer: socket.socket, stop: threading.Event) -> None:
    stop.wait(60)


@contextmanager
def raw_server(script: Script) -> Iterator[str]:
    """Serve `script` to every connection; yields the base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                try:
                    peer.recv(65_536)
                    script(peer, stop)
                except OSError:
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
