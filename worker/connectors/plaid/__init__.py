"""Plaid: logins at banks in the US, Canada, the UK and the EU; one cursor per login."""

from worker.connectors.plaid.connector import PlaidConfig, PlaidConnector
from worker.connectors.plaid.webhook import PlaidWebhooks, link_ref
from worker.connectors.plaid.webhook_keys import WebhookKeys

__all__ = ["PlaidConfig", "PlaidConnector", "PlaidWebhooks", "WebhookKeys", "link_ref"]
