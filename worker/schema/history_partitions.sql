-- The audit of credentials and the changes of transactions become partitions by month:
-- docs/decisions/0018-partitions.md. Each step is taken beside everybody who writes, and can be taken again; no row is
-- copied.

-- 1. a bound says up to which month the first partition goes: whole months, at least eight days from now
DO $$
DECLARE bound TIMESTAMPTZ := date_trunc('month', now() + INTERVAL '1 month 8 days', 'UTC');
BEGIN
  PERFORM forget_partition_bounds();
  EXECUTE format('ALTER TABLE credential_audit ADD CONSTRAINT ck_first_partition CHECK (at < %L) NOT VALID', bound);
  EXECUTE format('ALTER TABLE bank_transaction_changes ADD CONSTRAINT ck_first_partition CHECK (created_at < %L)
    NOT VALID', bound);
END $$;

-- 2. the rows there are keep it: all are read, and nobody waits
ALTER TABLE credential_audit VALIDATE CONSTRAINT ck_first_partition;
ALTER TABLE bank_transaction_changes VALIDATE CONSTRAINT ck_first_partition;

-- 3. the whole tables are made, empty, under names that nobody uses yet
SELECT pg_temp.make_whole_table('credential_audit', 'at'),
  pg_temp.make_whole_table('bank_transaction_changes', 'created_at');
ALTER TABLE whole_bank_transaction_changes
  ADD FOREIGN KEY (run_id) REFERENCES bank_import_runs(id) ON DELETE CASCADE,
  ADD FOREIGN KEY (account_id) REFERENCES bank_connection_accounts(id) ON DELETE CASCADE,
  ADD FOREIGN KEY (transaction_id) REFERENCES bank_transactions(id) ON DELETE CASCADE;
-- what guards each line of the audit guards it in every partition, what guards a statement guards the whole
DO $$
DECLARE definition TEXT;
BEGIN
  FOR definition IN SELECT pg_get_triggerdef(oid) FROM pg_trigger
                    WHERE tgrelid = 'credential_audit'::regclass AND NOT tgisinternal LOOP
    EXECUTE replace(definition, format(' ON %I.', current_schema()), format(' ON %I.whole_', current_schema()));
  END LOOP;
END $$;

-- 4. they take the names, and the tables there are become the partition of all months so far
LOCK TABLE credential_audit, bank_transaction_changes;
DO $$
DECLARE
  until_at TIMESTAMPTZ := date_trunc('month', now() + INTERVAL '1 month 8 days', 'UTC');
  name TEXT; own TEXT;
BEGIN
  FOR own IN SELECT tgname FROM pg_trigger
             WHERE tgrelid = 'credential_audit'::regclass AND NOT tgisinternal AND tgtype & 1 = 1 LOOP
    EXECUTE format('DROP TRIGGER %I ON credential_audit', own);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['credential_audit', 'bank_transaction_changes'] LOOP
    PERFORM pg_temp.become_first_partition(name, to_char(until_at AT TIME ZONE 'UTC' - INTERVAL '1 month', 'YYYYMM'),
      until_at::text);
    EXECUTE format('CREATE TABLE %I PARTITION OF %I (PRIMARY KEY (id)) DEFAULT', name || '_default', name);
  END LOOP;
END $$;
