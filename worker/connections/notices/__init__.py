"""Webhooks of providers: verified, stored as notices, and handled.

door (API) ─▶ verify ─▶ provider_notices ─▶ dispatcher: `handle_notices` ─▶ runs, states of connections
                                        └─▶ task: `finish_hosted_links` ─▶ connections
"""

from worker.connections.notices.finishing import finish_hosted_links
from worker.connections.notices.handling import handle_notices
from worker.connections.notices.key_store import StoredWebhookKeys
from worker.connections.notices.receiving import NoticeInbox, waiting_notices

__all__ = [
    "NoticeInbox",
    "StoredWebhookKeys",
    "finish_hosted_links",
    "handle_notices",
    "waiting_notices",
]
