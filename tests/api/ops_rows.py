"""Rows that give every operator's page something to show: banks in every state, runs of two days, dead letters."""

import uuid

from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.factories import make_connection, subscribe

_RUNS = text(
    """
    INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, code, message, attempt, queued_at,
      dispatched_at, dispatch_count, started_at, finished_at, not_before, lease_token, lease_expires_at, heartbeat_at,
      worker_name, accounts_total, accounts_done, pages, fetched, created, updated, unchanged, rejected)
    SELECT gen_random_uuid(), :connection_id, :user_id, 'refresh', 'schedule', s.status, s.code, s.message, 1,
      now() - n * INTERVAL '37 minutes', now() - n * INTERVAL '37 minutes', 1,
      now() - n * INTERVAL '37 minutes' + INTERVAL '300 milliseconds',
      now() - n * INTERVAL '37 minutes' + (1 + n % 7) * INTERVAL '900 milliseconds',
      NULL, NULL, NULL, NULL, 'worker-scheduled@host', 2, 2, 3, 40 + n, n % 5, n % 3, 40,
      CAST(s.status = 'partial' AS int)
    FROM generate_series(1, :runs) n
    CROSS JOIN LATERAL (SELECT * FROM (VALUES
      (0, 'succeeded', 'ok', NULL), (1, 'partial', 'rows_rejected', '1 row was not understood'),
      (2, 'failed', 'provider_unavailable', 'the bank does not answer')) v(i, status, code, message)
      WHERE v.i = CASE WHEN n % 11 = 0 THEN 2 WHEN n % 7 = 0 THEN 1 ELSE 0 END) s
    """
)


_ROWS = text(
    """
    WITH run AS (SELECT id, finished_at FROM bank_import_runs
                 WHERE connection_id = :connection_id AND status = 'partial' ORDER BY id LIMIT 1),
    p AS (INSERT INTO bank_accounts (user_id, name, mask, currency) VALUES (:user_id, 'Giro', '4711', 'EUR')
          RETURNING id),
    a AS (INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name, mask, currency,
            account_type, balance_amount, watermark_on, history_from_on, last_seen_at, bank_account_id)
          SELECT :connection_id, :user_id, 'giro', 'Giro', '4711', 'EUR', 'checking', 1843.20, CURRENT_DATE,
            CURRENT_DATE - 90, now(), p.id FROM p RETURNING id),
    t AS (INSERT INTO bank_transactions (account_id, user_id, identity, content_key, fingerprint, state, effective_on,
            amount, currency, description, expense_state, first_run_id, first_decision, first_reason)
          SELECT a.id, :user_id, n::text::bytea, '', '', 'posted', CURRENT_DATE - n,
            (ARRAY[-4.2, -61.35, -12.99, 2400])[n], 'EUR',
            (ARRAY['Coffee at the corner', 'Groceries', 'Music, monthly', 'Salary'])[n], 'none', run.id,
            'created', (ARRAY['first_seen', 'first_seen', 'first_seen', 'income'])[n]
          FROM a, run, generate_series(1, 4) n),
    r AS (INSERT INTO bank_import_rejections (run_id, connection_id, account_id, identity, code, message, raw)
          SELECT run.id, :connection_id, a.id, '', 'bad_amount', 'the amount is not a number: 12,,00', '{}' FROM run, a)
    INSERT INTO bank_import_run_accounts (run_id, account_id, status, code, message, from_on, to_on, fetched, created,
      rejected, balance_proof, finished_at)
    SELECT run.id, a.id, 'partial', 'rows_rejected', '1 row was not understood', CURRENT_DATE - 7,
      CURRENT_DATE, 5, 4, 1,
      '{"result": "proven"}', run.finished_at - INTERVAL '100 milliseconds' FROM run, a
    """
)


def fill(session: Session, user_id: int, *, runs: int = 60) -> uuid.UUID:
    """Write the rows and return the connection that most of them are about."""
    busy = make_connection(session, user_id, display_name="Blue Bank", institution_name="Blue Bank AG")
    make_connection(
        session,
        user_id,
        display_name="Locked Bank",
        status="needs_user",
        status_code="login_required",
        status_message="log in again",
    )
    failing = make_connection(
        session, user_id, display_name="Red Bank", consecutive_failures=3, last_failure_code="provider_unavailable"
    )
    for connection_id in (busy, failing):
        session.execute(_RUNS, {"connection_id": connection_id, "user_id": user_id, "runs": runs})
    session.execute(
        text(
            "INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, code, not_before)"
            " VALUES (gen_random_uuid(), :id, :user_id, 'refresh', 'user', 'deferred', 'rate_limited',"
            " now() + INTERVAL '1 hour')"
        ),
        {"id": busy, "user_id": user_id},
    )
    session.execute(_ROWS, {"connection_id": busy, "user_id": user_id})
    subscription_id = subscribe(session, user_id, consecutive_failures=4)
    session.execute(
        text(
            "WITH e AS (INSERT INTO webhook_events (user_id, type, api_version, data)"
            " SELECT :user_id, 'import.failed', '2026-11-01', '{}' FROM generate_series(1, 3) RETURNING id)"
            " INSERT INTO webhook_deliveries (event_id, subscription_id, state, finished_at, attempt, last_code)"
            " SELECT id, :subscription_id, 'dead', now(), 9, 'timeout' FROM e"
        ),
        {"user_id": user_id, "subscription_id": subscription_id},
    )
    return busy
