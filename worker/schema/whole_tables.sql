-- A table becomes the first partition of a whole table that takes its name. No row is copied: its file stays. These are
-- functions of the session that takes the steps, and go with it.

-- the whole table, empty, under a name that nobody uses yet; its unique keys and foreign keys are said by the caller.
-- The table has a constraint ck_first_partition, by which Postgres knows that its rows fit without reading them
CREATE OR REPLACE FUNCTION pg_temp.make_whole_table(name TEXT, partitioned_by TEXT) RETURNS void LANGUAGE plpgsql AS $$
DECLARE thing RECORD; whole TEXT := 'whole_' || name;
BEGIN
  EXECUTE format('DROP TABLE IF EXISTS %I', whole);
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING CONSTRAINTS INCLUDING DEFAULTS) PARTITION BY RANGE (%I)',
    whole, name, partitioned_by);
  EXECUTE format('ALTER TABLE %I DROP CONSTRAINT ck_first_partition', whole);
  FOR thing IN
    SELECT pg_get_indexdef(x.indexrelid) AS definition, c.relname AS name
    FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE x.indrelid = name::regclass AND NOT x.indisunique
  LOOP
    EXECUTE replace(replace(thing.definition, thing.name, 'whole_' || thing.name),
      format(' ON %I.%I', current_schema(), name), format(' ON %I.%I', current_schema(), whole));
  END LOOP;
  -- whoever may read or write the table may do so to its rows under the same name
  FOR thing IN
    SELECT g.privilege_type AS may, pg_get_userbyid(g.grantee) AS who FROM pg_class c, aclexplode(c.relacl) g
    WHERE c.oid = name::regclass AND g.grantee NOT IN (0, c.relowner)
  LOOP
    EXECUTE format('GRANT %s ON %I TO %I', thing.may, whole, thing.who);
  END LOOP;
END $$;

-- the whole table takes the name, and the table is its partition of all that is below `until`; nobody writes meanwhile
CREATE OR REPLACE FUNCTION pg_temp.become_first_partition(name TEXT, suffix TEXT, until TEXT) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE thing RECORD; next BIGINT; numbers TEXT;
BEGIN
  -- a partition has no identity: the sequence of the whole table goes on where the identity was
  SELECT a.attname AS attribute, pg_get_serial_sequence(name, a.attname) AS old INTO thing
    FROM pg_attribute a WHERE a.attrelid = name::regclass AND a.attidentity <> '';
  next := nextval(thing.old);
  numbers := name || '_' || thing.attribute || '_seq';
  EXECUTE format('ALTER TABLE %I ALTER COLUMN %I DROP IDENTITY', name, thing.attribute);
  EXECUTE format('CREATE SEQUENCE %I START %s', numbers, next);
  EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET DEFAULT nextval(%L)', 'whole_' || name, thing.attribute, numbers);
  EXECUTE format('ALTER SEQUENCE %I OWNED BY %I.%I', numbers, 'whole_' || name, thing.attribute);
  FOR thing IN SELECT c.relname AS own FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
               WHERE x.indrelid = name::regclass LOOP
    EXECUTE format('ALTER INDEX %I RENAME TO %I', thing.own, left(thing.own, 54) || '_' || suffix);
  END LOOP;
  EXECUTE format('ALTER TABLE %I RENAME TO %I', name, name || '_' || suffix);
  EXECUTE format('ALTER TABLE %I RENAME TO %I', 'whole_' || name, name);
  FOR thing IN SELECT c.relname AS own FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
               WHERE x.indrelid = name::regclass LOOP
    EXECUTE format('ALTER INDEX %I RENAME TO %I', thing.own, replace(thing.own, 'whole_', ''));
  END LOOP;
  FOR thing IN SELECT conname AS own FROM pg_constraint WHERE conrelid = name::regclass AND contype = 'f' LOOP
    EXECUTE format('ALTER TABLE %I RENAME CONSTRAINT %I TO %I', name, thing.own, replace(thing.own, 'whole_', ''));
  END LOOP;
  EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)', name, name || '_' || suffix,
    until);
  EXECUTE format('ALTER TABLE %I DROP CONSTRAINT ck_first_partition', name || '_' || suffix);
END $$;
