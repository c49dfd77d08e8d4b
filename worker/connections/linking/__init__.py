"""Linking flows in the browser: `start_link` returns where to send the user, `finish_link` saves the connection.

A state identifies one attempt of one user and is valid once. A one-time code is exchanged exactly once; when the
response is lost, the user starts again. Renewing a connection in place keeps its id and its history.
"""

from worker.connections.linking.apps import (
    LinkApps,
    check_link_apps,
    finish_link,
    list_link_banks,
    read_link_apps,
    start_link,
)
from worker.connections.linking.contract import BroughtBack, LinkBank, LinkService, LinkStart, WantedLink
from worker.connections.linking.flow import abandon

__all__ = [
    "BroughtBack",
    "LinkApps",
    "LinkBank",
    "LinkService",
    "LinkStart",
    "WantedLink",
    "abandon",
    "check_link_apps",
    "finish_link",
    "list_link_banks",
    "read_link_apps",
    "start_link",
]
