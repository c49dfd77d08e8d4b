-- Partitions by week for events, deliveries and attempts: docs/decisions/0018-partitions.md. Run beside everybody who
-- writes; steps are separated by "-- then", each a transaction of its own, and none of them copies an event, a delivery
-- or an attempt. The tables there are become the first partition.

-- ids follow time, so that a moment is a bound of ids
CREATE FUNCTION first_event_id(at TIMESTAMPTZ) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT rpad(lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;

-- a key is used once over all weeks, which no index of a partitioned table can say
CREATE TABLE webhook_event_keys (
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  type VARCHAR(60) NOT NULL,
  dedup_key VARCHAR(200) NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, type, dedup_key)
);
CREATE INDEX idx_webhook_event_keys_age ON webhook_event_keys USING brin (created_at);

CREATE FUNCTION webhook_event_takes_its_key() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO webhook_event_keys (user_id, type, dedup_key) VALUES (NEW.user_id, NEW.type, NEW.dedup_key)
  ON CONFLICT DO NOTHING;
  IF FOUND THEN RETURN NEW; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER webhook_event_takes_its_key BEFORE INSERT ON webhook_events
  FOR EACH ROW WHEN (NEW.dedup_key IS NOT NULL) EXECUTE FUNCTION webhook_event_takes_its_key();

-- then: the keys of the events there are, and the events of attempts of the version before
INSERT INTO webhook_event_keys (user_id, type, dedup_key, created_at)
  SELECT user_id, type, dedup_key, occurred_at FROM webhook_events WHERE dedup_key IS NOT NULL ON CONFLICT DO NOTHING;
UPDATE webhook_attempts a SET event_id = d.event_id FROM webhook_deliveries d
  WHERE d.id = a.delivery_id AND a.event_id IS NULL;

