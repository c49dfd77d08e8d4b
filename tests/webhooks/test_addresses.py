"""Every special range is refused, whatever this Python's `ipaddress` thinks of it; public addresses are not."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.net.addresses import BLOCKED, is_public

MATRIX = {
    "127/8": "127.0.0.1 127.255.255.254",
    "10/8": "10.0.0.1",
    "172.16/12": "172.16.0.1 172.31.255.255",
    "192.168/16": "192.168.1.1",
    "link-local and cloud metadata": "169.254.169.254",
    "carrier-grade NAT": "100.64.0.1 100.100.100.200 100.127.255.255",
    "this network": "0.0.0.0 0.1.2.3",
    "benchmarking": "198.18.0.1 198.19.255.255",
    "documentation": "192.0.2.1 198.51.100.1 203.0.113.1",
    "protocol assignments, cloud metadata": "192.0.0.9 192.0.0.192",
    "6to4 relay": "192.88.99.1",
    "AS112 and AMT": "192.31.196.1 192.52.193.1 192.175.48.1",
    "multicast": "224.0.0.1 239.255.255.255",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "Azure host service": "168.63.129.16",
    "loopback": "::1",
    "unspecified": "::",
    "IPv4-mapped": "::ffff:127.0.0.1 ::ffff:8.8.8.8",
    "IPv4-compatible": "::127.0.0.1",
    "IPv4-translated": "::ffff:0:127.0.0.1",
    "NAT64": "64:ff9b::7f00:1 64:ff9b:1::7f00:1",
    "discard and dummy": "100::1 100:0:0:1::1",
    "Teredo and protocol assignments": "2001::1 2001:1ff::1 2001:20::1",
    "documentation v6": "2001:db8::1 3fff::1",
    "6to4": "2002:7f00:1::",
    "AS112 v6": "2620:4f:8000::1",
    "segment routing": "5f00::1",
    "unique local, cloud metadata": "fc00::1 fd00:ec2::254",
    "link-local v6": "fe80::1 fe80::1%eth0",
    "site-local": "fec0::1",
    "multicast v6": "ff02::1",
    "never allocated": "4000::1 a000::1",
}
PUBLIC = "8.8.8.8 1.1.1.1 93.184.216.34 100.63.255.255 100.128.0.0 172.32.0.1 2606:4700:4700::1111 2a00:1450:4001::8a"


@pytest.mark.parametrize("addresses", MATRIX.values(), ids=MATRIX)
def test_refused(addresses):
    assert not any(is_public(address) for address in addresses.split())


@pytest.mark.parametrize("address", PUBLIC.split())
def test_allowed(address):
    assert is_public(address)


@pytest.mark.parametrize("cidr", [cidr for cidr, _ in BLOCKED])
def test_both_ends_of_every_range_are_refused(cidr):
    network = ip_network(cidr)
    assert not is_public(str(network.network_address))
    assert not is_public(str(network.broadcast_address))


def test_the_operators_own_ranges_are_refused():
    assert not is_public("8.8.8.8", (ip_network("8.8.0.0/16"),))


@given(st.ip_addresses())
def test_nothing_that_python_calls_private_is_allowed(address):
    assert not (is_public(str(address)) and (address.is_private or address.is_loopback or address.is_multicast))
