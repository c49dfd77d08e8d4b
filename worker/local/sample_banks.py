"""A user with banks in every state, for `up --demo`: every page has something to show.

The banks are the made-up one in its modes. They are added once; a later start finds the user and adds nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from worker.connections import lifecycle
from worker.connections.connection_changes import Schedule
from worker.connections.lifecycle import NewConnection
from worker.connections.users import add_user
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest
from worker.runtime import Runtime, open_connection_service
from worker.webhooks.policies import subscription_policy
from worker.webhooks.subscriptions import Wanted, subscribe

EMAIL = "demo@example.test"
_CLOSED_PORT = "http://127.0.0.1:9/finmind"
"""Nobody listens there, so that deliveries wait and are given up as they are to a receiver that is down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoBank:
    """One bank of the sample. config: of the made-up bank."""

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)


BANKS = (
    DemoBank(name="Blue Bank", config={"seed": "blue"}),
    DemoBank(name="Slow Savings Bank", config={"seed": "slow", "mode": "slow", "page_size": 20, "delay_s": 1}),
    DemoBank(
        name="Strict Bank",
        config={"seed": "strict", "mode": "rate_limited", "limited_calls": 1000, "retry_after_s": 600},
    ),
    DemoBank(name="Expired Bank", config={"seed": "expired", "mode": "auth_expired"}),
    DemoBank(name="Broken Bank", config={"seed": "broken", "mode": "error", "fault": "provider_down"}),
    DemoBank(name="Half Bank", config={"seed": "half", "mode": "error", "fault_account": "mock-2"}),
)


def add_sample_banks(runtime: Runtime) -> int | None:
    """Add the user, the banks with a first import each, and a webhook receiver that is down.

    Returns: The id of the user; None when the sample was added before.
    """
    with runtime.sessions() as session:
        user_id = add_user(session, EMAIL, "EUR")
    if user_id is None:
        return None
    service = open_connection_service(runtime)
    with runtime.sessions() as session:
        wanted = Wanted(url=_CLOSED_PORT, event_types=("import.*",), description="A receiver that is down")
        subscribe(session, runtime.vault, user_id, wanted, policy=subscription_policy(runtime.settings))
    for bank in BANKS:
        connection_id = lifecycle.add(
            service,
            NewConnection(
                user_id=user_id,
                connector_name="mock",
                name=bank.name,
                config=bank.config,
                schedule=Schedule(refresh_interval=timedelta(minutes=15)),
            ),
        )
        with runtime.sessions() as session:
            request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.IMPORT))
    return user_id
