"""Decides which addresses may be connected to when users chose them: webhook receivers, self-hosted providers. Pure.

The IANA special-purpose registries are written out here, because `ipaddress.is_global` depends on the Python patch
release and accepts multicast, NAT64, 6to4, site-local and cloud metadata addresses.
"""

from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from worker.errors import InvalidRequestError

Network: TypeAlias = IPv4Network | IPv6Network

BLOCKED: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier-grade NAT, cloud metadata of some clouds"),
    ("127.0.0.0/8", "loopback"),
    ("168.63.129.16/32", "Azure host service, a global address"),
    ("169.254.0.0/16", "link-local, cloud metadata"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments, cloud metadata"),
    ("192.0.2.0/24", "documentation"),
    ("192.31.196.0/24", "AS112"),
    ("192.52.193.0/24", "AMT"),
    ("192.88.99.0/24", "6to4 relay"),
    ("192.168.0.0/16", "private"),
    ("192.175.48.0/24", "AS112"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved, broadcast"),
    ("::/96", "unspecified, loopback, IPv4-compatible"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("::ffff:0:0:0/96", "IPv4-translated"),
    ("64:ff9b::/96", "NAT64"),
    ("64:ff9b:1::/48", "local NAT64"),
    ("100::/64", "discard"),
    ("100:0:0:1::/64", "dummy prefix"),
    ("2001::/23", "protocol assignments, Teredo"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("2620:4f:8000::/48", "AS112"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment routing"),
    ("fc00::/7", "unique local, cloud metadata"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
)
"""Every refused range and its purpose; `tests/webhooks/test_addresses.py` has a row for each."""

_NETWORKS: tuple[Network, ...] = tuple(ip_network(cidr) for cidr, _ in BLOCKED)
_IPV6_GLOBAL = IPv6Network("2000::/3")


class RefusedTargetError(InvalidRequestError):
    """The address may not be connected to."""

    code = "destination_not_allowed"


def vetted(
    addresses: Sequence[str],
    *,
    denied: Sequence[Network] = (),
    excepted: Callable[[str], bool] = lambda _address: False,
) -> list[str]:
    """Return the addresses that a host resolved to, IPv4 first, if every one of them may be connected to.

    Args:
        excepted: Says whether an address is allowed although it is not public.

    Raises: RefusedTargetError.
    """
    if not all(is_public(address, denied) or excepted(address) for address in addresses):
        raise RefusedTargetError("the host does not lead to a public address")
    return sorted(addresses, key=lambda address: ":" in address)


def is_public(address: str, denied: Sequence[Network] = ()) -> bool:
    """Say whether a resolved address is public, so that it may be connected to.

    Args:
        denied: The operator's own networks, which are refused too.
    """
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed not in _IPV6_GLOBAL:
        return False  # no public address outside 2000::/3 is allocated
    return not any(parsed in network for network in (*_NETWORKS, *denied) if network.version == parsed.version)


def is_loopback(address: str) -> bool:
    """Say whether a literal address is in 127.0.0.0/8 or is ::1."""
    return ip_address(address.partition("%")[0]).is_loopback


def is_loopback_literal(host: str) -> bool:
    """Say whether a host is an address of this machine written out."""
    return is_literal(host) and is_loopback(host)


def is_literal(host: str) -> bool:
    """Say whether a host is a literal IP address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
