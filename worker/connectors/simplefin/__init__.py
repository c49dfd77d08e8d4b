"""`simplefin`: banks of the US and Canada through the SimpleFIN Bridge or any other SimpleFIN server.

Supports protocol versions 1 and 2. `config` holds the credentials, `account_set` reads answers (pure), `connector`
makes the requests.
"""

from worker.connectors.simplefin.config import SimpleFinConfig
from worker.connectors.simplefin.connector import SimpleFinConnector

__all__ = ["SimpleFinConfig", "SimpleFinConnector"]
