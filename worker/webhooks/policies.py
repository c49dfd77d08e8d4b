"""Builds the policies of subscriptions and deliveries from settings.

Every function raises ConfigurationError that names the variable.
"""

from ipaddress import ip_network
from typing import Protocol

from pydantic import SecretStr

from worker.errors import ConfigurationError
from worker.net.addresses import Network
from worker.webhooks.delivery import DeliveryPolicy
from worker.webhooks.retry import RetryPolicy
from worker.webhooks.subscriptions import SubscriptionPolicy
from worker.webhooks.target import EgressPolicy

EXTENDED_DELAYS_S = (60.0, 300.0, 900.0, 3600.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0)


class WebhookSettings(Protocol):
    """The part of the settings that is about webhooks."""

    @property
    def webhook_retry_delays_s(self) -> str | None: ...  # noqa: D102 - described in the settings, as all below
    @property
    def webhook_ports(self) -> str: ...  # noqa: D102
    @property
    def webhook_denied_networks(self) -> str: ...  # noqa: D102
    @property
    def webhook_proxy_url(self) -> SecretStr | None: ...  # noqa: D102
    @property
    def webhook_allow_loopback(self) -> bool: ...  # noqa: D102


def egress_policy(settings: WebhookSettings) -> EgressPolicy:
    """Return where webhooks may go."""
    proxy = settings.webhook_proxy_url
    return EgressPolicy(
        ports=frozenset(_ports(settings.webhook_ports)),
        denied=_networks(settings.webhook_denied_networks),
        allow_loopback=settings.webhook_allow_loopback,
        proxy_url=proxy.get_secret_value() if proxy else None,
    )


def subscription_policy(settings: WebhookSettings) -> SubscriptionPolicy:
    """Return what a subscription may be."""
    return SubscriptionPolicy(egress=egress_policy(settings))


def delivery_policy(settings: WebhookSettings) -> DeliveryPolicy:
    """Return how deliveries are made."""
    delays = settings.webhook_retry_delays_s
    return DeliveryPolicy(retry=RetryPolicy() if delays is None else RetryPolicy(delays_s=_delays(delays)))


def _delays(value: str) -> tuple[float, ...]:
    if value.strip() == "extended":
        return EXTENDED_DELAYS_S
    try:
        delays = tuple(float(part) for part in _parts(value))
    except ValueError:
        delays = ()
    if not delays or not all(0 < delay <= EXTENDED_DELAYS_S[-1] for delay in delays):
        raise ConfigurationError("WEBHOOK_RETRY_DELAYS_S: needs seconds from 1 to 86400, separated by commas")
    return delays


def _ports(value: str) -> list[int]:
    try:
        return [int(part) for part in _parts(value)]
    except ValueError:
        raise ConfigurationError("WEBHOOK_PORTS: needs port numbers, separated by commas") from None


def _networks(value: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part) for part in _parts(value))
    except ValueError:
        raise ConfigurationError("WEBHOOK_DENIED_NETWORKS: needs CIDR ranges, separated by commas") from None


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]
