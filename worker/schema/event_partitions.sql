-- Events, deliveries and attempts become partitions by week: docs/decisions/0018-partitions.md. Each step is taken beside
-- everybody who writes, and can be taken again; no event, delivery or attempt is copied.

-- 1. new events leave their key in a table of its own
CREATE OR REPLACE TRIGGER webhook_event_takes_its_key BEFORE INSERT ON webhook_events
  FOR EACH ROW WHEN (NEW.dedup_key IS NOT NULL) EXECUTE FUNCTION webhook_event_takes_its_key();

-- 2. the events there are leave theirs, in pages
DO $$
DECLARE after_sequence BIGINT := -1; last_sequence BIGINT;
BEGIN
  LOOP
    SELECT max(sequence) INTO last_sequence FROM (
      SELECT sequence FROM webhook_events WHERE sequence > after_sequence ORDER BY sequence LIMIT 10000) page;
    EXIT WHEN last_sequence IS NULL;
    INSERT INTO webhook_event_keys (user_id, type, dedup_key, created_at)
      SELECT user_id, type, dedup_key, occurred_at FROM webhook_events
      WHERE sequence > after_sequence AND sequence <= last_sequence AND dedup_key IS NOT NULL ON CONFLICT DO NOTHING;
    COMMIT;
    after_sequence := last_sequence;
  END LOOP;
END $$;

-- 3. attempts of before revision r0044 say of which event they are, in pages
DO $$
DECLARE after_id BIGINT := -1; last_id BIGINT;
BEGIN
  LOOP
    SELECT max(id) INTO last_id FROM (
      SELECT id FROM webhook_attempts WHERE id > after_id ORDER BY id LIMIT 10000) page;
    EXIT WHEN last_id IS NULL;
    UPDATE webhook_attempts a SET event_id = d.event_id FROM webhook_deliveries d
      WHERE d.id = a.delivery_id AND a.event_id IS NULL AND a.id > after_id AND a.id <= last_id;
    COMMIT;
    after_id := last_id;
  END LOOP;
END $$;

-- 4. a bound says up to which week the first partition goes: whole weeks, at least eight days from now
DO $$
DECLARE bound uuid := first_event_id(date_trunc('week', now() + INTERVAL '15 days', 'UTC'));
BEGIN
  PERFORM forget_partition_bounds();
  EXECUTE format('ALTER TABLE webhook_events ADD CONSTRAINT ck_first_partition CHECK (id < %L) NOT VALID', bound);
  EXECUTE format('ALTER TABLE webhook_deliveries ADD CONSTRAINT ck_first_partition CHECK (event_id < %L) NOT VALID', bound);
  EXECUTE format('ALTER TABLE webhook_attempts ADD CONSTRAINT ck_first_partition
    CHECK (event_id IS NOT NULL AND event_id < %L) NOT VALID', bound);
END $$;

-- 5. the rows there are keep it: all are read, and nobody waits
ALTER TABLE webhook_events VALIDATE CONSTRAINT ck_first_partition;
ALTER TABLE webhook_deliveries VALIDATE CONSTRAINT ck_first_partition;
ALTER TABLE webhook_attempts VALIDATE CONSTRAINT ck_first_partition;

-- 6. the whole tables are made, empty, under names that nobody uses yet
SELECT pg_temp.make_whole_table('webhook_events', 'id'), pg_temp.make_whole_table('webhook_deliveries', 'event_id'),
  pg_temp.make_whole_table('webhook_attempts', 'event_id');
ALTER TABLE whole_webhook_events ADD PRIMARY KEY (id),
  ADD FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE,
  ADD FOREIGN KEY (subscription_id) REFERENCES webhook_subscriptions(id) ON DELETE CASCADE;
ALTER TABLE whole_webhook_deliveries
  ADD CONSTRAINT whole_uq_webhook_deliveries_event UNIQUE (event_id, subscription_id, replay),
  ADD FOREIGN KEY (subscription_id) REFERENCES webhook_subscriptions(id) ON DELETE CASCADE;
ALTER TABLE whole_webhook_attempts ALTER COLUMN event_id SET NOT NULL;

-- 7. they take the names, and the tables there are become the partition of all weeks so far
LOCK TABLE webhook_events, webhook_deliveries, webhook_attempts;
DO $$
DECLARE
  until_at TIMESTAMPTZ := date_trunc('week', now() + INTERVAL '15 days', 'UTC');
  week TEXT := to_char((until_at - INTERVAL '7 days') AT TIME ZONE 'UTC', 'YYYYMMDD');
  name TEXT;
BEGIN
  DROP TRIGGER webhook_event_takes_its_key ON webhook_events;
  -- numbers are unique in no other week; here a taken one would leave an event out whose key is taken already
  ALTER TABLE webhook_events DROP CONSTRAINT webhook_events_sequence_key;
  -- known from the bound, so that nothing is read
  ALTER TABLE webhook_attempts ALTER COLUMN event_id SET NOT NULL;
  FOREACH name IN ARRAY ARRAY['webhook_events', 'webhook_deliveries', 'webhook_attempts'] LOOP
    PERFORM pg_temp.become_first_partition(name, week, first_event_id(until_at)::text);
  END LOOP;
  CREATE TRIGGER webhook_event_takes_its_key BEFORE INSERT ON webhook_events
    FOR EACH ROW WHEN (NEW.dedup_key IS NOT NULL) EXECUTE FUNCTION webhook_event_takes_its_key();
  -- a row of a week that was not made in time is never refused
  PERFORM make_event_tables('default');
  ALTER TABLE webhook_events ATTACH PARTITION webhook_events_default DEFAULT;
  ALTER TABLE webhook_deliveries ATTACH PARTITION webhook_deliveries_default DEFAULT;
  ALTER TABLE webhook_attempts ATTACH PARTITION webhook_attempts_default DEFAULT;
END $$;
