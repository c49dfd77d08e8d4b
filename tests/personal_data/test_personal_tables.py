"""The list of tables with people in them follows schema.sql."""

import re

from sqlalchemy import text

from worker.personal_data.archive import columns_of
from worker.personal_data.personal_tables import IMPERSONAL, PASSING, TABLES, whose
from worker.schema.apply import schema_sql
from worker.schema.compare import FINMIND


def test_every_table_is_about_people_or_said_not_to_be():
    """When this fails, a table was added: say in worker/personal_data/personal_tables.py whose its rows are."""
    named = [table.name for table in TABLES] + list(PASSING)
    assert len(named) == len(set(named))
    tables = set(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", schema_sql()))
    assert tables - FINMIND == (set(named) | IMPERSONAL) - {"expenses"}


def test_no_secret_and_no_lease_is_exported(sessions):
    with sessions() as session:
        shown = {f"{table.name}.{column}" for table in TABLES for column in columns_of(session, table).exported}
    assert not [name for name in shown if "encrypted" in name or "lease" in name or "token" in name or "key_id" in name]


def test_every_condition_is_sql(sessions, user_id):
    with sessions() as session:
        for name in [table.name for table in TABLES] + list(PASSING):
            for of in ("= :user_id", "<> :user_id"):
                counted = session.scalar(
                    text(f"SELECT count(*) FROM {name} WHERE {whose(name, of)}"), {"user_id": user_id}
                )
                assert counted == 0
