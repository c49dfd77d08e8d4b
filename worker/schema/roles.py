"""Database roles of least privilege: creates them, grants their rights after an upgrade, and checks them.

`roles.sql`, beside this module, is the list itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import resources
from typing import Any

from psycopg2.extensions import encrypt_password, quote_ident
from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.exc import ArgumentError

from worker.errors import ConfigurationError, ConflictError
from worker.schema.apply import schema_locked


class DatabaseRole(StrEnum):
    """Who works with the database. The members of these roles log in; the roles themselves cannot."""

    MIGRATE = "finmind_migrate"
    WORKER = "finmind_worker"
    API = "finmind_api"
    READONLY = "finmind_readonly"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn:
    """A user of the database that becomes a member of a role."""

    role: DatabaseRole
    name: str
    password: str = field(repr=False)


def roles_sql() -> str:
    """Return the text of roles.sql."""
    return (resources.files("worker.schema") / "roles.sql").read_text(encoding="utf-8")


def read_login(role: DatabaseRole, url: str) -> LogIn:
    """Return the log-in that a DATABASE_URL names. Raises: ConfigurationError when it lacks a user or a password."""
    try:
        parts = make_url(url.strip())
    except ArgumentError:
        parts = None
    if parts is None or not parts.username or not parts.password:
        raise ConfigurationError(f"the address for {role} needs the form postgresql://user:password@host:port/name")
    if parts.username in set(DatabaseRole):
        raise ConfigurationError(f"{parts.username} is a role, which nobody logs in as: choose another user")
    return LogIn(role=role, name=parts.username, password=str(parts.password))


def apply_roles(engine: Engine, logins: list[LogIn]) -> None:
    """Make the roles, hand the worker's tables to `finmind_migrate`, grant, and make the log-ins; idempotent.

    Raises: ConflictError when the user of this connection may not do that.
    """
    with schema_locked(engine) as connection:
        connection.exec_driver_sql(roles_sql())
        for login in logins:
            _make_login(connection, login)
        connection.commit()


def grant_again(connection: Connection) -> bool:
    """Repeat the grants in the caller's transaction, so that new tables are not forgotten. False: there are no roles.

    Only tables whose owner this connection may act as are handed over and granted on.
    """
    if not has_roles(connection):
        return False
    for tag in ("$owner$", "$rights$"):
        connection.exec_driver_sql(_block(roles_sql(), tag))
    return True


def has_roles(connection: Connection) -> bool:
    """Say whether the roles were made for this database, and this connection may act as the owner of its tables."""
    return bool(connection.scalar(_HAS_ROLES))


def role_differences(connection: Connection) -> list[str]:
    """Say which tables the roles may use less, or more, than roles.sql says, and which log-ins changed their settings.

    Nothing when there are no roles. What the list grants is found by granting it again in a transaction that is rolled
    back.
    """
    if not has_roles(connection):
        return []
    before = _rights(connection)
    with connection.begin_nested() as attempt:
        connection.exec_driver_sql(_block(roles_sql(), "$rights$"))
        wanted = _rights(connection)
        attempt.rollback()
    settings = [
        f"{login} has settings of its own ({names}); `finmind-worker db roles --apply --login` removes them"
        for login, names in connection.execute(_OWN_SETTINGS)
    ]
    return settings + [
        f"{role} {'lacks' if (role, thing) not in before else 'has other'} rights on {thing};"
        " `finmind-worker db roles --apply` grants them"
        for role, thing in sorted(before.keys() | wanted.keys())
        if before.get((role, thing)) != wanted.get((role, thing))
    ]


_HAS_ROLES = text(
    """SELECT count(*) = 4 AND bool_and(rolname <> 'finmind_migrate' OR pg_has_role(oid, 'MEMBER')
      AND has_schema_privilege(oid, current_schema(), 'CREATE'))
    FROM pg_roles WHERE rolname IN ('finmind_migrate', 'finmind_worker', 'finmind_api', 'finmind_readonly')"""
)
# Those of finmind_migrate are left out: the owner of the database and superusers are members of it.
_OWN_SETTINGS = text(
    """SELECT l.rolname, string_agg(DISTINCT split_part(given, '=', 1), ', ')
    FROM pg_db_role_setting s JOIN pg_roles l ON l.oid = s.setrole, unnest(s.setconfig) AS given
    WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
                  WHERE m.member = l.oid AND r.rolname IN ('finmind_worker', 'finmind_api', 'finmind_readonly'))
    GROUP BY l.rolname ORDER BY l.rolname"""
)
_RIGHTS = text(
    """WITH roles AS (
      SELECT oid, rolname FROM pg_roles WHERE rolname IN ('finmind_worker', 'finmind_api', 'finmind_readonly')
    ), things AS (
      SELECT oid, relname, relacl FROM pg_class
      WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'S')
    )
    SELECT r.rolname, t.relname, g.privilege_type, '' AS attname FROM things t, aclexplode(t.relacl) g, roles r
    WHERE g.grantee = r.oid
    UNION ALL
    SELECT r.rolname, t.relname, g.privilege_type, a.attname
    FROM things t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attacl IS NOT NULL, aclexplode(a.attacl) g, roles r
    WHERE g.grantee = r.oid"""
)


def _rights(connection: Connection) -> Mapping[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for role, thing, right, column in connection.execute(_RIGHTS):
        found.setdefault((role, thing), set()).add(f"{right} {column}")
    return found


def _make_login(connection: Connection, login: LogIn) -> None:
    """Make the user a member of its role; Postgres and its log are sent a verifier, never the password."""
    driver: Any = connection.connection.dbapi_connection
    name, role = quote_ident(login.name, driver), quote_ident(login.role, driver)
    verifier = encrypt_password(login.password, login.name, scope=driver, algorithm="scram-sha-256")
    others = [other for other in DatabaseRole if other is not login.role]
    for other in others:
        if connection.scalar(_IS_MEMBER, {"name": login.name, "role": other}):
            connection.exec_driver_sql(f"REVOKE {other} FROM {name}")
    powerful = connection.scalar(_IS_POWERFUL, {"name": login.name, "role": login.role})
    if powerful:
        raise ConflictError(f"{login.name} may do more than {login.role}: give that process a user of its own")
    verb = "CREATE" if powerful is None else "ALTER"
    connection.exec_driver_sql(f"{verb} ROLE {name} LOGIN PASSWORD '{verifier}'")
    connection.exec_driver_sql(f"GRANT {role} TO {name}")
    # A log-in may give itself settings, such as limits and where names are looked up, which outlast whoever stole it.
    database = quote_ident(connection.scalar(text("SELECT current_database()")), driver)
    connection.exec_driver_sql(f"ALTER ROLE {name} RESET ALL")
    connection.exec_driver_sql(f"ALTER ROLE {name} IN DATABASE {database} RESET ALL")
    if login.role is DatabaseRole.MIGRATE:
        # What it creates belongs to the role, not to the log-in, which can be replaced.
        connection.exec_driver_sql(f"ALTER ROLE {name} SET role = {role}")


_IS_MEMBER = text(
    """SELECT EXISTS (SELECT FROM pg_auth_members
    WHERE member = (SELECT oid FROM pg_roles WHERE rolname = :name)
      AND roleid = (SELECT oid FROM pg_roles WHERE rolname = :role))"""
)
# A member of other roles, the owner of a table that stays, somebody who may change roles. No row: no such user.
_IS_POWERFUL = text(
    """SELECT l.rolsuper OR l.rolcreaterole OR l.rolcreatedb OR l.rolbypassrls OR l.rolreplication
      OR EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
                 WHERE m.member = l.oid AND r.rolname <> :role)
      OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = l.oid AND c.relpersistence <> 't')
    FROM pg_roles l WHERE l.rolname = :name"""
)


def _block(sql: str, tag: str) -> str:
    return f"DO {tag}{sql.split(tag)[1]}{tag}"
