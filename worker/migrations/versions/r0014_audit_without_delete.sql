-- who touched a credential must stay on record, whatever a later bug or intruder would prefer. Three things may go: that
-- it was opened, which every refresh does, after 90 days at the earliest; that runs opened it, after a day, when one
-- line counts them; and the lines about a person who is no longer in `users`
CREATE OR REPLACE FUNCTION credential_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.action = 'opened' AND (OLD.at < now() - INTERVAL '90 days'
        OR (starts_with(OLD.actor, 'run:') OR OLD.actor = 'runs') AND OLD.at < now() - INTERVAL '1 day') THEN
      RETURN OLD;
    END IF;
    IF OLD.user_id IS NOT NULL AND NOT EXISTS (SELECT FROM users WHERE id = OLD.user_id) THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION 'credential_audit is append-only';
END $$;
CREATE OR REPLACE TRIGGER credential_audit_append_only BEFORE UPDATE OR DELETE ON credential_audit
  FOR EACH ROW EXECUTE FUNCTION credential_audit_is_append_only();
CREATE OR REPLACE TRIGGER credential_audit_not_truncated BEFORE TRUNCATE ON credential_audit
  FOR EACH STATEMENT EXECUTE FUNCTION credential_audit_is_append_only();

-- what goes before its 90 days must be counted by the transaction that removes it: no opening is lost
CREATE OR REPLACE FUNCTION credential_audit_stays_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM (
      SELECT table_name, row_id, sum(coalesce((detail ->> 'times')::integer, 1)) AS times
      FROM gone WHERE at >= now() - INTERVAL '90 days'
        AND (gone.user_id IS NULL OR EXISTS (SELECT FROM users u WHERE u.id = gone.user_id)) GROUP BY table_name, row_id) g
    WHERE g.times IS DISTINCT FROM (
      SELECT sum((a.detail ->> 'times')::integer) FROM credential_audit a
      WHERE a.table_name = g.table_name AND a.row_id = g.row_id AND a.action = 'opened' AND a.actor = 'runs'
        AND a.xmin = pg_current_xact_id()::xid)
  ) THEN
    RAISE EXCEPTION 'credential_audit is append-only';
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER credential_audit_counted AFTER DELETE ON credential_audit
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION credential_audit_stays_counted();

-- the worker's role has no DELETE on the audit: these three functions are its only way to remove what may go
CREATE OR REPLACE FUNCTION forget_credential_openings(older_than INTERVAL, most INTEGER) RETURNS INTEGER
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE gone INTEGER;
BEGIN
  DELETE FROM credential_audit WHERE id IN (
    SELECT id FROM credential_audit
    WHERE action = 'opened' AND at < now() - greatest(older_than, INTERVAL '90 days') LIMIT most);
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END $$;

-- the openings by runs of a week become one line that says how many they were; a page of credentials at a time
CREATE OR REPLACE FUNCTION fold_credential_openings(after TEXT, page INTEGER)
RETURNS TABLE (folded_openings BIGINT, after_row_id TEXT) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  RETURN QUERY
  WITH credentials AS MATERIALIZED (
    SELECT DISTINCT table_name, row_id FROM (
      SELECT table_name, row_id FROM credential_audit
      WHERE action = 'opened' AND starts_with(actor, 'run:') AND row_id > after
        AND at BETWEEN now() - INTERVAL '80 days' AND now() - INTERVAL '1 day'
      ORDER BY row_id LIMIT page) lines
  ), weeks AS MATERIALIZED (
    SELECT DISTINCT table_name, row_id, date_trunc('week', at, 'UTC') AS week
    FROM credentials JOIN credential_audit USING (table_name, row_id)
    WHERE action = 'opened' AND starts_with(actor, 'run:')
      AND at BETWEEN now() - INTERVAL '80 days' AND now() - INTERVAL '1 day'
  ), gone AS (
    DELETE FROM credential_audit WHERE id IN (
      SELECT a.id FROM weeks w JOIN credential_audit a USING (table_name, row_id)
      WHERE a.action = 'opened' AND (starts_with(a.actor, 'run:') OR a.actor = 'runs')
        AND a.at BETWEEN now() - INTERVAL '80 days' AND now() - INTERVAL '1 day'
        AND date_trunc('week', a.at, 'UTC') = w.week
      FOR UPDATE OF a SKIP LOCKED)
    RETURNING *
  ), counted AS (
    INSERT INTO credential_audit (at, actor, action, table_name, row_id, user_id, key_id, detail)
    SELECT max(at), 'runs', 'opened', table_name, row_id, user_id, key_id, jsonb_build_object(
      'times', sum(coalesce((detail ->> 'times')::integer, 1)),
      'since', min(coalesce((detail ->> 'since')::timestamptz, at)))
    FROM gone GROUP BY table_name, row_id, user_id, key_id, date_trunc('week', at, 'UTC')
    RETURNING 1
  )
  SELECT (SELECT count(*) FROM gone) - (SELECT count(*) FROM counted) AS folded_openings,
    last.row_id AS after_row_id
  FROM (SELECT max(row_id) AS row_id FROM credentials HAVING count(*) > 0) last;
END $$;

-- one line with a count per action takes the place of the lines about people who are gone
CREATE OR REPLACE FUNCTION fold_audit_of_gone_users(most INTEGER) RETURNS INTEGER
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE lines INTEGER; per_action JSONB;
BEGIN
  WITH gone AS (
    DELETE FROM credential_audit WHERE id IN (
      SELECT a.id FROM credential_audit a
      WHERE a.user_id IS NOT NULL AND NOT EXISTS (SELECT FROM users u WHERE u.id = a.user_id) LIMIT most)
    RETURNING action
  ), counted AS (SELECT action, count(*) AS lines FROM gone GROUP BY action)
  SELECT coalesce(sum(c.lines), 0), jsonb_object_agg(c.action, c.lines) INTO lines, per_action FROM counted c;
  IF lines > 0 THEN
    INSERT INTO credential_audit (actor, action, table_name, row_id, detail)
    VALUES ('database', 'operated', 'users', '', jsonb_build_object('command', 'users erase', 'lines', per_action));
  END IF;
  RETURN lines;
END $$;
REVOKE ALL ON FUNCTION forget_credential_openings(INTERVAL, INTEGER), fold_credential_openings(TEXT, INTEGER),
  fold_audit_of_gone_users(INTEGER) FROM PUBLIC;

-- a function with the rights of its owner must find these tables and no others: pg_temp, where any role may create a
-- table or a view, is searched last
DO $$
DECLARE name TEXT;
BEGIN
  FOREACH name IN ARRAY ARRAY[
    'credential_audit_is_append_only()', 'credential_audit_stays_counted()', 'fold_audit_of_gone_users(integer)',
    'forget_credential_openings(interval, integer)', 'fold_credential_openings(text, integer)'
  ] LOOP
    EXECUTE 'ALTER FUNCTION ' || name || ' SET search_path = pg_catalog, ' || quote_ident(current_schema()) || ', pg_temp';
  END LOOP;
END $$;
