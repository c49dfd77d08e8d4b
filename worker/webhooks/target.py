"""Parses and checks a webhook URL; the same parsed target is used for the request. Pure.

This check gives an early error to the person who subscribes. What protects the network is `webhooks.guard`.
"""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from worker.net.addresses import Network, RefusedTargetError, is_literal, is_loopback

MAX_URL_CHARS = 2048
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_HOSTNAME = re.compile(r"(?=.{1,253}\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_INTERNAL_SUFFIXES = (
    ".localhost", ".localdomain", ".local", ".internal", ".intranet", ".private", ".corp", ".home", ".lan", ".arpa",
    ".test", ".example", ".invalid", ".onion",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressPolicy:
    """Where webhooks may be sent.

    Attributes:
        ports: Allowed ports of public hosts.
        denied: The operator's own networks, which are refused.
        allow_loopback: Allow plain HTTP and any port on this machine; for development only.
        proxy_url: An egress proxy that all requests go through.
    """

    ports: frozenset[int] = frozenset({443, 8443})
    denied: tuple[Network, ...] = ()
    allow_loopback: bool = False
    proxy_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTarget:
    """The parts of a webhook URL.

    Attributes:
        path: Path and query, as sent.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _default_port(self.scheme) else f"{host}:{self.port}"


def parse_target(url: str, policy: EgressPolicy) -> WebhookTarget:
    """Take a URL apart and check it. Raises: RefusedTargetError."""
    parts, port = _split(url)
    host = (parts.hostname or "").rstrip(".")
    target = WebhookTarget(
        scheme=parts.scheme,
        host=host,
        port=port or _default_port(parts.scheme),
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )
    if not (policy.allow_loopback and is_local_name(host)):
        _check_public(target, policy)
    return target


def is_local_name(host: str) -> bool:
    """Say whether a host is `localhost` or a loopback address."""
    try:
        return host == "localhost" or is_loopback(host)
    except ValueError:
        return False


def _split(url: str) -> tuple[SplitResult, int | None]:
    if len(url) > MAX_URL_CHARS or not _PRINTABLE.fullmatch(url) or "\\" in url or "%5c" in url.lower():
        raise RefusedTargetError("a URL is at most 2048 printable ASCII characters without backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RefusedTargetError("the URL cannot be read") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise RefusedTargetError("the URL needs the form https://host/path")
    if "@" in parts.netloc or "#" in url or port == 0:
        raise RefusedTargetError("a URL carries no user, password, fragment or port 0")
    return parts, port


def _check_public(target: WebhookTarget, policy: EgressPolicy) -> None:
    if target.scheme != "https":
        raise RefusedTargetError("only https is allowed")
    if target.port not in policy.ports:
        raise RefusedTargetError(f"the port must be one of {sorted(policy.ports)}")
    if is_literal(target.host) or not _HOSTNAME.fullmatch(target.host):
        raise RefusedTargetError("the host must be a public name, not an address")
    if target.host.endswith(_INTERNAL_SUFFIXES):
        raise RefusedTargetError("the host must be a public name, not an internal one")


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
