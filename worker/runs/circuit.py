"""Circuits: where a provider, a bank or a server fails for several users, a few find out and the others wait.

A circuit belongs to a connector and a scope: the server that the connection names for itself (`outage_scope`, empty
for the provider's own), or its bank. One user alone opens none.
"""

from datetime import timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from worker.models import BankConnection, BankConnectorCircuit

FAILURES_TO_OPEN = 5
USERS_TO_OPEN = 2
FIRST_OPEN = timedelta(minutes=1)
LONGEST_OPEN = timedelta(minutes=30)

OF_CONNECTION = """k.connector_name = c.connector_name
        AND k.scope IN (c.outage_scope, coalesce(c.institution_name, c.outage_scope))"""
"""SQL: circuit `k` is one of connection `c`."""

_Circuit = BankConnectorCircuit


def scopes_of(connection: BankConnection) -> tuple[str, str]:
    """Return the scopes of a connection: its server, and its bank (the server again where no bank is known)."""
    return connection.outage_scope, connection.institution_name or connection.outage_scope


def count_failure(session: Session, connector_name: str, scope: str, user_id: int, code: str) -> None:
    """Count that something was down for a user.

    The fifth failure in a row opens the circuit where it failed for more than one user; every failed probe opens it
    for twice as long.
    """
    adding = insert(_Circuit).values(
        connector_name=connector_name, scope=scope, consecutive_failures=1, failed_users=[user_id], last_code=code
    )
    added = func.array_append(func.array_remove(_Circuit.failed_users, user_id), user_id)
    session.execute(
        adding.on_conflict_do_update(
            index_elements=[_Circuit.connector_name, _Circuit.scope],
            set_={
                "consecutive_failures": _Circuit.consecutive_failures + 1,
                # As many as it takes to open: a long outage writes no long lists.
                "failed_users": func.trim_array(added, func.greatest(func.cardinality(added) - USERS_TO_OPEN, 0)),
                "last_code": code,
                "updated_at": func.now(),
            },
        )
    )
    open_for = func.least(LONGEST_OPEN, FIRST_OPEN * func.power(2, func.least(_Circuit.trips, 10)))
    shared = func.cardinality(_Circuit.failed_users) >= USERS_TO_OPEN
    session.execute(
        update(_Circuit)
        .where(
            _Circuit.connector_name == connector_name,
            _Circuit.scope == scope,
            or_((_Circuit.consecutive_failures >= FAILURES_TO_OPEN) & shared, _Circuit.state == "half_open"),
            or_(_Circuit.open_until.is_(None), _Circuit.open_until <= func.now(), _Circuit.state == "half_open"),
        )
        .values(
            state="open",
            opened_at=func.now(),
            open_until=func.now() + open_for,
            trips=_Circuit.trips + 1,
            updated_at=func.now(),
        )
    )


CLOSE = f"""
    UPDATE bank_connector_circuits k
    SET state = 'closed', consecutive_failures = 0, failed_users = '{{}}', trips = 0, open_until = NULL,
      opened_at = NULL, updated_at = now()
    FROM ended JOIN bank_connections c ON c.id = ended.connection_id
    WHERE :succeeded AND (k.state <> 'closed' OR k.consecutive_failures > 0) AND {OF_CONNECTION}"""  # noqa: S608 - constant
"""The provider answered the run `ended`: close its circuits. Writes nothing when they count nothing."""


def wait_s(session: Session, connector_name: str, scopes: tuple[str, str]) -> float:
    """Return how long a run has to wait; 0 when it may go on.

    The first to ask after a circuit's time is the probe: it goes on, and the others wait for what it finds.
    """
    ours = (_Circuit.connector_name == connector_name, _Circuit.scope.in_(scopes), _Circuit.state != "closed")
    left = select(func.max(func.extract("epoch", _Circuit.open_until - func.now()))).where(
        *ours, _Circuit.open_until > func.now()
    )
    waiting_s = session.scalar(left)
    if waiting_s is not None:
        return float(waiting_s)
    probe = update(_Circuit).where(*ours, _Circuit.open_until <= func.now())
    rested_until = func.now() + FIRST_OPEN
    probe = probe.values(state="half_open", open_until=rested_until, updated_at=func.now())
    is_probe = session.scalars(probe.returning(_Circuit.scope)).all()
    return 0.0 if is_probe else float(session.scalar(left) or 0)
