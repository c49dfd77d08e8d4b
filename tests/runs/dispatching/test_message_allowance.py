"""Whoever can write to the broker asks for so many runs an hour and no more."""

import uuid

from sqlalchemy import text

from tests.factories import make_connection
from worker.runs.dispatching.message_allowance import (
    PER_CONNECTION,
    PER_USER,
    TooManyRunsError,
    check_message_allowance,
)

ASK = text(
    "INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, code, queued_at,"
    " finished_at)"
    " SELECT gen_random_uuid(), id, user_id, 'refresh', :trigger, 'succeeded', 'ok',"
    " now() - :minutes * INTERVAL '1 minute', now()"
    " FROM bank_connections, generate_series(1, :runs) WHERE id = :id"
)


def test_messages_ask_for_so_many_runs_an_hour_of_a_connection_and_of_its_user(sessions, user_id):
    def is_refused(session, runs, others_runs, trigger="user", minutes=0):
        session.execute(text("DELETE FROM bank_import_runs"))
        for row_id, asked in ((connection_id, runs), (other_id, others_runs)):
            session.execute(ASK, {"id": row_id, "runs": asked, "trigger": trigger, "minutes": minutes})
        try:
            check_message_allowance(session, connection_id)
        except TooManyRunsError:
            return True
        return False

    with sessions() as session:
        connection_id, other_id = make_connection(session, user_id), make_connection(session, user_id)
        assert not is_refused(session, PER_CONNECTION - 1, 0)
        assert is_refused(session, PER_CONNECTION, 0)
        assert not is_refused(session, 0, PER_USER - 1)
        assert is_refused(session, 0, PER_USER)
        assert not is_refused(session, PER_USER, PER_USER, trigger="schedule")
        assert not is_refused(session, PER_USER, PER_USER, minutes=61)
        check_message_allowance(session, uuid.uuid4())  # what belongs to nobody counts for nobody
