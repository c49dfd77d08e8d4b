"""Schema migrations: numbered revisions since the first release, and the upgrade to the newest one."""

from worker.migrations.chain import Chain, open_chain
from worker.migrations.state import SchemaState, Standing, read_state
from worker.migrations.upgrading import Upgrade, initialise, inspect_schema, upgrade

__all__ = [
    "Chain",
    "SchemaState",
    "Standing",
    "Upgrade",
    "initialise",
    "inspect_schema",
    "open_chain",
    "read_state",
    "upgrade",
]
