"""Runs what the product does with the rights of its roles, when TEST_DATABASE_ROLES is set: `make test-roles`.

Every statement that code of the package sends runs as `finmind_worker`, or as `finmind_api` below a route of the API;
what a test itself sends keeps the rights of the owner, who plays FinMind. So does what the owner alone runs: schema,
migrations, the check of a restored database, and the commands that add and erase users. Programs that tests start are
told the role by PGOPTIONS. Tests with tables, log-ins or a Postgres of their own are left out, and
those of PgBouncer, which refuses PGOPTIONS.
"""

import os
import sys
from pathlib import Path
from typing import Any

from psycopg2.extensions import TRANSACTION_STATUS_INERROR, cursor
from sqlalchemy import Engine, event

SWITCH = "TEST_DATABASE_ROLES"
_ROOT = Path(__file__).resolve().parents[1]
_PACKAGE = str(_ROOT / "worker") + os.sep
_TESTS = str(_ROOT / "tests") + os.sep
_OWNERS = tuple(
    f"{_PACKAGE}{part}"
    for part in (
        "schema", "migrations", "local", "cli/db.py", "cli/users.py", "connections/users.py", "db/engine.py",
        "db/pooler.py", "personal_data/erasure.py", "personal_data/traces.py", "recovery",
    )
)  # fmt: skip

_LEFT_OUT = (
    "chaos/", "local/", "recovery/", "schema/", "db/test_pooler.py", "db/test_prepared.py", "db/test_standby.py",
    "db/test_statements.py", "db/test_trouble.py", "docs/test_walkthrough.py", "security/test_nothing_leaks.py",
    "security/test_under_the_roles.py", "webhooks/test_partitions.py",
)  # fmt: skip


def is_left_out(path: Path) -> bool:
    """Say whether the tests of a module have tables, log-ins or a Postgres of their own."""
    return str(path).startswith(tuple(_TESTS + part for part in _LEFT_OUT))


def wanted() -> bool:
    """Say whether the tests run with the roles."""
    return bool(os.environ.get(SWITCH))


def act_as_roles() -> None:
    """From here on, statements of the package run as the role of the process they belong to."""
    os.environ["PGOPTIONS"] = "-c role=finmind_worker"
    watch(Engine)


def watch(engines: type[Engine] | Engine) -> None:
    """Set the role before each statement of one engine, or of all."""
    event.listen(engines, "connect", _begin_to_act)


def _begin_to_act(connection: Any, _record: Any) -> None:
    connection.cursor().execute("SET ROLE NONE")
    connection.cursor_factory = _ActingCursor


class _ActingCursor(cursor):
    """A cursor of the driver, which also executes what SQLAlchemy does not see."""

    def execute(self, *statement: Any) -> None:
        self._set_role()
        super().execute(*statement)

    def executemany(self, *statement: Any) -> None:
        self._set_role()
        super().executemany(*statement)

    def _set_role(self) -> None:
        if self.connection.info.transaction_status != TRANSACTION_STATUS_INERROR:
            with self.connection.cursor(cursor_factory=cursor) as plain:  # this one may be one of the server
                plain.execute(f"SET ROLE {_role()}")


def _role() -> str:
    """Return the role of the nearest frame that is ours."""
    frame = sys._getframe()
    role = None
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(_TESTS) and path != __file__:
            return role or "NONE"  # also where a route called the test, which plays the worker
        if path.startswith(_OWNERS):
            role = role or "NONE"
        elif path.startswith(_PACKAGE):
            if path.startswith(f"{_PACKAGE}api"):
                return "finmind_api"
            role = role or "finmind_worker"
        frame = frame.f_back
    return role or "NONE"
