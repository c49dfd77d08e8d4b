"""Upgrades: the chain of revisions is schema.sql, a database is known before it is changed, and rows stay."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, text

from worker.db.engine import Sessions, open_engine
from worker.errors import ConflictError
from worker.migrations.chain import baseline_sql, open_chain
from worker.migrations.state import Standing
from worker.migrations.upgrading import Upgrade, initialise, inspect_schema, upgrade
from worker.models import Base
from worker.schema import apply
from worker.schema.apply import apply_schema
from worker.schema.catalog import CatalogTable, read_catalog
from worker.schema.check import check_schema
from worker.schema.compare import FINMIND
from worker.schema.partitions import PartitionGroup, partition

HEAD = open_chain().head

REVISION = '''"""A revision of a later release."""

from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    {statement}
'''
MOOD = 'op.execute("ALTER TABLE bank_connections ADD COLUMN mood TEXT")'
FILL = "op.execute(\"UPDATE bank_connections SET mood = 'calm' WHERE mood IS NULL\")"
INDEX = """with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_bank_connections_mood ON bank_connections(mood)")"""
INDEX_OF_EVENTS = """from worker.migrations.indexes import build_index

    op.execute("ALTER TABLE webhook_events ADD COLUMN mood TEXT")
    build_index("idx_webhook_events_mood", "webhook_events", "(mood) WHERE mood IS NOT NULL")"""
BROKEN = 'op.execute("ALTER TABLE bank_connections ADD COLUMN half TEXT; SELECT 1 / 0")'


@pytest.fixture
def later(tmp_path: Path) -> Callable[..., Path]:
    """Write the revisions of later releases, r9001 and on, into a folder."""

    def write(*statements: str) -> Path:
        before = HEAD
        for number, statement in enumerate(statements, start=9001):
            revision = f"r{number}"
            body = REVISION.format(revision=revision, before=before, statement=statement)
            (tmp_path / f"{revision}_later.py").write_text(body)
            before = revision
        return tmp_path

    return write


def _tables(engine: Engine) -> Mapping[str, CatalogTable]:
    with engine.connect() as connection:
        return read_catalog(connection, "public").tables


def _storage(engine: Engine) -> dict[str, list[str]]:
    query = (
        "SELECT relname, reloptions FROM pg_class WHERE relnamespace = 'public'::regnamespace AND reloptions <> '{}'"
    )
    with engine.connect() as connection:
        return {name: sorted(options) for name, options in connection.execute(text(query))}


def _execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _moods(engine: Engine) -> list[str | None]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT mood FROM bank_connections ORDER BY id")))


@pytest.fixture
def row_of_old(sessions: Sessions, user_id: int) -> None:
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO bank_connections (id, user_id, connector_name, display_name, status)"
                " VALUES (gen_random_uuid(), :user_id, 'mock', 'Old', 'disconnected')"
            ),
            {"user_id": user_id},
        )


def test_the_revisions_are_one_line_that_starts_with_the_baseline():
    chain = open_chain()
    assert chain.baseline == "r0001"
    assert list(chain.ids) == sorted(chain.ids)


def test_the_baseline_and_all_revisions_are_schema_sql(finmind_engine: Engine) -> None:
    """When this fails, schema.sql was changed without a revision: docs/operator/upgrade.md says how to write one."""
    finminds = _tables(finmind_engine)
    _execute(finmind_engine, "CREATE TABLE finmind_worker_schema (version_num VARCHAR(32) PRIMARY KEY)")
    with finmind_engine.begin() as connection:
        connection.exec_driver_sql(baseline_sql())
    _execute(finmind_engine, "INSERT INTO finmind_worker_schema VALUES ('r0001')")
    upgrade(finmind_engine)
    assert check_schema(finmind_engine, Base.metadata) == []
    assert {name: table for name, table in _tables(finmind_engine).items() if name in finminds} == finminds


