"""Messages through a real RabbitMQ, in quorum queues, with one setting: BROKER_URL; workers over TLS."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from kombu import Connection

from tests.certificates import write_certificate
from tests.waiting import until
from worker.broker import Queue
from worker.client import WorkerClient
from worker.local.redis import free_port
from worker.status import queue_lengths

TLS = """
listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.cacertfile = {certificate}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {certificate}
"""
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
pytestmark = pytest.mark.skipif(not SERVER.exists(), reason="needs rabbitmq-server (Debian's package)")


@pytest.fixture
def rabbitmq(tmp_path):
    """A RabbitMQ of its own, with its own port mapper; yields its address without and with TLS."""
    port, tls_port, mapper_port = free_port(), free_port(), free_port()
    certificate = write_certificate(tmp_path / "server.pem", "localhost")
    config = tmp_path / "rabbitmq.conf"
    config.write_text(TLS.format(port=tls_port, certificate=certificate))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "ERL_EPMD_PORT": str(mapper_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": str(config),
        "RABBITMQ_MNESIA_BASE": str(tmp_path / "mnesia"),
        "RABBITMQ_LOG_BASE": str(tmp_path / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(tmp_path / "plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
    }
    said = (tmp_path / "said").open("wb")
    server = subprocess.Popen([SERVER], env=environment, stdout=said, stderr=said, start_new_session=True)
    url = f"amqp://guest:guest@127.0.0.1:{port}//"

    def answers():
        assert server.poll() is None, (tmp_path / "said").read_text()
        try:
            with Connection(url, connect_timeout=1) as connection:
                connection.connect()
        except OSError:
            return False
        return True

    try:
        until(answers, every_s=0.3)
        yield url, f"amqps://guest:guest@127.0.0.1:{tls_port}//"
    finally:
        server.terminate()
        server.wait(60)
        subprocess.run([shutil.which("epmd"), "-port", str(mapper_port), "-kill"], capture_output=True, check=False)
        said.close()


@pytest.fixture
def environment(base_environment, rabbitmq, redis_url, tmp_path):
    trusted = {"SSL_CERT_FILE": str(tmp_path / "server.pem")}
    return base_environment | trusted | {"REDIS_URL": redis_url, "BROKER_URL": rabbitmq[1]}


def test_an_import_goes_through_quorum_queues(rabbitmq, sessions, connection_id, worker, status_of):
    plain_url, _ = rabbitmq
    client = WorkerClient(plain_url, timeout_s=5)
    with sessions() as session:
        run_id = client.request_import(session, connection_id)
    client.close()
    with Connection(plain_url) as broker:
        assert queue_lengths(broker) is None, "no worker has declared its queues yet"
        with worker() as log:
            until(lambda: status_of(run_id) == "succeeded", every_s=0.2)
            until(lambda: queue_lengths(broker) == dict.fromkeys(map(str, Queue), 0), every_s=0.2)
            with broker.channel() as channel, pytest.raises(broker.channel_errors, match="x-queue-type"):
                channel.queue_declare("interactive", durable=True, auto_delete=False)
    assert "ERROR" not in log.read_text()


def test_a_rabbitmq_that_is_away_has_no_lengths():
    with Connection(f"amqp://127.0.0.1:{free_port()}//", connect_timeout=1) as broker:
        assert queue_lengths(broker) is None
