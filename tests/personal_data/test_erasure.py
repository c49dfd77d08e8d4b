"""After an erasure nothing of the person is left anywhere, whatever ran beside it, and others have lost nothing."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from tests.factories import delete_user
from tests.waiting import until
from worker.connections.statement_folders import folder_of_user, remove_files_of_gone_users
from worker.personal_data.erasure import erase, plan_erasure
from worker.personal_data.personal_tables import PASSING, TABLES, whose
from worker.personal_data.traces import identifying_values, search


@pytest.fixture
def left(sessions):
    """Count what is left of a user, per table."""

    def count(user_id):
        with sessions() as session:
            names = [table.name for table in TABLES] + list(PASSING)
            counted = {
                name: session.scalar(text(f"SELECT count(*) FROM {name} WHERE {whose(name)}"), {"user_id": user_id})
                for name in names
            }
        return {name: rows for name, rows in counted.items() if rows}

    return count


def lines_of_the_audit(sessions):
    with sessions() as session:
        query = "SELECT action, user_id, row_id, detail FROM credential_audit WHERE action = 'operated' ORDER BY id"
        return session.execute(text(query)).all()


def refuse_to_write_bank_rows_anew(sessions):
    """A million rows that are written anew in every index, only to be deleted then, take minutes."""
    with sessions() as session:
        session.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE 'a bank row is written anew before it goes'; END $$"
            )
        )
        session.execute(
            text("CREATE TRIGGER refused BEFORE UPDATE ON bank_transactions FOR EACH ROW EXECUTE FUNCTION refuse()")
        )


def test_everything_goes_and_counts_stay(place, person, other_id, left, sessions, keys):
    before = left(other_id)
    plan = plan_erasure(place, person)
    assert plan.rows["bank_transactions"] > 20
    assert (plan.files, len(plan.connections), plan.erases_account) == (1, 1, True)
    assert left(person) == plan.rows
    refuse_to_write_bank_rows_anew(sessions)
    erased = erase(place, plan)
    assert left(person) == {}
    assert left(other_id) == before
    assert erased.revoked == 1
    assert not folder_of_user(place.statement_folder, person).exists()
    assert not [key for key in keys() if f"LIMITER/{person}/".encode() in key]
    assert [key for key in keys() if f"LIMITER/{other_id}/".encode() in key]
    with sessions() as session:
        assert session.scalars(text("SELECT email FROM users")).all() == ["eve@example.test"]
        assert session.scalars(text("SELECT failed_users FROM bank_connector_circuits")).all() == [[other_id]]
    folded, operated = lines_of_the_audit(sessions)
    assert (folded.user_id, folded.row_id, operated.user_id, operated.row_id) == (None, "", None, "")
    assert folded.detail["lines"]["opened"] == 1
    assert operated.detail["rows"]["bank_transactions"] == plan.rows["bank_transactions"]


def test_the_search_finds_nothing_afterwards_and_would_have_found_it(place, person, sessions):
    with sessions() as session:
        values = identifying_values(session, person)
        before = search(session, values, user_id=person)
        session.execute(text("CREATE TABLE somebody_elses_cache (id int, body jsonb)"))
        session.execute(text('INSERT INTO somebody_elses_cache VALUES (1, \'{"mail": "ada@example.test"}\')'))
    assert "ada@example.test" in values
    found_in = {trace.table for trace in before.traces}
    assert {"users", "bank_transactions", "bank_connection_accounts", "webhook_subscriptions"} <= found_in
    erased = erase(place, plan_erasure(place, person))
    assert [(trace.table, trace.column, trace.rows) for trace in erased.search.traces] == [
        ("somebody_elses_cache", "body", 1)
    ]


def test_what_another_person_has_as_well_is_theirs(place, person, sessions):
    with sessions() as session:
        session.execute(text("UPDATE bank_connection_accounts SET external_id = 'DE-joint-account-' || id"))
        session.execute(text("UPDATE bank_connection_accounts SET name = 'Our joint account'"))
    erased = erase(place, plan_erasure(place, person))
    assert erased.search.traces == ()


def test_with_the_account_kept_only_what_imports_wrote_goes(place, person, left, sessions):
    with sessions() as session:
        session.execute(
            text("INSERT INTO expenses (user_id, amount, notes) VALUES (:id, 5, 'by hand')"), {"id": person}
        )
    erase(place, plan_erasure(place, person, keep_account=True))
    assert left(person).keys() == {"credential_audit"}
    with sessions() as session:
        notes = session.scalars(text("SELECT notes FROM expenses WHERE user_id = :id"), {"id": person}).all()
        assert notes == ["by hand"]
        assert session.scalar(text("SELECT count(*) FROM users")) == 2


def test_it_can_be_said_again(place, person):
    erase(place, plan_erasure(place, person))
    again = erase(place, plan_erasure(place, person))
    assert (again.plan.exists, again.plan.rows, again.search.traces) == (False, {}, ())


def test_tables_of_finmind_that_refuse_the_deletion_are_emptied_first(place, person, sessions):
    with sessions() as session:
        session.execute(text("CREATE TABLE loans (id int PRIMARY KEY, user_id int REFERENCES users(id))"))
        session.execute(text("CREATE TABLE rates (loan_id int REFERENCES loans(id), user_id int REFERENCES users(id))"))
        session.execute(text("INSERT INTO loans VALUES (1, :id)"), {"id": person})
        session.execute(text("INSERT INTO rates VALUES (1, :id)"), {"id": person})
    erase(place, plan_erasure(place, person))
    with sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM users WHERE id = :id"), {"id": person}) == 0


@pytest.fixture
def import_many(connect, ask, execute):
    """Begin imports of four connections of a user and one of another; wait until rows are there."""

    @contextmanager
    def begin(user_id, others, left):
        runs = [
            ask(connect(user_id, mode="large", rows=4000, accounts=1, seed=f"{user_id} {number}"))
            for number in range(4)
        ]
        with ThreadPoolExecutor(6) as pool:
            imports = [pool.submit(execute, run_id) for run_id in [*runs, ask(others)]]
            until(lambda: "bank_transactions" in left(user_id) or all(run.done() for run in imports))
            yield
            for run in imports:
                run.result()

    return begin


def add_user(sessions, number):
    with sessions() as session:
        make = "INSERT INTO users (email, password_hash) VALUES (:email, 'x') RETURNING id"
        return session.execute(text(make), {"email": f"round-{number}@example.test"}).scalar_one()


@pytest.mark.parametrize("how", ["erase", "keep_account", "finmind"])
def test_beside_running_imports(how, place, connect, import_many, left, sessions):
    """Four imports of a person and one of another run while the person goes, three times over."""
    other_id = add_user(sessions, "other")
    others = connect(other_id, seed="others")
    for number in range(3):
        person = add_user(sessions, number)
        with import_many(person, others, left):
            if how == "finmind":
                with sessions() as session:
                    delete_user(session, person)
            else:
                erase(place, plan_erasure(place, person, keep_account=how == "keep_account"))
        with sessions() as session:
            session.execute(text("SELECT fold_audit_of_gone_users(1000)"))
        assert left(person).keys() <= ({"credential_audit"} if how == "keep_account" else set())
    assert left(other_id)["bank_transactions"] > 200
    with sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM bank_import_runs WHERE status = 'running'")) == 0


def test_statement_files_follow_a_user_whom_finmind_deleted(place, person, other_id, sessions):
    root = place.statement_folder
    folder_of_user(root, other_id).mkdir()
    (root / "user-x").mkdir()
    (root / ".incoming").mkdir()
    assert remove_files_of_gone_users(sessions, root) == 0
    with sessions() as session:
        session.execute(text("DELETE FROM users WHERE id = :id"), {"id": person})
    assert remove_files_of_gone_users(sessions, root) == 1
    assert {path.name for path in root.iterdir()} == {f"user-{other_id}", "user-x", ".incoming"}


def test_banks_and_servers_that_only_this_person_had_are_forgotten(place, person, other_id, sessions):
    shared, own = "Blue Bank of everybody", "lovelace-family.example"
    with sessions() as session:
        session.execute(text("UPDATE bank_connections SET institution_name = :name"), {"name": shared})
        session.execute(
            text("UPDATE bank_connections SET outage_scope = :host WHERE user_id = :user"),
            {"host": own, "user": person},
        )
        for name in (shared, own):
            values = {"name": name}
            session.execute(text("INSERT INTO bank_connector_circuits VALUES ('mock', :name)"), values)
            session.execute(text("INSERT INTO institution_weather VALUES ('mock', :name)"), values)
            session.execute(text("INSERT INTO institution_days VALUES ('mock', :name, current_date)"), values)
    erased = erase(place, plan_erasure(place, person))
    assert [trace for trace in erased.search.traces if trace.table.startswith(("bank_", "institution_"))] == []
    with sessions() as session:
        for query in (
            "SELECT scope FROM bank_connector_circuits WHERE scope <> ''",
            "SELECT institution FROM institution_weather",
            "SELECT institution FROM institution_days",
        ):
            assert session.scalars(text(query)).all() == [shared], other_id