-- then: up to which week the first partition goes; whole weeks from a day on, so that nothing new is beyond it
DO $$
DECLARE bound uuid := first_event_id(date_trunc('week', now() + INTERVAL '8 days', 'UTC'));
BEGIN
  EXECUTE format('ALTER TABLE webhook_events ADD CONSTRAINT ck_first_partition CHECK (id < %L) NOT VALID', bound);
  EXECUTE format('ALTER TABLE webhook_deliveries ADD CONSTRAINT ck_first_partition CHECK (event_id < %L) NOT VALID', bound);
  EXECUTE format('ALTER TABLE webhook_attempts ADD CONSTRAINT ck_first_partition CHECK (event_id IS NOT NULL AND event_id < %L)
    NOT VALID', bound);
END $$;

-- then
ALTER TABLE webhook_events VALIDATE CONSTRAINT ck_first_partition;
ALTER TABLE webhook_deliveries VALIDATE CONSTRAINT ck_first_partition;
ALTER TABLE webhook_attempts VALIDATE CONSTRAINT ck_first_partition;

-- then: known from the check, so that nothing is read
ALTER TABLE webhook_attempts ALTER COLUMN event_id SET NOT NULL;

-- then: the tables above the partitions, empty, under names that nobody uses yet. Numbers come from the same sequences
SELECT make_whole_table('webhook_events', 'id'), make_whole_table('webhook_deliveries', 'event_id'),
  make_whole_table('webhook_attempts', 'event_id');
ALTER TABLE whole_webhook_events ADD PRIMARY KEY (id),
  ADD FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE,
  ADD FOREIGN KEY (subscription_id) REFERENCES webhook_subscriptions(id) ON DELETE CASCADE;
ALTER TABLE whole_webhook_deliveries
  ADD CONSTRAINT whole_uq_webhook_deliveries_event UNIQUE (event_id, subscription_id, replay),
  ADD FOREIGN KEY (subscription_id) REFERENCES webhook_subscriptions(id) ON DELETE CASCADE;

-- then: the functions by which maintenance, which owns nothing, makes the coming weeks and removes old ones
CREATE FUNCTION make_event_weeks(ahead INTEGER) RETURNS INTEGER LANGUAGE plpgsql SECURITY DEFINER
SET lock_timeout = '500ms' AS $$
DECLARE
  made INTEGER := 0; week_at TIMESTAMPTZ; week TEXT; low uuid; high uuid; name TEXT;
  last_at TIMESTAMPTZ := (SELECT max(to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD')) FROM pg_inherits
    WHERE inhparent = 'webhook_events'::regclass AND inhrelid::regclass::text ~ '_\d{8}$')::timestamp
    AT TIME ZONE 'UTC';
BEGIN
  FOR week_at IN SELECT generate_series(
    greatest(last_at + INTERVAL '7 days', date_trunc('week', now(), 'UTC')),
    date_trunc('week', now(), 'UTC') + ahead * INTERVAL '7 days', INTERVAL '7 days')
  LOOP
    week := to_char(week_at AT TIME ZONE 'UTC', 'YYYYMMDD');
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

-- the three tables of a week refer to each other and to no other week: a foreign key between the whole tables would
-- make Postgres lock every week for every row
CREATE FUNCTION make_event_tables(week TEXT) RETURNS void LANGUAGE plpgsql AS $$
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

-- the oldest week that ended before a moment, in which nothing waits and nothing ended since, goes, its tables at once.
-- One in a transaction, to be repeated until none goes: nobody waits for one week while another is looked through
CREATE FUNCTION drop_event_week(before_at TIMESTAMPTZ) RETURNS INTEGER LANGUAGE plpgsql SECURITY DEFINER
SET lock_timeout = '500ms' AS $$
DECLARE
  week TEXT; needed BOOLEAN; newest BIGINT; newest_now BIGINT;
  waits CONSTANT TEXT := $waits$
    SELECT EXISTS (SELECT FROM webhook_events_%1$s WHERE fanned_out_at IS NULL)
      OR EXISTS (SELECT FROM webhook_deliveries_%1$s WHERE state = 'leased')
      OR EXISTS (SELECT FROM webhook_deliveries_%1$s d JOIN webhook_subscriptions s ON s.id = d.subscription_id
                 WHERE d.state = 'pending' AND s.status IN ('active', 'paused'))$waits$;
BEGIN
  FOR week IN
    SELECT right(inhrelid::regclass::text, 8) FROM pg_inherits
    WHERE inhparent = 'webhook_events'::regclass AND inhrelid::regclass::text ~ '_\d{8}$'
      AND to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' + INTERVAL '7 days'
        <= before_at
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

ALTER FUNCTION webhook_event_takes_its_key() SET search_path = public, pg_temp;
ALTER FUNCTION make_event_weeks(INTEGER) SET search_path = public, pg_temp;
ALTER FUNCTION drop_event_week(TIMESTAMPTZ) SET search_path = public, pg_temp;
REVOKE ALL ON FUNCTION make_event_weeks(INTEGER), make_event_tables(TEXT), drop_event_week(TIMESTAMPTZ) FROM PUBLIC;

-- then: the whole tables take the names, and the tables there are become the partition of all weeks so far
SET LOCAL lock_timeout = '10s';
LOCK TABLE webhook_events, webhook_deliveries, webhook_attempts;
DO $$
DECLARE
  until_at TIMESTAMPTZ := date_trunc('week', now() + INTERVAL '8 days', 'UTC');
  week TEXT := to_char(until_at - INTERVAL '7 days', 'YYYYMMDD');
  name TEXT;
BEGIN
  DROP TRIGGER webhook_event_takes_its_key ON webhook_events;
  -- numbers are unique in no other week; here a taken one would leave an event out whose key is taken already
  ALTER TABLE webhook_events DROP CONSTRAINT webhook_events_sequence_key;
  FOREACH name IN ARRAY ARRAY['webhook_events', 'webhook_deliveries', 'webhook_attempts'] LOOP
    PERFORM become_first_partition(name, week, first_event_id(until_at)::text);
  END LOOP;
  CREATE TRIGGER webhook_event_takes_its_key BEFORE INSERT ON webhook_events
    FOR EACH ROW WHEN (NEW.dedup_key IS NOT NULL) EXECUTE FUNCTION webhook_event_takes_its_key();
  -- a row of a week that was not made in time is never refused
  PERFORM make_event_tables('default');
  ALTER TABLE webhook_events ATTACH PARTITION webhook_events_default DEFAULT;
  ALTER TABLE webhook_deliveries ATTACH PARTITION webhook_deliveries_default DEFAULT;
  ALTER TABLE webhook_attempts ATTACH PARTITION webhook_attempts_default DEFAULT;
  PERFORM make_event_weeks(4);
END $$;
