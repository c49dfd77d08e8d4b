-- Roles of least privilege for the processes of the worker. Printed by `finmind-worker db roles`, applied by
-- `finmind-worker db roles --apply` or by psql, as the owner of the tables or a superuser who may create roles.
--
-- Idempotent, and safe beside a live FinMind: FinMind's own tables keep their owner. The roles cannot log in; a log-in
-- is made a member of one of them:
--
--   finmind_migrate   owns the worker's tables; `finmind-worker db upgrade`
--   finmind_worker    Celery workers, beat and the command line
--   finmind_api       the HTTP API
--   finmind_readonly  `finmind-worker status` and dashboards: no credential, no transaction
--
-- The first block makes the roles, the second hands the tables over, the third grants. `db upgrade` repeats the third.

DO $roles$
DECLARE
  place TEXT := current_schema();
  owner NAME := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('users'));
  wanted NAME;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['finmind_migrate', 'finmind_worker', 'finmind_api', 'finmind_readonly'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      EXECUTE 'CREATE ROLE ' || quote_ident(wanted) || ' NOLOGIN';
    END IF;
    EXECUTE 'GRANT USAGE ON SCHEMA ' || quote_ident(place) || ' TO ' || quote_ident(wanted);
  END LOOP;

  -- FinMind's role keeps the rights on the worker's tables that it had as their owner: it deletes users, asks for
  -- imports and announces events.
  FOREACH wanted IN ARRAY ARRAY[current_user, owner] LOOP
    IF wanted IS NOT NULL AND NOT pg_has_role(wanted, 'finmind_migrate', 'USAGE') THEN
      EXECUTE 'GRANT finmind_migrate TO ' || quote_ident(wanted);
    END IF;
  END LOOP;

  -- Whoever may create tables may put one in the way of another: on databases made before Postgres 15 everybody may.
  IF pg_has_role((SELECT nspowner FROM pg_namespace WHERE nspname = place), 'USAGE') THEN
    EXECUTE 'GRANT CREATE ON SCHEMA ' || quote_ident(place) || ' TO finmind_migrate'
            || coalesce(', ' || quote_ident(owner), '');
    EXECUTE 'REVOKE CREATE ON SCHEMA ' || quote_ident(place) || ' FROM PUBLIC';
  ELSE
    RAISE WARNING USING MESSAGE = 'the owner of the schema has to run: GRANT CREATE ON SCHEMA ' || quote_ident(place)
      || ' TO finmind_migrate; REVOKE CREATE ON SCHEMA ' || quote_ident(place) || ' FROM PUBLIC';
  END IF;
  -- `db check` compares with a scratch schema that it rolls back.
  IF pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE') THEN
    EXECUTE 'GRANT CREATE ON DATABASE ' || quote_ident(current_database()) || ' TO finmind_migrate';
  END IF;
END $roles$;

DO $owner$
DECLARE
  thing RECORD;
BEGIN
  FOR thing IN
    SELECT c.oid::regclass AS name FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
      AND (c.relname ~ '^(whole_)?(bank_|webhook_|institution_|credential_audit)' OR c.relname IN (
        'connection_warnings', 'provider_notices', 'provider_webhook_keys', 'run_activity', 'worker_heartbeats',
        'reminder_deliveries', 'idempotency_keys', 'user_preferences', 'finmind_worker_schema'))
      AND c.relowner <> 'finmind_migrate'::regrole AND pg_has_role(c.relowner, 'USAGE')
  LOOP
    EXECUTE 'ALTER TABLE ' || thing.name || ' OWNER TO finmind_migrate';
  END LOOP;
  FOR thing IN
    SELECT p.oid::regprocedure AS name FROM pg_proc p
    WHERE p.pronamespace = current_schema()::regnamespace
      AND p.proname IN ('credential_audit_is_append_only', 'credential_audit_stays_counted',
        'credential_audit_counts_only', 'finmind_uuid7',
        'forget_credential_openings', 'fold_credential_openings', 'fold_audit_of_gone_users',
        'webhook_event_takes_its_key', 'first_event_id', 'may_change_partitions', 'newest_partition_at',
        'make_event_tables', 'make_event_weeks', 'make_history_months', 'drop_event_week', 'forget_partition_bounds')
      AND p.proowner <> 'finmind_migrate'::regrole AND pg_has_role(p.proowner, 'USAGE')
  LOOP
    EXECUTE 'ALTER FUNCTION ' || thing.name || ' OWNER TO finmind_migrate';
  END LOOP;
END $owner$;

DO $rights$
DECLARE
  thing RECORD;
BEGIN
  -- What was granted before and is not in the list any more goes, wherever we may grant.
  FOR thing IN
    SELECT c.oid::regclass AS name, CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END AS kind FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'S')
      AND pg_has_role(c.relowner, 'USAGE')
  LOOP
    EXECUTE 'REVOKE ALL ON ' || thing.kind || thing.name || ' FROM finmind_worker, finmind_api, finmind_readonly';
  END LOOP;

  FOR thing IN
    SELECT wanted.*, c.oid::regclass AS place, CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END AS kind
    FROM (VALUES
      -- FinMind's own tables, column by column. Locking a user's row needs the right to change one of its columns, and
      -- `created_at` is the one that nothing depends on.
      ('finmind_migrate', 'users', 'SELECT (id), REFERENCES (id)'),
      ('finmind_migrate', 'expenses', 'SELECT (id), REFERENCES (id)'),
      ('finmind_migrate', 'reminders', 'SELECT (id), REFERENCES (id)'),
      ('finmind_worker', 'users', 'SELECT (id, email, preferred_currency, created_at), UPDATE (created_at)'),
      ('finmind_worker', 'categories', 'SELECT (id, user_id, name)'),
      -- An answer keeps expenses whole, with the columns that FinMind adds, and writes them again.
      ('finmind_worker', 'recurring_expenses', 'SELECT (id)'),
      ('finmind_worker', 'expenses', 'SELECT, INSERT, DELETE,
        UPDATE (category_id, amount, currency, expense_type, notes, spent_at)'),
      ('finmind_worker', 'bills', 'SELECT (id, user_id, name, amount, currency, next_due_date, cadence,
        autopay_enabled, active)'),
      ('finmind_worker', 'reminders', 'SELECT (id, user_id, bill_id, message, send_at, sent, channel), UPDATE (sent)'),
      ('finmind_api', 'users', 'SELECT (id, preferred_currency), UPDATE (created_at)'),
      ('finmind_api', 'categories', 'SELECT (id, user_id, name)'),
      ('finmind_api', 'recurring_expenses', 'SELECT (id)'),
      ('finmind_api', 'expenses', 'SELECT, INSERT, DELETE,
        UPDATE (category_id, amount, currency, expense_type, notes, spent_at)'),
      ('finmind_api', 'reminders', 'SELECT (id, user_id)'),
      ('finmind_readonly', 'users', 'SELECT (id)'),

      -- The worker's tables. The worker removes: by age, and when a person is erased. Locking a row needs the right to
      -- change one of its columns here too.
      ('finmind_worker', 'bank_connections', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'bank_accounts', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'bank_connection_accounts', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'bank_link_attempts', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'bank_import_runs', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'bank_import_run_accounts', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'bank_transactions', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'bank_transaction_aliases', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'bank_transaction_changes', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'bank_import_rejections', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'bank_match_suggestions', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'bank_quota_usage', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'bank_connector_circuits', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'run_activity', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'worker_heartbeats', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'webhook_subscriptions', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'webhook_events', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'webhook_event_keys', 'SELECT, DELETE'),
      ('finmind_worker', 'webhook_inbox', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'webhook_event_batches', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'webhook_deliveries', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'webhook_attempts', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'provider_notices', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'provider_webhook_keys', 'SELECT'),
      ('finmind_worker', 'connection_warnings', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'bank_recordings', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'institution_weather', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'institution_weather_progress', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'institution_days', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'reminder_deliveries', 'SELECT, INSERT, UPDATE'),
      ('finmind_worker', 'idempotency_keys', 'SELECT, UPDATE (created_at), DELETE'),
      ('finmind_worker', 'user_preferences', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_worker', 'finmind_worker_schema', 'SELECT'),
      ('finmind_api', 'finmind_worker_schema', 'SELECT'),
      ('finmind_api', 'bank_connections', 'SELECT, INSERT, UPDATE'),
      ('finmind_api', 'bank_accounts', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_api', 'bank_connection_accounts', 'SELECT, UPDATE, DELETE'),
      ('finmind_api', 'bank_link_attempts', 'SELECT, INSERT, UPDATE'),
      ('finmind_api', 'bank_import_runs', 'SELECT, INSERT, UPDATE'),
      ('finmind_api', 'bank_import_run_accounts', 'SELECT'),
      ('finmind_api', 'bank_transactions', 'SELECT, INSERT, UPDATE'),
      ('finmind_api', 'bank_transaction_aliases', 'SELECT, DELETE'),
      ('finmind_api', 'bank_transaction_changes', 'SELECT, INSERT'),
      ('finmind_api', 'bank_import_rejections', 'SELECT, UPDATE (dismissed_at, dismissed_by, dismissed_why,
        dismissed_run_id)'),
      ('finmind_api', 'bank_match_suggestions', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_api', 'bank_quota_usage', 'SELECT'),
      ('finmind_api', 'bank_connector_circuits', 'SELECT'),
      ('finmind_api', 'run_activity', 'SELECT'),
      ('finmind_api', 'worker_heartbeats', 'SELECT'),
      ('finmind_api', 'webhook_subscriptions', 'SELECT, INSERT, UPDATE'),
      ('finmind_api', 'webhook_events', 'SELECT, INSERT'),
      ('finmind_api', 'webhook_event_keys', 'SELECT'),
      ('finmind_api', 'webhook_inbox', 'SELECT'),
      ('finmind_api', 'webhook_event_batches', 'SELECT, INSERT'),
      ('finmind_api', 'webhook_deliveries', 'SELECT, INSERT, UPDATE'),
      ('finmind_api', 'webhook_attempts', 'SELECT'),
      ('finmind_api', 'provider_notices', 'SELECT, INSERT, UPDATE'),
      ('finmind_api', 'provider_webhook_keys', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_api', 'connection_warnings', 'SELECT, INSERT, UPDATE'),
      ('finmind_api', 'bank_recordings', 'SELECT, INSERT'),
      ('finmind_api', 'institution_weather', 'SELECT'),
      ('finmind_api', 'institution_weather_progress', 'SELECT'),
      ('finmind_api', 'institution_days', 'SELECT'),
      ('finmind_api', 'reminder_deliveries', 'SELECT'),
      ('finmind_api', 'idempotency_keys', 'SELECT, INSERT, UPDATE, DELETE'),
      ('finmind_api', 'user_preferences', 'SELECT, INSERT, UPDATE'),
      ('finmind_api', 'finmind_worker_schema', 'SELECT'),

      -- The audit: lines are added with the time and the number that Postgres gives them, and read. Nothing else.
      ('finmind_worker', 'credential_audit', 'SELECT, INSERT (actor, action, table_name, row_id, user_id, key_id,
        detail)'),
      ('finmind_api', 'credential_audit', 'SELECT, INSERT (actor, action, table_name, row_id, user_id, key_id,
        detail)'),
      ('finmind_readonly', 'credential_audit', 'SELECT'),

      -- Read-only: states, names and figures. No sealed value, no transaction, no content of an event or of a row that
      -- was rejected, no e-mail address.
      ('finmind_readonly', 'bank_connections', 'SELECT (id, user_id, connector_name, display_name, institution_name,
        outage_scope, status, status_code, status_message, config_version, config_key_id, config_sealed_at,
        link_epoch, refresh_interval, refresh_from_hour, refresh_until_hour, next_refresh_at, rate_limited_until,
        rate_limit_code, consent_expires_at, consent_warned_days, consecutive_failures, last_failure_code,
        last_failure_at, last_good_run_id, last_good_at, answer_run_id, problem_code, problem_message,
        problem_since_at, linked_at, webhook_seen_at, new_accounts_at, created_at, updated_at)'),
      ('finmind_readonly', 'bank_accounts', 'SELECT (id, user_id, name, institution_name, account_type, mask,
        currency, created_at)'),
      ('finmind_readonly', 'bank_connection_accounts', 'SELECT (id, connection_id, user_id, id_class, name,
        institution_name, account_type, mask, currency, status, status_code, included, inverted, problem_code,
        problem_message, problem_since_at, watermark_on, history_from_on, history_complete, lateness_days,
        bank_account_id, leads_from_on, currency_assumed, last_seen_at, created_at, updated_at)'),
      ('finmind_readonly', 'bank_import_runs', 'SELECT (id, connection_id, user_id, kind, trigger, from_on, to_on,
        dry_run, reimport, target_run_id, scheduled_for, status, code, message, attempt, queued_at, not_before,
        dispatched_at, dispatch_count, started_at, heartbeat_at, finished_at, cancel_requested_at, lease_expires_at,
        worker_name, accounts_total, accounts_done, pages, fetched, created, updated, unchanged, linked, removed,
        rejected, suggested, delivered, accounted)'),
      ('finmind_readonly', 'bank_import_run_accounts', 'SELECT (id, run_id, account_id, from_on, to_on, status, code,
        message, pages, fetched, created, updated, unchanged, linked, removed, rejected, suggested, delivered,
        accounted, balance_proof, finished_at)'),
      ('finmind_readonly', 'bank_import_rejections', 'SELECT (id, run_id, connection_id, account_id, code,
        resolved_at, resolved_run_id, created_at, dismissed_at, dismissed_run_id)'),
      ('finmind_readonly', 'bank_match_suggestions', 'SELECT (id, user_id, kind, status, reason, decided_at,
        created_at)'),
      ('finmind_readonly', 'bank_quota_usage', 'SELECT'),
      ('finmind_readonly', 'bank_connector_circuits', 'SELECT'),
      ('finmind_readonly', 'run_activity', 'SELECT'),
      ('finmind_readonly', 'worker_heartbeats', 'SELECT'),
      ('finmind_readonly', 'webhook_subscriptions', 'SELECT (id, user_id, event_types, api_version, status,
        status_code, secret_version, secret_key_id, secret_sealed_at, rate_limit_per_s, rate_next_at, breaker_until,
        breaker_trips, consecutive_failures, first_failure_at, last_failure_at, last_success_at, created_at,
        updated_at)'),
      ('finmind_readonly', 'webhook_events', 'SELECT (id, sequence, user_id, subscription_id, type, api_version,
        occurred_at, fanned_out_at)'),
      ('finmind_readonly', 'webhook_event_batches', 'SELECT (id, user_id, type, api_version, occurred_at)'),
      ('finmind_readonly', 'webhook_deliveries', 'SELECT'),
      ('finmind_readonly', 'webhook_attempts', 'SELECT (id, delivery_id, attempt, started_at, finished_at,
        status_code, code, duration_ms)'),
      ('finmind_readonly', 'connection_warnings', 'SELECT (id, connection_id, user_id, kind, consent_expires_at, state,
        attempt, next_attempt_at, last_code, sent_at, created_at)'),
      ('finmind_readonly', 'bank_recordings', 'SELECT (run_id, connection_id, user_id, problem, requested_at,
        finished_at)'),
      ('finmind_readonly', 'institution_weather', 'SELECT'),
      ('finmind_readonly', 'institution_weather_progress', 'SELECT'),
      ('finmind_readonly', 'institution_days', 'SELECT'),
      ('finmind_readonly', 'provider_webhook_keys', 'SELECT'),
      ('finmind_readonly', 'provider_notices', 'SELECT (id, connector_name, action, code, reason, repaired, works_until,
        issued_at, received_at, not_before, user_id, secret_key_id, secret_sealed_at, handled_at, result, run_id)'),
      ('finmind_readonly', 'reminder_deliveries', 'SELECT'),
      ('finmind_readonly', 'finmind_worker_schema', 'SELECT'),

      -- Ids that rows are given before they are written.
      ('finmind_worker', 'bank_transactions_id_seq', 'USAGE'),
      ('finmind_worker', 'expenses_id_seq', 'USAGE'),
      ('finmind_api', 'expenses_id_seq', 'USAGE'),
      -- Tables in partitions have no identity, whose numbers need no right.
      ('finmind_worker', 'webhook_events_sequence_seq', 'USAGE'),
      ('finmind_worker', 'webhook_deliveries_id_seq', 'USAGE'),
      ('finmind_worker', 'webhook_attempts_id_seq', 'USAGE'),
      ('finmind_worker', 'bank_transaction_changes_id_seq', 'USAGE'),
      ('finmind_worker', 'credential_audit_id_seq', 'USAGE'),
      ('finmind_api', 'webhook_events_sequence_seq', 'USAGE'),
      ('finmind_api', 'webhook_deliveries_id_seq', 'USAGE'),
      ('finmind_api', 'bank_transaction_changes_id_seq', 'USAGE'),
      ('finmind_api', 'credential_audit_id_seq', 'USAGE')
    ) AS wanted(role, name, rights)
    JOIN pg_class c ON c.oid = to_regclass(wanted.name) AND pg_has_role(c.relowner, 'USAGE')
  LOOP
    EXECUTE 'GRANT ' || thing.rights || ' ON ' || thing.kind || thing.place || ' TO ' || quote_ident(thing.role);
  END LOOP;

  FOR thing IN
    SELECT p.oid::regprocedure AS place FROM pg_proc p
    WHERE p.pronamespace = current_schema()::regnamespace
      AND p.proname IN ('forget_credential_openings', 'fold_credential_openings', 'fold_audit_of_gone_users',
        'make_event_weeks', 'make_history_months', 'drop_event_week', 'forget_partition_bounds')
      AND pg_has_role(p.proowner, 'USAGE')
  LOOP
    EXECUTE 'GRANT EXECUTE ON FUNCTION ' || thing.place || ' TO finmind_worker';
  END LOOP;
END $rights$;
