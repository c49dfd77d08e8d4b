"""Linking flows that need a browser: `start_…` says where to send the user, `finish_…` saves what the user brings back.

A state names one attempt of one user and works once. One-time codes are exchanged exactly once and never sent again:
when their answer is lost the user starts again. Renewing a connection in place keeps its id and its history.
"""

from worker.connections.linking.apps import (
    BroughtBack,
    LinkApps,
    LinkBank,
    WantedLink,
    finish_link,
    list_link_banks,
    read_link_apps,
    start_link,
)
from worker.connections.linking.attempts import connection_of
from worker.connections.linking.enablebanking import (
    Bank,
    finish_enablebanking,
    list_enablebanking_banks,
    start_enablebanking,
)
from worker.connections.linking.flow import LinkService, LinkStart, abandon
from worker.connections.linking.gocardless import (
    Institution,
    finish_gocardless,
    list_gocardless_institutions,
    start_gocardless,
)
from worker.connections.linking.plaid import finish_plaid, plaid_webhook_keys, start_plaid

__all__ = [
    "Bank",
    "BroughtBack",
    "Institution",
    "LinkApps",
    "LinkBank",
    "LinkService",
    "LinkStart",
    "WantedLink",
    "abandon",
    "connection_of",
    "finish_enablebanking",
    "finish_gocardless",
    "finish_link",
    "finish_plaid",
    "list_enablebanking_banks",
    "list_gocardless_institutions",
    "list_link_banks",
    "plaid_webhook_keys",
    "read_link_apps",
    "start_enablebanking",
    "start_gocardless",
    "start_link",
    "start_plaid",
]
