"""How statements about many rows find what each of them needs."""

import re
from datetime import date

import pytest
from sqlalchemy import text

from tests.factories import make_connection
from worker.importer.store.expenses import user_expenses
from worker.importer.store.rows import keys, load
from worker.importer.store.sources import orphans
from worker.importer.store.suggestions import obsolete

COUNTERPARTS = {
    "user_id": 1,
    "account_id": 2,
    "bank_account_id": 1,
    "amounts": "{1}",
    "from_on": date(2026, 6, 1),
    "to_on": date(2026, 6, 30),
    "led_days": 14,
    "split_days": 7,
}
STATEMENTS = {
    "orphans": (orphans._ORPHANS, {"account_id": 1, "show_both": False}),
    "obsolete questions": (obsolete._CLOSE, {"user_id": 1, "settled_by": ""}),
    "rows in full": (load._IN_FULL, {"ids": "{1}"}),
    "rows of another source": (user_expenses._COUNTERPARTS, COUNTERPARTS),
}


@pytest.mark.parametrize(("statement", "values"), STATEMENTS.values(), ids=STATEMENTS)
def test_nothing_is_looked_up_for_a_row_among_all_rows_of_its_account(sessions, statement, values):
    """What 20,000 twins stand for was found in 13 seconds so, before Postgres knew how many rows an account has."""
    of_each_row = looked_up_for_each_row(sessions, statement, values)
    assert of_each_row
    assert "Index Cond: (account_id" not in of_each_row


def test_what_stands_for_a_row_of_another_source_is_looked_up_by_that_row(sessions):
    """A second source of 30,000 rows took Postgres 19 seconds so, and now 2: each row was compared with all twins."""
    assert "idx_bank_transactions_twin" in looked_up_for_each_row(sessions, user_expenses._COUNTERPARTS, COUNTERPARTS)


def looked_up_for_each_row(sessions, statement, values):
    with sessions() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(session.execute(text(f"EXPLAIN {statement}"), values).scalars())
    _, *of_each_row = re.split(r"^ *SubPlan \d+$", plan, flags=re.MULTILINE)
    return "".join(of_each_row)


_FILL = text(
    """INSERT INTO bank_transactions (account_id, user_id, identity, content_key, fingerprint, state, effective_on,
      amount, currency, description, expense_state, first_decision, first_reason)
    SELECT :account_id, :user_id, int4send(n), '', '', 'posted', CURRENT_DATE - n, 1, 'EUR', '', 'none', 'created',
      'new_id'
    FROM generate_series(1, 300) n"""
)


def test_an_id_is_not_looked_up_among_all_rows_of_an_account_that_is_new(sessions, user_id):
    """A second account's first import of 100,000 rows took 20 seconds of Postgres so, instead of 3."""
    with sessions() as session:
        connection_id = make_connection(session, user_id)
        add = text(
            "INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name)"
            " VALUES (:connection_id, :user_id, :name, '') RETURNING id"
        )
        old, new = (
            session.execute(add, {"connection_id": connection_id, "user_id": user_id, "name": name}).scalar_one()
            for name in ("old", "new")
        )
        session.execute(_FILL, {"account_id": old, "user_id": user_id})
        session.execute(text("ANALYZE bank_transactions"))
        session.execute(_FILL, {"account_id": new, "user_id": user_id})
        values = {"account_id": new, "identities": [b"1"]}
        plan = "\n".join(session.execute(text(f"EXPLAIN {keys._STORED}"), values).scalars())
    assert "uq_bank_transactions_identity" in plan
