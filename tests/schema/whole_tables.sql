-- A table becomes the first partition of a whole table that takes its name. No row is copied: its file stays.

-- the whole table, empty, under a name that nobody uses yet; its unique keys and foreign keys are said by the caller.
-- The table has a constraint ck_first_partition, by which Postgres knows that its rows fit without reading them
CREATE FUNCTION make_whole_table(name TEXT, partitioned_by TEXT) RETURNS void LANGUAGE plpgsql AS $$
DECLARE index RECORD;
BEGIN
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING CONSTRAINTS INCLUDING DEFAULTS) PARTITION BY RANGE (%I)',
    'whole_' || name, name, partitioned_by);
  EXECUTE format('ALTER TABLE %I DROP CONSTRAINT ck_first_partition', 'whole_' || name);
  FOR index IN
    SELECT pg_get_indexdef(x.indexrelid) AS definition, c.relname AS name
    FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE x.indrelid = name::regclass AND NOT x.indisunique
  LOOP
    EXECUTE replace(replace(index.definition, index.name, 'whole_' || index.name),
      format(' ON %s.%s', current_schema(), name), format(' ON %s.whole_%s', current_schema(), name));
  END LOOP;
END $$;

-- the whole table takes the name, and the table is its partition of all that is below `until`; nobody writes meanwhile
CREATE FUNCTION become_first_partition(name TEXT, suffix TEXT, until TEXT) RETURNS void LANGUAGE plpgsql AS $$
DECLARE thing RECORD; next BIGINT;
BEGIN
  -- a partition has no identity: the sequence of the whole table goes on where the identity was
  SELECT a.attname AS attribute, pg_get_serial_sequence(name, a.attname) AS old INTO thing
    FROM pg_attribute a WHERE a.attrelid = name::regclass AND a.attidentity <> '';
  next := nextval(thing.old);
  EXECUTE format('ALTER TABLE %I ALTER COLUMN %I DROP IDENTITY', name, thing.attribute);
  EXECUTE format('CREATE SEQUENCE %I START %s', name || '_' || thing.attribute || '_seq', next);
  EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET DEFAULT nextval(%L)', 'whole_' || name, thing.attribute,
    name || '_' || thing.attribute || '_seq');
  EXECUTE format('ALTER SEQUENCE %I OWNED BY %I.%I', name || '_' || thing.attribute || '_seq', 'whole_' || name,
    thing.attribute);
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
