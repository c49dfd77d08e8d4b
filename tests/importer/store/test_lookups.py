"""How statements about many rows find what each of them needs."""

import re

import pytest
from sqlalchemy import text

from worker.importer.store import second_look
from worker.importer.store.rows import load
from worker.importer.store.suggestions import obsolete

STATEMENTS = {
    "orphans": (second_look._ORPHANS, {"account_id": 1, "show_both": False}),
    "obsolete questions": (obsolete._CLOSE, {"user_id": 1, "settled_by": ""}),
    "rows in full": (load._IN_FULL, {"ids": "{1}"}),
}


@pytest.mark.parametrize(("statement", "values"), STATEMENTS.values(), ids=STATEMENTS)
def test_nothing_is_looked_up_for_a_row_among_all_rows_of_its_account(sessions, statement, values):
    """What 20,000 twins stand for was found in 13 seconds so, before Postgres knew how many rows an account has."""
    with sessions() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(session.execute(text(f"EXPLAIN {statement}"), values).scalars())
    _, *of_each_row = re.split(r"^ *SubPlan \d+$", plan, flags=re.MULTILINE)
    assert of_each_row
    assert "Index Cond: (account_id" not in "".join(of_each_row)
