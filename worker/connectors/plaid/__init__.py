"""Plaid: logins at banks in the US, Canada, the UK and the EU; one cursor per login."""

from worker.connectors.plaid.connector import PlaidConfig, PlaidConnector
from worker.connectors.plaid.webhook import PlaidAction, PlaidNotice, WebhookKeys, plaid_webhook

__all__ = ["PlaidAction", "PlaidConfig", "PlaidConnector", "PlaidNotice", "WebhookKeys", "plaid_webhook"]
