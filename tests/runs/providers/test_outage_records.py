"""What is known of a bank comes from the records of runs, counts each once, and tells no one about the few."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from worker.runs.providers.outage_records import institutions, observe, outage_sentences


@pytest.fixture
def bank(sessions, connect, another_user):
    """Write runs that ended at a bank, each of another user's connection, oldest first."""
    connections = {}

    def write(*codes, institution="Nordea", minutes_ago=30):
        with sessions() as session:
            for place, code in enumerate(codes):
                name = f"{institution}-{place}"
                if name not in connections:
                    connections[name] = connect(another_user(name), institution_name=institution,
                                                last_good_at=datetime.now(UTC))  # fmt: skip
                session.execute(
                    text(
                        "INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, code,"
                        " finished_at) SELECT :id, c.id, c.user_id, 'refresh', 'schedule', :status, :code, :at"
                        " FROM bank_connections c WHERE c.id = :connection_id"
                    ),
                    {
                        "id": uuid.uuid4(), "connection_id": connections[name], "code": code,
                        "status": "succeeded" if code == "ok" else "failed",
                        "at": datetime.now(UTC) - timedelta(minutes=minutes_ago) + timedelta(seconds=place),
                    },
                )  # fmt: skip
        return connections

    return write


def look(sessions):
    with sessions() as session:
        return observe(session)


def listed(sessions, user_id=None):
    with sessions() as session:
        return {row["institution"]: row for row in institutions(session, user_id=user_id)}


def test_a_bank_that_fails_for_everybody_is_down_and_its_people_are_told(sessions, bank):
    bank(*["ok"] * 6, minutes_ago=50)
    connections = bank(*["bank_down"] * 6)
    assert (look(sessions), look(sessions)) == (12, 0)
    found = listed(sessions)["Nordea"]
    assert (found["state"], found["connections"], found["success"]) == ("down", 6, 0.5)
    assert found["current_error"] == "it does not answer"
    with sessions() as session:
        said = outage_sentences(session, list(connections.values()))
    assert len(said) == 6
    assert all("has not answered anybody" in words for words in said.values())
    bank("ok", "ok", minutes_ago=1)
    look(sessions)
    assert listed(sessions)["Nordea"]["state"] == "ok"


def test_what_is_the_users_own_trouble_says_nothing_about_the_bank(sessions, bank):
    bank(*["needs_user", "internal", "rate_limited", "credential_unreadable"])
    assert look(sessions) == 0


def test_figures_of_a_bank_with_few_users_are_nobodys_business(sessions, bank, user_id, connect):
    bank(*["ok"] * 3, institution="Village Bank")
    bank(*["ok"] * 5, institution="Nordea")
    look(sessions)
    assert set(listed(sessions)) == {"Village Bank", "Nordea"}
    assert set(listed(sessions, user_id)) == {"Nordea"}
    connect(institution_name="Village Bank")
    mine = listed(sessions, user_id)["Village Bank"]
    assert (mine["connections"], mine["success"], mine["freshness"], mine["last_good_at"]) == (None,) * 4
    assert mine["state"] == "ok"


def test_a_name_that_people_chose_is_shown_to_others_only_once_a_provider_says_it(sessions, bank, user_id):
    for institution in ("call me at evil.example", "Nordea"):
        bank(*["bank_down"] * 6, institution=institution)
    with sessions() as session:
        session.execute(text("UPDATE bank_connections SET institution_chosen = TRUE"))
    assert look(sessions) == 0
    assert listed(sessions, user_id) == {}
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name, institution_name)"
                " SELECT id, user_id, 'A', 'Card', 'Nordea' FROM bank_connections"
            )
        )
        session.execute(text("UPDATE institution_weather_progress SET figures_at = NULL"))
    bank(*["ok"] * 6, minutes_ago=1)
    assert look(sessions) >= 6
    assert set(listed(sessions, user_id)) == {"Nordea"}


def test_two_passes_at_once_count_nothing_twice(sessions, bank):
    bank(*["ok"] * 4)
    with sessions() as session:
        assert observe(session) == 4
        assert look(sessions) == 0
    with sessions() as session:
        assert session.scalar(text("SELECT sum(runs) FROM institution_days")) == 4


def test_an_outage_of_a_bank_that_nobody_asks_any_more_is_forgotten(sessions, bank):
    bank(*["bank_down"] * 6)
    look(sessions)
    assert listed(sessions)["Nordea"]["state"] == "down"
    with sessions() as session:
        session.execute(text("UPDATE bank_connections SET status = 'paused'"))
        session.execute(text("UPDATE institution_weather_progress SET figures_at = now() - interval '2 hours'"))
    look(sessions)
    assert listed(sessions) == {}