def test_the_revisions_set_the_same_storage_as_schema_sql(engine: Engine, empty_engine: Engine) -> None:
    _execute(empty_engine, "CREATE TABLE finmind_worker_schema (version_num VARCHAR(32) PRIMARY KEY)")
    with empty_engine.begin() as connection:
        connection.exec_driver_sql(baseline_sql())
    _execute(empty_engine, "INSERT INTO finmind_worker_schema VALUES ('r0001')")
    upgrade(empty_engine)
    expected = _storage(engine)
    assert expected["bank_connections"] == ["autovacuum_vacuum_scale_factor=0.05", "fillfactor=80"]
    assert _storage(empty_engine) == expected


def test_every_revision_since_there_are_partitions_runs_on_them(empty_engine: Engine, later) -> None:
    """When this fails, a revision suits whole tables alone: docs/operator/upgrade.md says what suits both."""
    config = open_chain().config
    with empty_engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "r0047")
    for group in PartitionGroup:
        partition(empty_engine, group)
    assert upgrade(empty_engine).revision == HEAD
    assert check_schema(empty_engine, Base.metadata) == []
    assert not initialise(empty_engine)
    upgrade(empty_engine, open_chain(later(INDEX_OF_EVENTS)))
    with empty_engine.connect() as connection:
        valid = text(
            "SELECT bool_and(indisvalid), count(*) - (SELECT count(*) FROM pg_inherits"
            " WHERE inhparent = 'webhook_events'::regclass) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE relname LIKE 'idx_webhook_events_mood%'"
        )
        assert tuple(connection.execute(valid).one()) == (True, 1), "on each partition, and on the whole table"


@pytest.mark.parametrize("fixture", ["empty_engine", "finmind_engine"])
def test_a_database_without_our_tables_gets_the_whole_schema(fixture: str, request: pytest.FixtureRequest) -> None:
    engine = request.getfixturevalue(fixture)
    assert inspect_schema(engine).standing is Standing.FRESH
    assert upgrade(engine) == Upgrade(before=Standing.FRESH, applied=(), revision=HEAD)
    assert upgrade(engine) == Upgrade(before=Standing.CURRENT, applied=(), revision=HEAD)
    assert check_schema(engine, Base.metadata) == []


def test_a_schema_that_was_applied_by_hand_is_compared_and_gets_its_revision(engine: Engine) -> None:
    before = _tables(engine)
    assert upgrade(engine) == Upgrade(before=Standing.UNMARKED, applied=(), revision=HEAD)
    after = dict(_tables(engine))
    assert after.pop("finmind_worker_schema").columns.keys() == {"version_num"}
    assert after == before


def test_a_schema_that_nobody_knows_is_refused_in_plain_sentences_and_left_as_it_is(engine: Engine) -> None:
    _execute(engine, "ALTER TABLE bank_connections DROP COLUMN cursor")
    before = _tables(engine)
    with pytest.raises(ConflictError, match=r"the database has no column bank_connections\.cursor"):
        upgrade(engine)
    assert _tables(engine) == before


@pytest.mark.usefixtures("row_of_old")
def test_pending_revisions_run_in_order_and_old_rows_survive(engine: Engine, later: Callable[..., Path]) -> None:
    upgrade(engine)
    finminds = {name: table for name, table in _tables(engine).items() if name in FINMIND}
    chain = open_chain(later(MOOD, FILL, INDEX))
    assert inspect_schema(engine, chain).pending == ("r9001", "r9002", "r9003")
    assert upgrade(engine, chain) == Upgrade(
        before=Standing.BEHIND, applied=("r9001", "r9002", "r9003"), revision="r9003"
    )
    assert _moods(engine) == ["calm"]
    assert "idx_bank_connections_mood" in _tables(engine)["bank_connections"].indexes
    assert {name: table for name, table in _tables(engine).items() if name in FINMIND} == finminds


