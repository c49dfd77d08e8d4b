"""Roles of least privilege: each may do what its process needs, and nothing of what would hide or widen that."""

import re
import uuid
from collections.abc import Iterable, Iterator

import pytest
import redis
from alembic import command
from sqlalchemy import Engine, event, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests.conftest import maintain, named
from tests.factories import make_connection
from tests.schema.conftest import FINMIND_SQL, RELEASED
from worker.db.engine import open_engine, open_sessions
from worker.errors import ConfigurationError, ConflictError
from worker.migrations.chain import open_chain
from worker.migrations.upgrading import initialise, upgrade
from worker.models import Base
from worker.schema.apply import schema_sql
from worker.schema.check import check_schema
from worker.schema.compare import FINMIND
from worker.schema.roles import DatabaseRole, LogIn, apply_roles, read_login, role_differences
from worker.status.overview import read_status
from worker.status.prometheus import exposition

OWN = sorted(set(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", schema_sql())) - FINMIND)
PASSWORD = "p%40 ss'\"word"


@pytest.fixture(scope="module")
def address(postgres_url: str, template_database: str) -> Iterator[str]:
    """A database with the whole schema and the roles."""
    name = f"roles_{uuid.uuid4().hex[:12]}"
    maintain(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template_database}")
    yield named(postgres_url, name)
    maintain(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def roles(address: str) -> Iterator[Engine]:
    engine = open_engine(address, role="test")
    upgrade(engine)
    apply_roles(engine, [])
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def log_ins(address: str, roles: Engine) -> Iterator[dict[DatabaseRole, Engine]]:
    """An engine per role, whose log-in was made with a password that has to be quoted everywhere."""
    made = [LogIn(role=role, name=f'some "{role}" {uuid.uuid4().hex[:8]}', password=PASSWORD) for role in DatabaseRole]
    apply_roles(roles, made)
    url = make_url(address)
    engines = {login.role: open_engine(url.set(username=login.name, password=PASSWORD), role="test") for login in made}
    yield engines
    for engine in engines.values():
        engine.dispose()
    with roles.begin() as connection:
        for login in made:
            connection.exec_driver_sql(f'DROP ROLE "{login.name.replace(chr(34), chr(34) * 2)}"')


def refusals(engine: Engine, statements: Iterable[str]) -> dict[str, str]:
    """Run each statement in a transaction that is rolled back; return what Postgres said to it."""
    said = {}
    for statement in statements:
        with engine.connect() as connection:
            try:
                connection.exec_driver_sql(statement)
                said[statement] = "done"
            except DBAPIError as error:
                said[statement] = type(error.orig).__name__
    return said


def test_applying_again_changes_nothing(roles: Engine) -> None:
    with roles.connect() as connection:
        assert role_differences(connection) == []
    apply_roles(roles, [])
    with roles.connect() as connection:
        assert role_differences(connection) == []
    assert check_schema(roles, Base.metadata) == []


def test_every_table_is_readable_by_the_worker_and_the_api(log_ins: dict[DatabaseRole, Engine]) -> None:
    """When this fails, a table was added without a line per role in worker/schema/roles.sql."""
    for role in (DatabaseRole.WORKER, DatabaseRole.API):
        said = refusals(log_ins[role], [f"SELECT count(*) FROM {table}" for table in OWN])
        assert set(said.values()) == {"done"}, said


def test_the_readonly_role_reads_something_of_every_table_that_holds_no_content(roles: Engine) -> None:
    """When this fails, a table was added: give the role its states in worker/schema/roles.sql, or list it."""
    may = text("SELECT has_any_column_privilege('finmind_readonly', :table, 'SELECT')")
    with roles.connect() as connection:
        unread = {table for table in OWN if not connection.scalar(may, {"table": table})}
    assert unread == {
        "bank_link_attempts", "bank_transactions", "bank_transaction_aliases", "bank_transaction_changes",
        "idempotency_keys", "user_preferences", "webhook_event_keys", "webhook_inbox",
    }  # fmt: skip


def test_the_readonly_role_reads_no_sealed_value_and_no_content(log_ins: dict[DatabaseRole, Engine]) -> None:
    hidden = {
        "bank_connections": ["config_encrypted", "options", "cursor"],
        "bank_connection_accounts": ["external_id", "anchor", "balance_amount"],
        "bank_import_rejections": ["raw", "message"],
        "webhook_subscriptions": ["secret_encrypted", "url"],
        "webhook_events": ["data"],
        "webhook_attempts": ["response_head"],
        "users": ["email"],
        "expenses": ["id"],
    }
    statements = [f"SELECT {column} FROM {table}" for table, columns in hidden.items() for column in columns]
    assert set(refusals(log_ins[DatabaseRole.READONLY], statements).values()) == {"InsufficientPrivilege"}


def test_the_status_of_everything_is_read_with_the_readonly_role(
    log_ins: dict[DatabaseRole, Engine], redis_url: str
) -> None:
    sessions = open_sessions(log_ins[DatabaseRole.READONLY])
    with sessions() as session, redis.Redis.from_url(redis_url) as broker:
        assert read_status(session, broker).work["runs_queued"] == 0
        assert b"finmind_runs" in exposition(sessions, broker)


REFUSED_ON_THE_AUDIT = (
    "TRUNCATE credential_audit",
    "TRUNCATE credential_audit CASCADE",
    "DELETE FROM credential_audit",
    "UPDATE credential_audit SET actor = 'nobody'",
    "ALTER TABLE credential_audit DISABLE TRIGGER ALL",
    "ALTER TABLE credential_audit DISABLE TRIGGER credential_audit_append_only",
    "DROP TRIGGER credential_audit_append_only ON credential_audit",
    "DROP TABLE credential_audit",
    "ALTER TABLE credential_audit RENAME TO other",
    "CREATE RULE quiet AS ON INSERT TO credential_audit DO INSTEAD NOTHING",
    "CREATE TRIGGER mine BEFORE INSERT ON credential_audit EXECUTE FUNCTION credential_audit_is_append_only()",
    "SET session_replication_role = replica",
    "CREATE OR REPLACE FUNCTION credential_audit_is_append_only() RETURNS trigger LANGUAGE sql AS 'SELECT 1'",
    "INSERT INTO credential_audit (at, actor, action, table_name, row_id) VALUES (now(), 'x', 'opened', '', '')",
    "INSERT INTO credential_audit (id, actor, action, table_name, row_id) VALUES (-1, 'x', 'opened', '', '')",
    (
        "INSERT INTO credential_audit (actor, action, table_name, row_id, detail)"
        """ VALUES ('runs', 'opened', 'bank_connections', 'r', '{"times": -5}')"""
    ),
    "INSERT INTO credential_audit (actor, action, table_name, row_id) VALUES ('database', 'operated', 'users', '')",
    "SELECT setval('credential_audit_id_seq', 1)",
    "LOCK TABLE credential_audit IN ACCESS EXCLUSIVE MODE",
    "COMMENT ON TABLE credential_audit IS 'mine'",
)
REFUSED_EVERYWHERE = (
    "SET ROLE finmind_migrate",
    "CREATE TABLE mine (id int)",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "GRANT finmind_migrate TO CURRENT_USER",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/finmind-escape'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "ALTER TABLE bank_transactions ADD COLUMN mine int",
    "TRUNCATE bank_transactions",
    "TRUNCATE users CASCADE",
    "TRUNCATE expenses CASCADE",
    "ALTER TABLE expenses DISABLE TRIGGER ALL",
    "SELECT password_hash FROM users",
    "SELECT * FROM users",
    "UPDATE users SET password_hash = 'x'",
    "UPDATE users SET email = 'x'",
    "UPDATE users SET role = 'ADMIN'",
    "INSERT INTO users (email, password_hash) VALUES ('x', 'x')",
    "DELETE FROM users",
    "UPDATE expenses SET user_id = 1",
    "UPDATE expenses SET created_at = now()",
    "UPDATE bills SET amount = 1",
    "INSERT INTO reminders (user_id, message, send_at) VALUES (1, 'x', now())",
    "UPDATE reminders SET message = 'x'",
    "DELETE FROM categories",
    "SELECT * FROM audit_logs",
    "SELECT * FROM recurring_expenses",
    "UPDATE finmind_worker_schema SET version_num = 'r0001'",
    "DROP TABLE webhook_events",
)  # fmt: skip


@pytest.mark.parametrize("role", [DatabaseRole.WORKER, DatabaseRole.API, DatabaseRole.READONLY])
def test_nothing_is_hidden_or_widened(log_ins: dict[DatabaseRole, Engine], role: DatabaseRole) -> None:
    said = refusals(log_ins[role], [*REFUSED_ON_THE_AUDIT, *REFUSED_EVERYWHERE])
    assert {statement: name for statement, name in said.items() if name != "InsufficientPrivilege"} == {}


def test_a_right_that_is_missing_or_too_much_is_named_and_mended(roles: Engine) -> None:
    with roles.begin() as connection:
        connection.exec_driver_sql("REVOKE INSERT ON bank_connections FROM finmind_worker")
        connection.exec_driver_sql("GRANT DELETE ON credential_audit TO finmind_api")
        connection.exec_driver_sql("REVOKE ALL ON webhook_inbox FROM finmind_api")
        differences = role_differences(connection)
    assert [sentence.partition(";")[0] for sentence in differences] == [
        "finmind_api has other rights on credential_audit",
        "finmind_api lacks rights on webhook_inbox",
        "finmind_worker has other rights on bank_connections",
    ]
    upgrade(roles)
    with roles.connect() as connection:
        assert role_differences(connection) == []


def test_what_a_log_in_changed_of_itself_is_named_and_removed(
    roles: Engine, log_ins: dict[DatabaseRole, Engine]
) -> None:
    """Whoever stole it may have, and may hold a table of their own for as long as they are connected."""
    stolen = log_ins[DatabaseRole.API]
    name = stolen.url.username or ""
    with stolen.connect() as thief:
        thief.exec_driver_sql("CREATE TEMPORARY TABLE users (id int)")
        thief.exec_driver_sql("ALTER ROLE CURRENT_USER SET statement_timeout = 1")
        thief.exec_driver_sql(f"ALTER ROLE CURRENT_USER IN DATABASE {stolen.url.database} SET search_path = pg_temp")
        thief.exec_driver_sql("ALTER ROLE CURRENT_USER PASSWORD 'theirs'")
        thief.commit()
        with roles.connect() as connection:
            differences = role_differences(connection)
        apply_roles(roles, [LogIn(role=DatabaseRole.API, name=name, password=PASSWORD)])
    assert [sentence.partition(";")[0] for sentence in differences] == [
        f"{name} has settings of its own (search_path, statement_timeout)"
    ]
    with roles.connect() as connection:
        assert role_differences(connection) == []
    stolen.dispose()
    with stolen.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM users")) is not None


def test_without_roles_nothing_is_missed(engine: Engine) -> None:
    with engine.connect() as connection:
        assert role_differences(connection) == []


def test_the_password_reaches_the_server_as_a_verifier_only(roles: Engine, log_ins: dict[DatabaseRole, Engine]) -> None:
    name = log_ins[DatabaseRole.API].url.username or ""
    sent: list[str] = []
    event.listen(roles, "before_cursor_execute", lambda *given: sent.append(given[2]))
    apply_roles(roles, [LogIn(role=DatabaseRole.API, name=name, password=PASSWORD)])
    assert any("PASSWORD 'SCRAM-SHA-256$" in statement for statement in sent)
    assert not any(PASSWORD in statement or "p%40" in statement for statement in sent)


_MADE_BEFORE = """DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN GRANT {role} TO {name} WITH ADMIN OPTION; END IF;
END $$"""


@pytest.fixture
def finmind(postgres_url: str, empty_database_url: str) -> Iterator[Engine]:
    """FinMind's database as it is found: all of it belongs to one role, which is no superuser and may create roles."""
    name = f"finmind_{uuid.uuid4().hex[:8]}"
    maintain(postgres_url, f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'x'")
    maintain(empty_database_url, f"ALTER DATABASE {make_url(empty_database_url).database} OWNER TO {name}")
    for role in DatabaseRole:  # another test may have made them, and whoever makes roles may give them
        maintain(postgres_url, _MADE_BEFORE.format(role=role, name=name))
    engine = open_engine(make_url(empty_database_url).set(username=name, password="x"), role="test")
    with engine.begin() as connection:
        connection.exec_driver_sql(FINMIND_SQL.read_text())
    yield engine
    engine.dispose()
    maintain(empty_database_url, f"REASSIGN OWNED BY {name} TO CURRENT_USER", f"DROP OWNED BY {name}")


@pytest.mark.parametrize("first", ["schema", "roles"])
def test_beside_a_finmind_whose_role_owns_everything(finmind: Engine, first: str) -> None:
    steps = [lambda: upgrade(finmind), lambda: apply_roles(finmind, [])]
    for step in steps if first == "schema" else reversed(steps):
        step()
    upgrade(finmind)
    owner = finmind.url.username
    with finmind.begin() as connection:
        assert role_differences(connection) == []
        tables = text("SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public'")
        owners = {row.tablename: row.tableowner for row in connection.execute(tables)}
        assert {name: role for name, role in owners.items() if name in FINMIND} == dict.fromkeys(FINMIND, owner)
        assert {owners[name] for name in OWN} == {"finmind_migrate"}
        user_id = connection.scalar(text("INSERT INTO users (email, password_hash) VALUES ('a', 'x') RETURNING id"))
        make_connection(Session(connection), user_id)
        announced = text("INSERT INTO webhook_inbox (user_id, type, data) VALUES (:id, 'x', '{}')")
        connection.execute(announced, {"id": user_id})
        connection.execute(text("DELETE FROM users WHERE id = :id"), {"id": user_id})
        assert connection.scalar(text("SELECT count(*) FROM bank_connections")) == 0
    assert check_schema(finmind, Base.metadata) == []


def test_a_deployment_makes_the_roles_on_the_schema_of_the_last_release_and_then_migrates_it(finmind: Engine) -> None:
    config = open_chain().config
    with finmind.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, RELEASED)
        assert connection.scalar(text("SELECT version_num FROM finmind_worker_schema")) == RELEASED
    apply_roles(finmind, [])
    upgrade(finmind)
    with finmind.connect() as connection:
        assert role_differences(connection) == []
    assert check_schema(finmind, Base.metadata) == []


def test_what_init_creates_after_the_roles_is_granted(finmind: Engine) -> None:
    apply_roles(finmind, [])
    assert initialise(finmind)
    with finmind.connect() as connection:
        assert role_differences(connection) == []
        assert connection.scalar(text("SELECT has_table_privilege('finmind_worker', 'bank_connections', 'INSERT')"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://host/name", "needs the form"),
        ("postgresql://user@host/name", "needs the form"),
        ("nonsense", "needs the form"),
        ("postgresql://finmind_worker:secret@host/name", "nobody logs in as"),
    ],
)
def test_an_address_that_names_no_log_in_is_refused(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        read_login(DatabaseRole.WORKER, url)
    assert "secret" not in str(refused.value)


def test_the_owner_is_never_made_a_log_in_of_a_process(finmind: Engine) -> None:
    upgrade(finmind)
    with pytest.raises(ConflictError, match="a user of its own"):
        apply_roles(finmind, [LogIn(role=DatabaseRole.WORKER, name=finmind.url.username or "", password="new")])


def test_a_log_in_has_one_role(roles: Engine, log_ins: dict[DatabaseRole, Engine]) -> None:
    name = log_ins[DatabaseRole.API].url.username or ""
    apply_roles(roles, [LogIn(role=DatabaseRole.READONLY, name=name, password=PASSWORD)])
    may = text("SELECT pg_has_role(:name, 'finmind_api', 'MEMBER'), pg_has_role(:name, 'finmind_readonly', 'MEMBER')")
    with roles.connect() as connection:
        assert tuple(connection.execute(may, {"name": name}).one()) == (False, True)
    apply_roles(roles, [LogIn(role=DatabaseRole.API, name=name, password=PASSWORD)])


def test_a_table_in_the_way_is_not_found_by_a_function_with_the_rights_of_its_owner(
    log_ins: dict[DatabaseRole, Engine],
) -> None:
    with log_ins[DatabaseRole.WORKER].connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE users (id integer)")
        connection.exec_driver_sql("CREATE TEMPORARY TABLE credential_audit (LIKE public.credential_audit)")
        connection.exec_driver_sql(
            "INSERT INTO pg_temp.credential_audit VALUES"
            " (1, now() - interval '1 year', 'x', 'opened', '', '', NULL, NULL, '{}')"
        )
        connection.exec_driver_sql("SET search_path = pg_temp, public")
        assert connection.scalar(text("SELECT public.forget_credential_openings('0', 100)")) == 0
        assert connection.scalar(text("SELECT public.fold_audit_of_gone_users(100)")) == 0
        assert connection.scalar(text("SELECT count(*) FROM pg_temp.credential_audit")) == 1


def test_the_roles_keep_what_is_new_in_a_later_release(roles: Engine) -> None:
    """A table that roles.sql does not name is nobody's but the owner's, and its line is granted by the upgrade."""
    with roles.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE bank_later (id int)")
        for role in ("finmind_worker", "finmind_api", "finmind_readonly"):
            may = text("SELECT has_table_privilege(:role, 'bank_later', 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')")
            assert connection.scalar(may, {"role": role}) is False
        connection.rollback()
