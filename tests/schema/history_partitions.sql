-- Partitions by month for the audit of credentials and the changes of transactions: docs/decisions/0018-partitions.md.
-- Run beside everybody who writes; steps are separated by "-- then", each a transaction of its own. No row is copied.

DO $$
DECLARE bound TIMESTAMPTZ := date_trunc('month', now() + INTERVAL '1 month 1 day', 'UTC');
BEGIN
  EXECUTE format('ALTER TABLE credential_audit ADD CONSTRAINT ck_first_partition CHECK (at < %L) NOT VALID', bound);
  EXECUTE format('ALTER TABLE bank_transaction_changes ADD CONSTRAINT ck_first_partition CHECK (created_at < %L)
    NOT VALID', bound);
END $$;

-- then
ALTER TABLE credential_audit VALIDATE CONSTRAINT ck_first_partition;
ALTER TABLE bank_transaction_changes VALIDATE CONSTRAINT ck_first_partition;

-- then: what guards each line of the audit guards it in every partition, what guards a statement guards the whole
SELECT make_whole_table('credential_audit', 'at'), make_whole_table('bank_transaction_changes', 'created_at');
ALTER TABLE whole_bank_transaction_changes
  ADD FOREIGN KEY (run_id) REFERENCES bank_import_runs(id) ON DELETE CASCADE,
  ADD FOREIGN KEY (account_id) REFERENCES bank_connection_accounts(id) ON DELETE CASCADE,
  ADD FOREIGN KEY (transaction_id) REFERENCES bank_transactions(id) ON DELETE CASCADE;
DO $$
DECLARE definition TEXT;
BEGIN
  FOR definition IN SELECT pg_get_triggerdef(oid) FROM pg_trigger
                    WHERE tgrelid = 'credential_audit'::regclass AND NOT tgisinternal LOOP
    EXECUTE replace(definition, ' ON ' || current_schema() || '.', ' ON ' || current_schema() || '.whole_');
  END LOOP;
END $$;

CREATE FUNCTION make_history_months(ahead INTEGER) RETURNS INTEGER LANGUAGE plpgsql SECURITY DEFINER
SET lock_timeout = '500ms' AS $$
DECLARE made INTEGER := 0; month_at TIMESTAMPTZ; part TEXT; name TEXT;
BEGIN
  FOREACH name IN ARRAY ARRAY['credential_audit', 'bank_transaction_changes'] LOOP
    FOR month_at IN
      SELECT date_trunc('month', now(), 'UTC') + months * INTERVAL '1 month' FROM generate_series(1, ahead) months
    LOOP
      part := format('%s_%s', name, to_char(month_at AT TIME ZONE 'UTC', 'YYYYMM'));
      CONTINUE WHEN to_regclass(part) IS NOT NULL;
      EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING CONSTRAINTS INCLUDING DEFAULTS, PRIMARY KEY (id))', part, name);
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, part, month_at,
        month_at + INTERVAL '1 month');
      made := made + 1;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;
ALTER FUNCTION make_history_months(INTEGER) SET search_path = public, pg_temp;
REVOKE ALL ON FUNCTION make_history_months(INTEGER) FROM PUBLIC;

-- then: the whole tables take the names, and the tables there are become the partition of all months so far
SET LOCAL lock_timeout = '10s';
LOCK TABLE credential_audit, bank_transaction_changes;
DO $$
DECLARE
  until_at TIMESTAMPTZ := date_trunc('month', now() + INTERVAL '1 month 1 day', 'UTC');
  name TEXT; own TEXT;
BEGIN
  FOR own IN SELECT tgname FROM pg_trigger
             WHERE tgrelid = 'credential_audit'::regclass AND NOT tgisinternal AND tgtype & 1 = 1 LOOP
    EXECUTE format('DROP TRIGGER %I ON credential_audit', own);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['credential_audit', 'bank_transaction_changes'] LOOP
    PERFORM become_first_partition(name, to_char(until_at AT TIME ZONE 'UTC' - INTERVAL '1 month', 'YYYYMM'),
      until_at::text);
    EXECUTE format('CREATE TABLE %I PARTITION OF %I (PRIMARY KEY (id)) DEFAULT', name || '_default', name);
  END LOOP;
  PERFORM make_history_months(3);
END $$;
