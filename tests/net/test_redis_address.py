"""Addresses of a Redis that Sentinels watch over."""

import subprocess

import pytest
import redis

from tests.waiting import until
from worker.broker import celery_address, tls_options, transport_options
from worker.errors import ConfigurationError
from worker.local.redis import _server_program, free_port
from worker.net.redis_address import SentinelAddress, is_cluster, parse_sentinels
from worker.runtime import check_broker
from worker.settings import Settings, check_addresses

FULL = "sentinel://u:p%40ss@one:26380,two,[::1]:7/3?master=finmind&sentinel_password=s"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sentinel://one/?master=m", SentinelAddress(sentinels=(("one", 26379),), master_name="m")),
        ("sentinel://one?master=m", SentinelAddress(sentinels=(("one", 26379),), master_name="m")),
        (
            FULL,
            SentinelAddress(
                sentinels=(("one", 26380), ("two", 26379), ("::1", 7)), master_name="finmind", database=3,
                username="u", password="p@ss", sentinel_password="s",
            ),
        ),
    ],
)  # fmt: skip
def test_an_address_names_all_sentinels(url, expected):
    assert parse_sentinels(url) == expected
    assert "p@ss" not in repr(parse_sentinels(url))


@pytest.mark.parametrize(
    "url",
    [
        "sentinel://one:26379/0",
        "sentinel://one/zero?master=m",
        "sentinel://:secret@one:port/0?master=m",
        "sentinel://one,/0?master=m",
        "sentinel://one/0?master=m&tls=true",
        "sentinel://one/0?master=m&ssl_ca_certs=/ca.pem",
        "rediss://:secret@one/0?ssl_cert_reqs=bogus",
        "redis://:secret@one/0?no_such_option=1",
        "redis://:secret@one/0?protocol=9",
        "redis://:secret@one/0?maint_notifications_config=x",
        "unix:///tmp/redis.sock",
    ],
)
def test_what_cannot_be_read_is_refused_when_a_process_starts_and_tells_no_password(url):
    settings = Settings(_env_file=None, database_url="postgresql://h/d", redis_url=url)
    with pytest.raises(ConfigurationError, match="REDIS_URL is not an address") as refused:
        check_addresses(settings)
    assert "secret" not in str(refused.value)


def test_an_option_that_postgres_does_not_know_is_refused_too():
    settings = Settings(_env_file=None, database_url="postgresql://u:secret@h/d?sslmod=require", redis_url="redis://h")
    with pytest.raises(ConfigurationError, match="DATABASE_URL is not an address") as refused:
        check_addresses(settings)
    assert "secret" not in str(refused.value)


def test_files_of_tls_stand_in_the_query_and_hold_for_sentinels_too():
    address = parse_sentinels("sentinels://one/0?master=m&ssl_ca_certs=/ca.pem")
    assert address.tls == {"ssl_ca_certs": "/ca.pem"}
    asked = address.sentinel_options(timeout_s=1, connect_timeout_s=1)
    assert (asked["ssl"], asked["ssl_ca_certs"]) == (True, "/ca.pem")
    assert tls_options("rediss://h/0?ssl_ca_certs=/ca.pem") == {"ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem"}
    assert not tls_options("sentinel://one/0?master=m")
    assert not tls_options("redis://h/0")


def test_a_cluster_is_refused_when_a_worker_starts(tmp_path):
    port = free_port()
    command = [_server_program(), "--port", str(port), "--cluster-enabled", "yes", "--save", "", "--dir", str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port) as client:
            until(lambda: is_cluster(client))
        settings = Settings(_env_file=None, database_url="postgresql://h/d", redis_url=f"redis://127.0.0.1:{port}/0")
        with pytest.raises(ConfigurationError, match="REDIS_URL leads to a Redis Cluster"):
            check_broker(settings)
    finally:
        server.kill()
        server.wait()


def test_celery_reads_the_address():
    assert celery_address(FULL) == (
        "sentinel://u:p%40ss@one:26380/3;sentinel://u:p%40ss@two:26379/3;sentinel://u:p%40ss@[::1]:7/3"
    )
    options = transport_options("worker", url=FULL)
    assert options["master_name"] == "finmind"
    assert options["sentinel_kwargs"]["password"] == "s"
    assert celery_address("redis://h/1") == "redis://h/1"
    assert "master_name" not in transport_options("worker", url="redis://h/1")
