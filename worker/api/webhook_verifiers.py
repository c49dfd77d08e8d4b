"""Verifiers of providers' webhooks by connector, and the nudge that wakes the dispatcher after one."""

import threading
import time
from collections.abc import Callable

from worker.connections.linking import LinkApps, LinkService
from worker.connections.notices.key_store import StoredWebhookKeys
from worker.connectors.base import ProviderWebhooks
from worker.connectors.errors import ConnectorNotFoundError
from worker.connectors.registry import ConnectorRegistry

_NUDGE_EVERY_S = 0.5


class WebhookVerifiers:
    """The verifier of each connector whose provider sends webhooks; created at first use and kept with its keys."""

    def __init__(self, registry: ConnectorRegistry, link_service: LinkService, apps: LinkApps) -> None:
        self._registry = registry
        self._link_service = link_service
        self._apps = apps
        self._opened: dict[str, ProviderWebhooks] = {}
        self._lock = threading.Lock()

    def of(self, connector_name: str) -> ProviderWebhooks | None:
        """Return the verifier of a connector; None when it has no webhooks."""
        with self._lock:
            if connector_name not in self._opened:
                if connector_name not in self._registry.names():
                    return None
                try:
                    kind = self._registry.get(connector_name).webhooks
                except ConnectorNotFoundError:
                    return None
                app = self._apps.of(connector_name)
                if kind is None or (kind.needs_app and app is None):
                    return None
                verifier = kind(app, self._link_service.open_context)
                verifier.key_store = StoredWebhookKeys(
                    sessions=self._link_service.connection_service.sessions, connector_name=connector_name
                )
                self._opened[connector_name] = verifier
            return self._opened[connector_name]


class DispatcherNudge:
    """Wakes the dispatcher, at most twice a second: a nudge that is on its way covers all rows before it."""

    def __init__(self, nudge: Callable[[], bool], now: Callable[[], float] = time.monotonic) -> None:
        self._nudge = nudge
        self._now = now
        self._lock = threading.Lock()
        self._next_s = 0.0
        self._is_waiting = False

    def __call__(self) -> None:
        """Nudge now, or once the last nudge is half a second ago; never raises."""
        with self._lock:
            if self._is_waiting:
                return
            wait_s = max(0.0, self._next_s - self._now())
            self._is_waiting = True
        time.sleep(wait_s)
        with self._lock:
            self._is_waiting = False
            self._next_s = self._now() + _NUDGE_EVERY_S
        self._nudge()
