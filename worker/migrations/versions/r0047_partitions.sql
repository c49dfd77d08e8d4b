-- a key of an event is used once over all weeks, which no index of a partitioned table can say
CREATE TABLE IF NOT EXISTS webhook_event_keys (
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  type VARCHAR(60) NOT NULL,
  dedup_key VARCHAR(200) NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- what uq_webhook_events_dedup_key says of one table: one thing is announced once
  PRIMARY KEY (user_id, type, dedup_key)
);
CREATE INDEX IF NOT EXISTS idx_webhook_event_keys_age ON webhook_event_keys USING brin (created_at);

CREATE OR REPLACE FUNCTION webhook_event_takes_its_key() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO webhook_event_keys (user_id, type, dedup_key) VALUES (NEW.user_id, NEW.type, NEW.dedup_key)
  ON CONFLICT DO NOTHING;
  IF FOUND THEN RETURN NEW; END IF;
  RETURN NULL;
END $$;

-- ids follow time, so that a moment is a bound of ids
CREATE OR REPLACE FUNCTION first_event_id(at TIMESTAMPTZ) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT rpad(lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;

-- whether the tables of this name are in partitions, and nobody changes the schema meanwhile: the lock is that of
-- `db upgrade` and `db partition`
CREATE OR REPLACE FUNCTION may_change_partitions(name TEXT) RETURNS BOOLEAN LANGUAGE sql AS $$
  SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(name) AND relkind = 'p')
    AND pg_try_advisory_xact_lock(28826370627432036)
$$;

-- when the newest partition of a table begins, by its name
CREATE OR REPLACE FUNCTION newest_partition_at(name TEXT) RETURNS TIMESTAMPTZ LANGUAGE sql AS $$
  SELECT max(to_date(rpad(substring(c.relname FROM '_(\d+)$'), 8, '01'), 'YYYYMMDD'))::timestamp AT TIME ZONE 'UTC'
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass(name)
$$;

-- the three tables of a week refer to each other and to no other week: a foreign key between the whole tables would
-- make Postgres lock every week for every row
CREATE OR REPLACE FUNCTION make_event_tables(week TEXT) RETURNS void LANGUAGE plpgsql AS $$
DECLARE name TEXT;
BEGIN
  FOREACH name IN ARRAY ARRAY['webhook_events', 'webhook_deliveries', 'webhook_attempts'] LOOP
    EXECUTE format('CREATE TABLE %2$I (LIKE %1$I INCLUDING CONSTRAINTS INCLUDING DEFAULTS, PRIMARY KEY (id))',
      name, name || '_' || week);
  END LOOP;
  EXECUTE format('ALTER TABLE webhook_events_%s SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05)', week);
  EXECUTE format('ALTER TABLE webhook_deliveries_%1$s SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05),
    ADD FOREIGN KEY (event_id) REFERENCES webhook_events_%1$s(id) ON DELETE CASCADE', week);
  EXECUTE format('ALTER TABLE webhook_attempts_%1$s
    ADD FOREIGN KEY (delivery_id) REFERENCES webhook_deliveries_%1$s(id) ON DELETE CASCADE', week);
END $$;

-- the functions by which maintenance, which owns nothing, makes coming partitions and removes old ones. They wait half a
-- second for a lock, so that nobody queues behind them for longer
CREATE OR REPLACE FUNCTION make_event_weeks(ahead INTEGER DEFAULT 4) RETURNS INTEGER LANGUAGE plpgsql SECURITY DEFINER
SET lock_timeout = '500ms' SET timezone = 'UTC' AS $$
DECLARE made INTEGER := 0; week_at TIMESTAMPTZ; week TEXT; low uuid; high uuid; name TEXT;
BEGIN
  IF NOT may_change_partitions('webhook_events') THEN RETURN 0; END IF;
  FOR week_at IN SELECT generate_series(
    greatest(newest_partition_at('webhook_events') + INTERVAL '7 days', date_trunc('week', now())),
    date_trunc('week', now()) + ahead * INTERVAL '7 days', INTERVAL '7 days')
  LOOP
    week := to_char(week_at, 'YYYYMMDD');
    low := first_event_id(week_at);
    high := first_event_id(week_at + INTERVAL '7 days');
    -- where maintenance did not run for weeks, their rows are in the default partition and stay there
    CONTINUE WHEN EXISTS (SELECT FROM webhook_events_default WHERE id >= low AND id < high);
    PERFORM make_event_tables(week);
    FOREACH name IN ARRAY ARRAY['webhook_events', 'webhook_deliveries', 'webhook_attempts'] LOOP
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, name || '_' || week,
        low, high);
    END LOOP;
    made := made + 1;
  END LOOP;
  RETURN made;
END $$;

CREATE OR REPLACE FUNCTION make_history_months(ahead INTEGER DEFAULT 3) RETURNS INTEGER LANGUAGE plpgsql SECURITY DEFINER
SET lock_timeout = '500ms' SET timezone = 'UTC' AS $$
DECLARE made INTEGER := 0; month_at TIMESTAMPTZ; part TEXT; name TEXT; partitioned_by TEXT; is_taken BOOLEAN;
BEGIN
  FOR name, partitioned_by IN VALUES ('credential_audit', 'at'), ('bank_transaction_changes', 'created_at') LOOP
    CONTINUE WHEN NOT may_change_partitions(name);
    FOR month_at IN SELECT generate_series(
      greatest(newest_partition_at(name) + INTERVAL '1 month', date_trunc('month', now())),
      date_trunc('month', now()) + ahead * INTERVAL '1 month', INTERVAL '1 month')
    LOOP
      EXECUTE format('SELECT EXISTS (SELECT FROM %1$I WHERE %2$I >= $1 AND %2$I < $1 + INTERVAL ''1 month'')',
        name || '_default', partitioned_by) INTO is_taken USING month_at;
      CONTINUE WHEN is_taken;
      part := name || '_' || to_char(month_at, 'YYYYMM');
      EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING CONSTRAINTS INCLUDING DEFAULTS, PRIMARY KEY (id))', part, name);
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, part, month_at,
        month_at + INTERVAL '1 month');
      made := made + 1;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;

