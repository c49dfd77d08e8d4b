"""Messages through a Redis that Sentinels watch over: with one setting, and on after a failover."""

import subprocess
from contextlib import ExitStack

import pytest
import redis

from tests.waiting import until
from worker.api.limiting import UserLimit
from worker.client import WorkerClient
from worker.local.redis import _server_program, free_port
from worker.redis_address import open_redis
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
SENTINEL = """
bind 127.0.0.1
port {port}
sentinel monitor finmind 127.0.0.1 {master} 1
sentinel auth-pass finmind {password}
sentinel down-after-milliseconds finmind 500
sentinel failover-timeout finmind 2000
"""


class WatchedRedis:
    """A master and its replica, and a Sentinel that watches them."""

    def __init__(self, directory, started):
        self._directory, self._started = directory, started
        master_port, replica_port, self.sentinel_port = free_port(), free_port(), free_port()
        self.master = self._start("master", f"{SERVER}port {master_port}\n")
        self._start("replica", f"{SERVER}port {replica_port}\nreplicaof 127.0.0.1 {master_port}\n")
        self.replica = redis.Redis(port=replica_port, password=PASSWORD)
        until(lambda: _answers(self.replica) and self.replica.info("replication")["master_link_status"] == "up")
        sentinel = SENTINEL.format(port=self.sentinel_port, master=master_port, password=PASSWORD)
        self._start("sentinel", sentinel, "--sentinel")
        asked = redis.Redis(port=self.sentinel_port, decode_responses=True)
        until(lambda: _answers(asked) and asked.sentinel_master("finmind")["num-slaves"] == 1)
        asked.close()

    @property
    def url(self):
        """The address, with a Sentinel that is away before the one that answers."""
        return f"sentinel://:of%2Fredis%3Atoo@127.0.0.1:{free_port()},127.0.0.1:{self.sentinel_port}/0?master=finmind"

    def _start(self, name, config, *arguments):
        path = self._directory / f"{name}.conf"
        path.write_text(config)
        with (self._directory / f"{name}.log").open("wb") as log:
            command = [_server_program(), path, *arguments]
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._directory)
        self._started.callback(process.wait)
        self._started.callback(process.kill)
        return process


def _answers(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


@pytest.fixture
def watched(tmp_path):
    with ExitStack() as started:
        servers = WatchedRedis(tmp_path, started)
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
