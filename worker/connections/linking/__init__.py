"""Linking flows that need a browser: `start_link` returns where to send the user, `finish_link` saves the result.

A state names one attempt of one user and works once. One-time codes are exchanged exactly once and never sent again:
when their answer is lost the user starts again. Renewing a connection in place keeps its id and its history.
"""

from worker.connections.linking.apps import LinkApps, finish_link, list_link_banks, read_link_apps, start_link
from worker.connections.linking.attempts import connection_of
from worker.connections.linking.flow import BroughtBack, LinkBank, LinkService, LinkStart, WantedLink, abandon
from worker.connections.linking.plaid import plaid_webhook_keys

__all__ = [
    "BroughtBack",
    "LinkApps",
    "LinkBank",
    "LinkService",
    "LinkStart",
    "WantedLink",
    "abandon",
    "connection_of",
    "finish_link",
    "list_link_banks",
    "plaid_webhook_keys",
    "read_link_apps",
    "start_link",
]
