"""The metrics endpoint of a worker: serves the latencies of its processes from its main process."""

import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from worker.errors import ConfigurationError
from worker.telemetry.latencies import read_latencies

_listening: list[socket.socket] = []


class LatencyCollector(Collector):
    """Collects the latencies of a folder's files at each scrape."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Return the current latencies."""
        return read_latencies(self._folder)


def serve_latencies(folder: Path, listen: str) -> None:
    """Serve the latencies in `folder` from a thread until the process ends.

    Args:
        listen: `host:port` to listen on.

    Raises: ConfigurationError, OSError when the port is taken.
    """
    host, port = parse_listen(listen)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(LatencyCollector(folder))
    server, _thread = start_http_server(port, host, registry)
    _listening.append(server.socket)


def close_inherited_socket() -> None:
    """Close the copy of the parent's socket after a fork; otherwise the port stays in use when the parent ends."""
    while _listening:
        with suppress(OSError):
            os.close(_listening.pop().detach())


def parse_listen(listen: str) -> tuple[str, int]:
    """Return host and port of `host:port`. Raises: ConfigurationError."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 2**16:
        raise ConfigurationError("METRICS_LISTEN: needs the form host:port, such as 0.0.0.0:9808")
    return host.strip("[]"), int(port)
