"""What a URL may look like."""

import pytest

from worker.net.addresses import RefusedTargetError
from worker.webhooks.target import EgressPolicy, parse_target

PUBLIC = EgressPolicy()
LOOPBACK = EgressPolicy(allow_loopback=True)


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://hooks.example.com", "hooks.example.com", "/"),
        ("https://Hooks.Example.COM./a?b=c%20d", "hooks.example.com", "/a?b=c%20d"),
        ("https://example.com:8443/", "example.com:8443", "/"),
        ("https://xn--caf-dma.example.com/", "xn--caf-dma.example.com", "/"),
    ],
)
def test_public_urls(url, authority, path):
    target = parse_target(url, PUBLIC)
    assert (target.authority, target.path) == (authority, path)


REFUSED = {
    "http": "http://example.com/",
    "another scheme": "ftp://example.com/",
    "no scheme": "example.com",
    "no host": "https:///path",
    "user": "https://user@example.com/",
    "user and password": "https://user:pw@example.com/",
    "an empty user": "https://@example.com/",
    "fragment": "https://example.com/#x",
    "port 22": "https://example.com:22/",
    "port 0": "https://example.com:0/",
    "port 80": "https://example.com:80/",
    "a port that is none": "https://example.com:99999/",
    "a port in words": "https://example.com:https/",
    "backslash": "https://example.com\\@127.0.0.1/",
    "encoded backslash": "https://example.com/%5C",
    "space": "https://example.com/a b",
    "line break": "https://example.com/\r\nX: y",
    "NUL": "https://example.com/\x00",
    "beyond ASCII": "https://café.example.com/",
    "full-width digits": "https://\uff11\uff12\uff17.0.0.1/",
    "too long": "https://example.com/" + "a" * 2048,
    "no dot": "https://intranet/",
    "localhost": "https://localhost/",
    "below localhost": "https://a.localhost/",
    "localhost with its domain": "https://localhost.localdomain/",
    "internal": "https://db.internal/",
    "local": "https://printer.local/",
    "literal": "https://8.8.8.8/",
    "loopback": "https://127.0.0.1/",
    "loopback, short": "https://127.1/",
    "loopback, decimal": "https://2130706433/",
    "loopback, hexadecimal": "https://0x7f.1/",
    "loopback, octal": "https://0177.0.0.1/",
    "zero": "https://0/",
    "IPv6 loopback": "https://[::1]/",
    "IPv6 mapped": "https://[::ffff:127.0.0.1]/",
    "broken IPv6": "https://[::1/",
    "scope": "https://[fe80::1%25eth0]/",
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED)
def test_refused_urls(url):
    with pytest.raises(RefusedTargetError):
        parse_target(url, PUBLIC)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/x", "http://localhost:9000/x", "http://[::1]:9000/x"])
def test_loopback_is_allowed_in_development_only(url):
    assert parse_target(url, LOOPBACK).port == 9000
    with pytest.raises(RefusedTargetError):
        parse_target(url, PUBLIC)


@pytest.mark.parametrize(
    "url", ["http://example.com/", "http://10.0.0.1:9000/", "http://169.254.169.254/", "http://127.1/"]
)
def test_development_opens_nothing_but_loopback(url):
    with pytest.raises(RefusedTargetError):
        parse_target(url, LOOPBACK)
