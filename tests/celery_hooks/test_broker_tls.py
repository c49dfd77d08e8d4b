"""Messages over TLS go only to a broker whose certificate is trusted and names the host of the address."""

import socket
import ssl
import threading
from unittest.mock import Mock

import pytest
import redis
from kombu import Connection

from tests.certificates import write_certificate
from worker.app import configuration
from worker.broker import Messages, celery_address, tls_options, transport_options
from worker.net.redis_address import open_redis


class Listener:
    """Takes connections over TLS, hears the first bytes of each, and hangs up."""

    def __init__(self, certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._socket = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
        self.port = self._socket.getsockname()[1]
        self.heard = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                with self._socket.accept()[0] as taken:
                    self.heard.append(taken.recv(100))
            except ssl.SSLError:
                continue  # the other side did not trust us
            except OSError:
                return

    def close(self):
        self._socket.close()


@pytest.fixture
def listener(tmp_path, host):
    listening = Listener(write_certificate(tmp_path / "server.pem", host))
    yield listening
    listening.close()


ADDRESSES = ("rediss://127.0.0.1:{}/0", "sentinels://127.0.0.1:{}/0?master=m", "amqps://127.0.0.1:{}//")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    ("host", "trusted", "speaks"),
    [("localhost", True, True), ("elsewhere.example", True, False), ("localhost", False, False)],
)
def test_nothing_is_said_to_who_cannot_show_the_certificate(address, trusted, speaks, listener, tmp_path, monkeypatch):
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    url = address.format(listener.port)
    options = transport_options("worker", url=url, socket_timeout_s=2, connect_timeout_s=2)
    broker = Connection(celery_address(url), ssl=tls_options(url), transport_options=options)
    with pytest.raises((OSError, redis.ConnectionError)):
        broker.transport.establish_connection()  # once, where `connect` would try again
    broker.close()
    assert any(listener.heard) is speaks


@pytest.mark.parametrize("host", ["localhost"])
def test_redis_is_asked_over_tls_too(listener, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    client = open_redis(f"sentinels://127.0.0.1:{listener.port}/0?master=m", timeout_s=2)
    with client, pytest.raises(redis.ConnectionError):
        client.ping()
    assert any(listener.heard)


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_sends_messages_and_what_takes_them_have_the_options(address, monkeypatch):
    url = address.format(1)
    monkeypatch.setenv("REDIS_URL", "redis://h/0")
    monkeypatch.setenv("BROKER_URL" if url.startswith("amqps") else "REDIS_URL", url)
    assert configuration()["broker_use_ssl"] == tls_options(url)
    assert Messages(url, timeout_s=1)._app.conf.broker_use_ssl == tls_options(url)


def test_each_of_several_brokers_shows_the_certificate_of_its_own_host():
    url = "amqps://one.example//;amqps://two.example//"
    broker, asked = Connection(url, ssl=tls_options(url)), []
    for _ in range(2):
        transport = broker.transport
        transport.Connection = lambda *, host, ssl, **_options: asked.append((host, {**ssl})) or Mock()
        transport.establish_connection()
        broker.maybe_switch_next()
    assert asked == [(f"{host}:5671", {"server_hostname": host}) for host in ("one.example", "two.example")]