-- the oldest week that ended before a moment, in which nothing waits and nothing ended since, goes, its tables at once.
-- One in a transaction, to be repeated until none goes: nobody waits for one week while another is looked through
CREATE OR REPLACE FUNCTION drop_event_week(before_at TIMESTAMPTZ) RETURNS INTEGER LANGUAGE plpgsql SECURITY DEFINER
SET lock_timeout = '500ms' SET timezone = 'UTC' AS $$
DECLARE
  week TEXT; needed BOOLEAN; newest BIGINT; newest_now BIGINT;
  waits CONSTANT TEXT := $waits$
    SELECT EXISTS (SELECT FROM webhook_events_%1$s WHERE fanned_out_at IS NULL)
      OR EXISTS (SELECT FROM webhook_deliveries_%1$s WHERE state = 'leased')
      OR EXISTS (SELECT FROM webhook_deliveries_%1$s d JOIN webhook_subscriptions s ON s.id = d.subscription_id
                 WHERE d.state = 'pending' AND s.status IN ('active', 'paused'))$waits$;
BEGIN
  IF NOT may_change_partitions('webhook_events') THEN RETURN 0; END IF;
  FOR week IN
    SELECT right(c.relname, 8) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass('webhook_events') AND c.relname ~ '_\d{8}$'
      AND to_date(right(c.relname, 8), 'YYYYMMDD') + INTERVAL '7 days' <= before_at
    ORDER BY 1
  LOOP
    -- the long look goes on beside everybody. What ends after it waits now, or is a delivery that is not there yet
    EXECUTE format('SELECT max(id) FROM webhook_deliveries_%s', week) INTO newest;
    EXECUTE format(waits || ' OR EXISTS (SELECT FROM webhook_deliveries_%1$s WHERE finished_at >= $1)', week)
      INTO needed USING before_at;
    CONTINUE WHEN needed;
    -- the whole tables first, as every statement does, or it and we would wait for each other
    EXECUTE format('LOCK TABLE ONLY webhook_events, ONLY webhook_deliveries, ONLY webhook_attempts,
      webhook_events_%1$s, webhook_deliveries_%1$s, webhook_attempts_%1$s', week);
    EXECUTE format(waits, week) INTO needed;
    EXECUTE format('SELECT max(id) FROM webhook_deliveries_%s', week) INTO newest_now;
    IF needed OR newest_now IS DISTINCT FROM newest THEN RETURN 0; END IF;
    EXECUTE format('DROP TABLE webhook_attempts_%1$s, webhook_deliveries_%1$s, webhook_events_%1$s', week);
    RETURN 1;
  END LOOP;
  RETURN 0;
END $$;

-- `db partition` that was killed leaves bounds for the rows of what becomes the first partition. New rows would be
-- refused when their day comes: maintenance takes the bounds back
CREATE OR REPLACE FUNCTION forget_partition_bounds() RETURNS INTEGER LANGUAGE plpgsql SECURITY DEFINER
SET lock_timeout = '500ms' AS $$
DECLARE bounded regclass; forgotten INTEGER := 0;
BEGIN
  FOR bounded IN SELECT conrelid FROM pg_constraint WHERE conname = 'ck_first_partition'
                   AND connamespace = current_schema()::regnamespace ORDER BY conrelid LOOP
    IF NOT pg_try_advisory_xact_lock(28826370627432036) THEN RETURN 0; END IF;
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT ck_first_partition', bounded);
    forgotten := forgotten + 1;
  END LOOP;
  RETURN forgotten;
END $$;

-- they create tables, so that the schema comes first; what every role may create is searched last
DO $$
DECLARE name TEXT;
BEGIN
  FOREACH name IN ARRAY ARRAY[
    'webhook_event_takes_its_key()', 'make_event_weeks(integer)', 'make_history_months(integer)',
    'drop_event_week(timestamptz)', 'forget_partition_bounds()'
  ] LOOP
    EXECUTE 'ALTER FUNCTION ' || name || ' SET search_path = ' || quote_ident(current_schema()) || ', pg_temp';
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION make_event_weeks(INTEGER), make_history_months(INTEGER), drop_event_week(TIMESTAMPTZ),
  forget_partition_bounds(), make_event_tables(TEXT), may_change_partitions(TEXT) FROM PUBLIC;
