"""Circuit breakers of providers: while one is open, runs wait and a single probe tries the provider.

A circuit belongs to a connector and a scope: the server that the connection names (`outage_scope`, empty for the
provider's own) or its bank. It opens when nobody is answered, not when some are not: failures have to be those of
five users, or of all users of the scope where they are fewer, and never of a single one.
"""

from datetime import timedelta

from sqlalchemy import Connection, Update, case, exists, func, literal_column, or_, select, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import Session, aliased

from worker.models import BankConnection, BankConnectorCircuit

FAILURES_TO_OPEN = 5
USERS_TO_OPEN = 5
FEWEST_USERS_TO_OPEN = 2
FAILURES_FORGOTTEN_AFTER = timedelta(hours=3)
FIRST_OPEN = timedelta(minutes=1)
LONGEST_OPEN = timedelta(minutes=30)

LONGEST_SCOPE = 200
BANK_SCOPE = f"""left(CASE WHEN c.outage_scope = '' THEN coalesce(c.institution_name, '')
        ELSE c.outage_scope || coalesce('/' || c.institution_name, '') END, {LONGEST_SCOPE})"""
"""SQL: the bank of connection `c`; behind a server that the connection names, the bank of that server."""

OF_CONNECTION = f"""k.connector_name = c.connector_name
        AND k.scope IN (c.outage_scope, {BANK_SCOPE})"""
"""SQL: circuit `k` is one of connection `c`."""

_Circuit = BankConnectorCircuit


def scopes_of(connection: BankConnection) -> tuple[str, str]:
    """Return the scopes of a connection: its server, and its bank (the server again where no bank is known)."""
    server, bank = connection.outage_scope, connection.institution_name
    return server, "/".join(name for name in (server, bank) if name)[:LONGEST_SCOPE]


def count_failure(session: Session, connector_name: str, scope: str, user_id: int, code: str) -> None:
    """Count that a provider, server or bank was down for a user.

    The fifth failure in a row opens the circuit if five users failed since somebody was answered, or all who have an
    active connection to the scope; every failed probe opens it for twice as long. Failures of one user that follow
    each other count once. After `FAILURES_FORGOTTEN_AFTER` without a failure counting starts anew.
    """
    session.execute(_count(connector_name, scope, user_id, code))
    session.execute(_open_if_nobody_is_answered(connector_name, scope))


def _count(connector_name: str, scope: str, user_id: int, code: str) -> Insert:
    """Return the statement that counts a failure and keeps whose it was."""
    adding = insert(_Circuit).values(
        connector_name=connector_name, scope=scope, consecutive_failures=1, failed_users=[user_id], last_code=code
    )
    added = func.array_append(func.array_remove(_Circuit.failed_users, user_id), user_id)
    last_user = _Circuit.failed_users[func.cardinality(_Circuit.failed_users)]
    is_past = (_Circuit.state == "closed") & (_Circuit.updated_at < func.now() - FAILURES_FORGOTTEN_AFTER)
    is_another_user = case((last_user.is_distinct_from(user_id), 1), else_=0)
    return adding.on_conflict_do_update(
        index_elements=[_Circuit.connector_name, _Circuit.scope],
        set_={
            "consecutive_failures": case((is_past, 1), else_=_Circuit.consecutive_failures + is_another_user),
            # No more users than it takes to open: a long outage writes no long lists.
            "failed_users": case(
                (is_past, [user_id]),
                else_=func.trim_array(added, func.greatest(func.cardinality(added) - USERS_TO_OPEN, 0)),
            ),
            "last_code": code,
            "updated_at": func.now(),
        },
    )


def _open_if_nobody_is_answered(connector_name: str, scope: str) -> Update:
    """Return the statement that opens a circuit when enough users failed, or when its probe did."""
    open_for = func.least(LONGEST_OPEN, FIRST_OPEN * func.power(2, func.least(_Circuit.trips, 10)))
    users_failed = func.cardinality(_Circuit.failed_users)
    known = aliased(BankConnection, name="c")
    somebody_else = exists().where(
        known.connector_name == connector_name,
        or_(known.outage_scope == scope, literal_column(BANK_SCOPE) == scope),
        known.status == "active",
        known.user_id != func.all(_Circuit.failed_users),
    )
    shared = or_(users_failed >= USERS_TO_OPEN, (users_failed >= FEWEST_USERS_TO_OPEN) & ~somebody_else)
    return (
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
"""SQL: closes the circuits of the run `ended` when the provider answered. Writes nothing when they are closed."""


def take_probe_or_wait_s(connection: Session | Connection, connector_name: str, scopes: tuple[str, str]) -> float:
    """Make a run the probe where a circuit has rested, and return 0; else return how long the run waits (s).

    Writes the circuit as half open: the first run that asks after the circuit's time starts as its probe, and the
    others wait `FIRST_OPEN` for its result. Returns 0 and writes nothing where the circuits are closed.
    """
    ours = (_Circuit.connector_name == connector_name, _Circuit.scope.in_(scopes), _Circuit.state != "closed")
    left = select(func.max(func.extract("epoch", _Circuit.open_until - func.now()))).where(
        *ours, _Circuit.open_until > func.now()
    )
    waiting_s = connection.scalar(left)
    if waiting_s is not None:
        return float(waiting_s)
    probe = update(_Circuit).where(*ours, _Circuit.open_until <= func.now())
    rested_until = func.now() + FIRST_OPEN
    probe = probe.values(state="half_open", open_until=rested_until, updated_at=func.now())
    is_probe = connection.scalars(probe.returning(_Circuit.scope)).all()
    return 0.0 if is_probe else float(connection.scalar(left) or 0)
