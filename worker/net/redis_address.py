"""Addresses of Redis: one server, or one that Sentinels name because it changes with a failover.

    redis://:password@host:6379/0
    sentinel://:password@host1:26379,host2:26379/0?master=mymaster

`rediss` and `sentinels` are the same over TLS, of which `ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile` in the query
name files. With Sentinels, user and password are those of Redis; `sentinel_password` in the query is that of the
Sentinels. Imports nothing but redis, so that the web app can publish with the same code as the worker.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

_SCHEME, _OVER_TLS = "sentinel", "sentinels"
_TLS_FILES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_SENTINEL_PORT = 26379


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelAddress:
    """Where Sentinels are, and what they watch.

    Attributes:
        sentinels: Host and port of each.
        master_name: What they call the Redis servers they watch.
        database: Number of the database.
        username: User of Redis.
        password: Password of Redis.
        sentinel_password: Password of the Sentinels themselves.
        tls: Files of TLS to Redis and the Sentinels, by redis' names; empty for what the system trusts; None: no TLS.
    """

    sentinels: tuple[tuple[str, int], ...]
    master_name: str
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)
    tls: Mapping[str, str] | None = None

    def sentinel_options(self, *, timeout_s: float, connect_timeout_s: float) -> dict[str, Any]:
        """Return what connections to the Sentinels themselves need."""
        return {
            "socket_timeout": timeout_s,
            "socket_connect_timeout": connect_timeout_s,
            "password": self.sentinel_password,
            **self.tls_options,
            "retry": Retry(NoBackoff(), 0),  # the next Sentinel is asked instead; retries would take seconds
        }

    @property
    def tls_options(self) -> dict[str, Any]:
        """What redis is told of TLS."""
        return {} if self.tls is None else {"ssl": True, **self.tls}

    @property
    def kombu_url(self) -> str:
        """The address as kombu reads it: one per Sentinel, separated by semicolons."""
        login = ""
        if self.password is not None:
            login = f"{quote(self.username or '', safe='')}:{quote(self.password, safe='')}@"
        places = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.sentinels)
        return ";".join(f"{_SCHEME}://{login}{place}/{self.database}" for place in places)


def names_sentinels(url: str) -> bool:
    """Say whether an address is one of Sentinels."""
    return url.startswith((f"{_SCHEME}://", f"{_OVER_TLS}://"))


def parse_sentinels(url: str) -> SentinelAddress:
    """Read the address of Sentinels. Raises: ValueError when it is not one, without its password."""
    scheme, _, rest = url.partition("://")
    login, _, places = rest.rpartition("@")
    hosts, slash, behind = places.partition("/")
    if not slash:
        hosts, _, query = hosts.partition("?")
        behind = f"?{query}"
    parts = urlsplit(f"{_SCHEME}:///{behind}")
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    username, has_password, password = login.partition(":")
    known = {"master", "sentinel_password"} | (_TLS_FILES if scheme == _OVER_TLS else set())
    if scheme not in {_SCHEME, _OVER_TLS} or not options.get("master") or options.keys() - known:
        raise ValueError("the address of Sentinels ends with ?master= and the name of what they watch")
    return SentinelAddress(
        sentinels=tuple(_place(host) for host in hosts.split(",")),
        master_name=options["master"],
        database=int(parts.path.strip("/") or 0),
        username=unquote(username) or None,
        password=unquote(password) if has_password else None,
        sentinel_password=options.get("sentinel_password"),
        tls={name: options[name] for name in _TLS_FILES & options.keys()} if scheme == _OVER_TLS else None,
    )


def _place(host_and_port: str) -> tuple[str, int]:
    parts = urlsplit(f"//{host_and_port}")
    if parts.hostname is None:
        raise ValueError("a Sentinel has no host")
    return parts.hostname, parts.port or _SENTINEL_PORT


def check_options(url: str) -> None:
    """Refuse an address of one server whose options mean nothing to redis; connects to nothing. Raises: ValueError."""
    try:
        redis.Redis.from_url(url).connection_pool.make_connection()
    except (TypeError, AttributeError, redis.RedisError):  # a name that no connection has; a value that none takes
        raise ValueError("an option that redis does not know") from None


def is_cluster(client: "redis.Redis") -> bool:
    """Say whether a server belongs to a Redis Cluster; False while it does not answer."""
    try:
        told: Any = client.info("cluster")
    except redis.RedisError:
        return False
    return bool(told.get("cluster_enabled"))


def open_redis(url: str, *, timeout_s: float) -> "redis.Redis":
    """Return a client of the server, or of the master that Sentinels name at each new connection.

    Args:
        timeout_s: Bound of each socket operation.
    """
    timeouts = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    if not names_sentinels(url):
        client: redis.Redis = redis.Redis.from_url(url, **timeouts)
        return client
    address = parse_sentinels(url)
    options = address.sentinel_options(timeout_s=timeout_s, connect_timeout_s=timeout_s)
    sentinels = Sentinel(address.sentinels, sentinel_kwargs=options)  # type: ignore[no-untyped-call]  # redis types
    master: redis.Redis = sentinels.master_for(  # type: ignore[no-untyped-call]  # only some
        address.master_name,
        db=address.database,
        username=address.username,
        password=address.password,
        **timeouts,
        **address.tls_options,
    )
    return master
