"""Revisions that change large tables, beside an import that goes on writing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from alembic import command
from sqlalchemy import Connection, Engine, event, text

from tests.waiting import until
from worker.migrations.chain import open_chain
from worker.migrations.upgrading import upgrade

ROWS = 5000

WRITE = """
    WITH expense AS (
      INSERT INTO expenses (user_id, amount, currency, expense_type, notes)
      SELECT :user_id, 1, 'EUR', 'EXPENSE', 'x' FROM generate_series(1, :rows) RETURNING id
    )
    INSERT INTO bank_transactions (account_id, user_id, identity, content_key, fingerprint, state, effective_on, amount,
      currency, description, expense_id, expense_state, first_decision, first_reason)
    SELECT :account_id, :user_id, int4send(id), int4send(id), int4send(id), 'posted', current_date, -1, 'EUR', 'x', id,
      'own', 'created', 'new_id' FROM expense
"""


def to(engine: Engine, revision: str) -> None:
    config = open_chain().config
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.fixture
def owner(empty_engine: Engine) -> dict[str, int]:
    """A user with an account in a database of the revision before."""
    to(empty_engine, "r0015")
    with empty_engine.begin() as connection:
        user_id = connection.scalar(
            text("INSERT INTO users (email, password_hash) VALUES ('a@example.test', 'x') RETURNING id")
        )
        account_id = connection.scalar(
            text(
                "WITH c AS (INSERT INTO bank_connections (id, user_id, connector_name, display_name, status)"
                " VALUES (finmind_uuid7(), :user_id, 'mock', 'M', 'disconnected') RETURNING id)"
                " INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name)"
                " SELECT id, :user_id, 'a', 'A' FROM c RETURNING id"
            ),
            {"user_id": user_id},
        )
    return {"user_id": user_id, "account_id": account_id}


@contextmanager
def writing(engine: Engine, owner: dict[str, int]) -> Iterator[list[bool]]:
    """Write rows and take expenses away until the block ends; gives an item per transaction.

    Before each transaction of the block one of these ends: it would not if the one before had kept its locks.
    """
    written: list[bool] = []
    over = threading.Event()
    here = threading.get_ident()

    def write() -> None:
        while not over.is_set():
            with engine.begin() as connection:
                connection.execute(text(WRITE), owner | {"rows": 20})
                connection.execute(text("DELETE FROM expenses WHERE id IN (SELECT id FROM expenses LIMIT 1)"))
            written.append(True)

    def give_a_turn(_connection: Connection) -> None:
        if threading.get_ident() == here:
            before = len(written)
            until(lambda: len(written) > before, every_s=0.002)

    event.listen(engine, "begin", give_a_turn)
    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield written
    finally:
        event.remove(engine, "begin", give_a_turn)
        over.set()
        thread.join()


def test_ids_of_expenses_are_widened_beside_an_import(empty_engine: Engine, owner: dict[str, int]) -> None:
    with empty_engine.begin() as connection:
        connection.execute(text(WRITE), owner | {"rows": ROWS})
        connection.execute(
            text(
                "INSERT INTO bank_match_suggestions (user_id, kind, expense_id, reason)"
                " SELECT :user_id, 'expense', id, 'similar_expense' FROM expenses LIMIT 100"
            ),
            owner,
        )
    with writing(empty_engine, owner) as written:
        upgrade(empty_engine)
    assert len(written) > 10
    with empty_engine.connect() as connection:
        rows, linked, expenses = connection.execute(
            text(
                "SELECT count(*), count(expense_id), (SELECT count(*) FROM expenses) FROM bank_transactions t"
                " WHERE expense_id IS NULL OR EXISTS (SELECT FROM expenses e"
                " WHERE e.id = t.expense_id AND int4send(e.id) = t.identity)"
            )
        ).one()
        types = connection.scalars(
            text("SELECT data_type FROM information_schema.columns WHERE column_name = 'expense_id'")
        ).all()
    assert rows == ROWS + 20 * len(written), "every row still has its own expense"
    assert linked == expenses == rows - len(written)
    assert set(types) == {"bigint"}


ACCOUNT = """
    WITH c AS (INSERT INTO bank_connections (id, user_id, connector_name, display_name, status)
      VALUES (finmind_uuid7(), :user_id, 'mock', 'M', 'disconnected') RETURNING id)
    INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name, anchor, currency)
    SELECT id, :user_id, 'a', :name, :anchor, 'EUR' FROM c RETURNING id
"""
ROW = """
    INSERT INTO bank_transactions (account_id, user_id, identity, content_key, fingerprint, state, effective_on, amount,
      currency, description, expense_state, twin_id, first_decision, first_reason)
    VALUES (:account_id, :user_id, int4send(1), int4send(1), int4send(1), 'posted', current_date, -1, 'EUR', 'x',
      :state, :twin_id, 'created', 'new_id') RETURNING id
"""


def test_accounts_get_one_above_them_and_those_that_were_treated_as_one_share_it(
    empty_engine: Engine, owner: dict[str, int]
) -> None:
    to(empty_engine, "r0023")
    user_id = owner["user_id"]

    def account(name: str, anchor: str | None = None, *, of: int = user_id) -> int:
        values = {"user_id": of, "name": name, "anchor": anchor}
        return int(connection.execute(text(ACCOUNT), values).scalar_one())

    def row(account_id: int, twin_id: int | None = None) -> int:
        state = "own" if twin_id is None else "twin"
        values = {"account_id": account_id, "user_id": user_id, "twin_id": twin_id, "state": state}
        return int(connection.execute(text(ROW), values).scalar_one())

    with empty_engine.begin() as connection:
        stranger_id = connection.scalar(
            text("INSERT INTO users (email, password_hash) VALUES ('b@example.test', 'x') RETURNING id")
        )
        feed, again, file, other, unread = (
            account(name, anchor)
            for name, anchor in (
                ("Feed", None),
                ("Again", "iban:X"),
                ("File", "iban:X"),
                ("Other", "iban:Y"),
                ("", None),
            )
        )
        row(again, row(feed))
        row(file)
        row(other)
        strangers = account("Stranger's", "iban:X", of=stranger_id)
        row(strangers)
    with writing(empty_engine, owner):
        upgrade(empty_engine)
    with empty_engine.connect() as connection:
        found = connection.execute(text("SELECT id, bank_account_id FROM bank_connection_accounts")).all()
        accounts = {row.id: row.bank_account_id for row in found}
        anchors = connection.scalar(text("SELECT anchors FROM bank_accounts WHERE id = :id"), {"id": accounts[feed]})
    assert accounts[feed] == accounts[again] == accounts[file]
    assert len({accounts[feed], accounts[other], accounts[strangers], None}) == 4
    assert accounts[unread] is None
    assert anchors == ["iban:X"]
