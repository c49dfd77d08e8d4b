"""The operator names providers of their own by host and port; nothing else of that host is reached."""

import pytest

from worker.errors import ConfigurationError, InvalidRequestError
from worker.net.http import ReachableHosts, parse_private_hosts
from worker.runtime import provider_reach
from worker.settings import Settings


@pytest.mark.parametrize(
    ("text", "host", "ports"),
    [
        ("simplefin.lan", "simplefin.lan", {80, 443}),
        ("Simplefin.LAN.:8443", "simplefin.lan.", {8443}),
        ("10.0.0.7:443, simplefin.lan:9", "simplefin.lan", {9}),
        ("::1", "::1", {80, 443}),
        ("[::1]:8080", "[::1]", {8080}),
        ("[::1]", "::1", {80, 443}),
        ("127.0.0.1:*", "127.0.0.1", {80, 443, 8080, 8443, 9, 6379}),
        ("", "127.0.0.1", set()),
        ("lan", "simplefin.lan", set()),
    ],
)
def test_an_entry_opens_its_ports_alone(text, host, ports):
    reach = parse_private_hosts(text)
    assert {port for port in (80, 443, 8080, 8443, 9, 6379) if reach.lets_through(host, port)} == ports


@pytest.mark.parametrize("text", ["https://simplefin.lan", "a b", "h:port", "h:", "user@host", "[::1", "h:123456"])
def test_an_entry_that_is_none_is_named(text):
    with pytest.raises(InvalidRequestError, match="is not HOST"):
        parse_private_hosts(text)


def test_a_wrong_setting_is_named():
    settings = Settings(
        _env_file=None, database_url="postgresql://x", redis_url="redis://x", provider_private_hosts="https://a"
    )
    with pytest.raises(ConfigurationError, match="PROVIDER_PRIVATE_HOSTS"):
        provider_reach(settings)


@pytest.mark.parametrize(
    ("host", "open_"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("10.0.0.1", False)]
)
def test_in_development_a_host_of_this_machine_stands_for_all_its_ports(host, open_):
    assert parse_private_hosts(host, any_loopback_port=True).lets_through(host, 8123) is open_
    assert not parse_private_hosts(host).lets_through(host, 8123)


def test_nothing_is_private_by_default():
    assert not ReachableHosts().lets_through("127.0.0.1", 443)