@pytest.mark.usefixtures("row_of_old")
def test_an_upgrade_that_stopped_half_way_goes_on_where_it_was(engine: Engine, later: Callable[..., Path]) -> None:
    upgrade(engine)
    folder = later(MOOD, BROKEN, FILL)
    with pytest.raises(ConflictError, match=r"revision r9002 did not go through.*division by zero"):
        upgrade(engine, open_chain(folder))
    assert _moods(engine) == [None]
    assert "half" not in _tables(engine)["bank_connections"].columns
    chain = open_chain(later(MOOD, "pass", FILL))
    assert inspect_schema(engine, chain).pending == ("r9002", "r9003")
    assert upgrade(engine, chain).applied == ("r9002", "r9003")
    assert _moods(engine) == ["calm"]


@pytest.mark.usefixtures("row_of_old")
def test_a_writer_in_the_way_goes_first_and_ends_the_upgrade_with_a_sentence_when_it_stays(
    engine: Engine, later: Callable[..., Path], monkeypatch
) -> None:
    monkeypatch.setattr(apply, "PAUSES_S", (1.0, 2.0))
    pauses_s: list[float] = []
    monkeypatch.setattr(apply.time, "sleep", lambda pause_s: pauses_s.append(pause_s) or writer.rollback())
    upgrade(engine)
    impatient = "op.execute(\"SET lock_timeout = '50ms'\")\n    "
    revisions = [impatient + INDEX.replace("(mood)", "(updated_at)"), impatient + MOOD]
    with engine.connect() as writer:
        writer.execute(text("UPDATE bank_connections SET updated_at = now()"))
        assert upgrade(engine, open_chain(later(*revisions[:1]))).applied == ("r9001",)
        assert pauses_s == [1.0]
        assert writer.scalars(text("SELECT DISTINCT indisvalid FROM pg_index")).all() == [True]
        monkeypatch.setattr(apply.time, "sleep", pauses_s.append)
        writer.execute(text("UPDATE bank_connections SET updated_at = now()"))
        with pytest.raises(ConflictError, match=r"r9002 did not go through.*lock timeout"):
            upgrade(engine, open_chain(later(*revisions)))
        assert pauses_s == [1.0, 1.0, 2.0]


@pytest.mark.parametrize("kind", ["fresh", "behind"])
def test_several_upgrades_at_once_are_one(
    kind: str, empty_database_url: str, empty_engine: Engine, later: Callable[..., Path]
) -> None:
    chains = [open_chain(), open_chain()]
    if kind == "behind":
        upgrade(empty_engine)
        folder = later(MOOD, INDEX)
        chains = [open_chain(folder), open_chain(folder)]
    engines = [open_engine(empty_database_url, role="test") for _ in chains]
    with ThreadPoolExecutor(len(engines)) as pool:
        outcomes = list(pool.map(upgrade, engines, chains))
    for engine in engines:
        engine.dispose()
    assert sorted(str(outcome.before) for outcome in outcomes) == sorted(["current", kind])


def test_the_version_before_leaves_a_database_that_is_ahead_as_it_is(engine: Engine, later) -> None:
    upgrade(engine)
    upgrade(engine, open_chain(later(MOOD)))
    assert upgrade(engine) == Upgrade(before=Standing.AHEAD, applied=(), revision="r9001")
    assert not initialise(engine)
    assert inspect_schema(engine).sentences() == ["the database is at revision r9001, of a newer version than this one"]


def test_nobody_applies_the_schema_while_it_is_upgraded(engine: Engine) -> None:
    from worker.schema.apply import schema_locked

    with schema_locked(engine), engine.connect() as other:
        assert not other.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": 0x66696E6D696E64})
    _execute(engine, "DROP TABLE user_preferences")
    assert apply_schema(engine)


@pytest.mark.parametrize("fixture", ["empty_engine", "engine"])
def test_init_writes_the_revision_of_what_is_complete(fixture: str, request: pytest.FixtureRequest) -> None:
    engine = request.getfixturevalue(fixture)
    assert initialise(engine) == (fixture == "empty_engine")
    assert inspect_schema(engine).standing is Standing.CURRENT


def test_init_does_not_vouch_for_a_schema_that_differs(engine: Engine) -> None:
    _execute(engine, "ALTER TABLE bank_connections DROP COLUMN cursor")
    assert not initialise(engine)
    assert inspect_schema(engine).standing is Standing.UNMARKED
