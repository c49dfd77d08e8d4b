"""A circuit per connector: when a provider is down for everyone, a few connections find out and the others wait."""

from datetime import timedelta

from sqlalchemy import case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from worker.models import BankConnectorCircuit

FAILURES_TO_OPEN = 5
FIRST_OPEN = timedelta(minutes=1)
LONGEST_OPEN = timedelta(minutes=30)

_Circuit = BankConnectorCircuit


def count_failure(session: Session, connector_name: str, code: str) -> None:
    """Count that the provider was down; the fifth in a row, and every failed probe, opens for twice as long."""
    session.execute(
        insert(_Circuit)
        .values(connector_name=connector_name, consecutive_failures=1, last_code=code)
        .on_conflict_do_update(
            index_elements=[_Circuit.connector_name],
            set_={
                "consecutive_failures": _Circuit.consecutive_failures + 1,
                "last_code": code,
                "updated_at": func.now(),
            },
        )
    )
    open_for = func.least(LONGEST_OPEN, FIRST_OPEN * func.power(2, func.least(_Circuit.trips, 10)))
    session.execute(
        update(_Circuit)
        .where(
            _Circuit.connector_name == connector_name,
            or_(_Circuit.consecutive_failures >= FAILURES_TO_OPEN, _Circuit.state == "half_open"),
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


CLOSE = """
    UPDATE bank_connector_circuits
    SET state = 'closed', consecutive_failures = 0, trips = 0, open_until = NULL, opened_at = NULL, updated_at = now()
    WHERE (state <> 'closed' OR consecutive_failures > 0) AND connector_name ="""
"""The provider answered: close the circuit of the name that follows. Writes nothing when it counts nothing."""


def wait_s(session: Session, connector_name: str) -> float:
    """Return how long a run of this connector has to wait; 0 when it may go on.

    Whoever asks first after the circuit's time is the probe: it goes on, and the others wait for what it finds.
    """
    probing = update(_Circuit).where(
        _Circuit.connector_name == connector_name, _Circuit.state != "closed", _Circuit.open_until <= func.now()
    )
    probe = session.scalar(
        probing.values(state="half_open", open_until=func.now() + FIRST_OPEN, updated_at=func.now()).returning(
            _Circuit.connector_name
        )
    )
    if probe is not None:
        return 0.0
    left = func.extract("epoch", _Circuit.open_until - func.now())
    return float(
        session.scalar(
            select(case((_Circuit.state == "closed", 0), else_=left)).where(_Circuit.connector_name == connector_name)
        )
        or 0
    )
