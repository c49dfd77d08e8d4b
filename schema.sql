-- The whole data model of the FinMind bank worker, in the order of the flow.
--
-- Idempotent: safe on an empty database and on a live FinMind database. FinMind's own tables come first; they are
-- created only where absent, with their indexes, and never altered. Every constraint says which race or mistake it
-- prevents.
--
-- Money is NUMERIC and signed on the bank's side (negative = money leaves the account). `_at` is a moment
-- (timestamptz), `_on` a day in the bank's own zone, `_s` and `_days` are durations.

-- ---------------------------------------------------------------------------------------------------------------
-- FinMind's own tables (shape of its db/schema.sql; we write expenses, read users, bills and reminders)
-- ---------------------------------------------------------------------------------------------------------------

DO $$ BEGIN
  CREATE TYPE recurring_cadence AS ENUM ('DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY');
EXCEPTION WHEN duplicate_object THEN NULL; END $$;

DO $$ BEGIN
  CREATE TYPE bill_cadence AS ENUM ('MONTHLY', 'WEEKLY', 'YEARLY', 'ONCE');
EXCEPTION WHEN duplicate_object THEN NULL; END $$;

CREATE TABLE IF NOT EXISTS users (
  id SERIAL PRIMARY KEY,
  email VARCHAR(255) UNIQUE NOT NULL,
  password_hash VARCHAR(255) NOT NULL,
  preferred_currency VARCHAR(10) NOT NULL DEFAULT 'INR',
  role VARCHAR(20) NOT NULL DEFAULT 'USER',
  created_at TIMESTAMP NOT NULL DEFAULT NOW()
);

CREATE TABLE IF NOT EXISTS categories (
  id SERIAL PRIMARY KEY,
  user_id INT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  name VARCHAR(100) NOT NULL,
  created_at TIMESTAMP NOT NULL DEFAULT NOW()
);

DO $$ BEGIN
  IF to_regclass('recurring_expenses') IS NULL THEN
    CREATE TABLE recurring_expenses (
      id SERIAL PRIMARY KEY,
      user_id INT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
      category_id INT REFERENCES categories(id) ON DELETE SET NULL,
      amount NUMERIC(12,2) NOT NULL,
      currency VARCHAR(10) NOT NULL DEFAULT 'INR',
      expense_type VARCHAR(20) NOT NULL DEFAULT 'EXPENSE',
      notes VARCHAR(500) NOT NULL,
      cadence recurring_cadence NOT NULL,
      start_date DATE NOT NULL,
      end_date DATE,
      active BOOLEAN NOT NULL DEFAULT TRUE,
      created_at TIMESTAMP NOT NULL DEFAULT NOW()
    );
    CREATE INDEX idx_recurring_expenses_user_start ON recurring_expenses(user_id, start_date);
  END IF;
END $$;

DO $$ BEGIN
  IF to_regclass('expenses') IS NULL THEN
    CREATE TABLE expenses (
      id SERIAL PRIMARY KEY,
      user_id INT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
      category_id INT REFERENCES categories(id) ON DELETE SET NULL,
      amount NUMERIC(12,2) NOT NULL,
      currency VARCHAR(10) NOT NULL DEFAULT 'INR',
      expense_type VARCHAR(20) NOT NULL DEFAULT 'EXPENSE',
      notes VARCHAR(500),
      spent_at DATE NOT NULL DEFAULT CURRENT_DATE,
      source_recurring_id INT REFERENCES recurring_expenses(id) ON DELETE SET NULL,
      created_at TIMESTAMP NOT NULL DEFAULT NOW()
    );
    CREATE INDEX idx_expenses_user_spent_at ON expenses(user_id, spent_at DESC);
  END IF;
END $$;

DO $$ BEGIN
  IF to_regclass('bills') IS NULL THEN
    CREATE TABLE bills (
      id SERIAL PRIMARY KEY,
      user_id INT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
      name VARCHAR(200) NOT NULL,
      amount NUMERIC(12,2) NOT NULL,
      currency VARCHAR(10) NOT NULL DEFAULT 'INR',
      next_due_date DATE NOT NULL,
      cadence bill_cadence NOT NULL,
      autopay_enabled BOOLEAN NOT NULL DEFAULT FALSE,
      channel_whatsapp BOOLEAN NOT NULL DEFAULT FALSE,
      channel_email BOOLEAN NOT NULL DEFAULT TRUE,
      active BOOLEAN NOT NULL DEFAULT TRUE,
      created_at TIMESTAMP NOT NULL DEFAULT NOW()
    );
    CREATE INDEX idx_bills_user_due ON bills(user_id, next_due_date);
  END IF;
END $$;

DO $$ BEGIN
  IF to_regclass('reminders') IS NULL THEN
    CREATE TABLE reminders (
      id SERIAL PRIMARY KEY,
      user_id INT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
      bill_id INT REFERENCES bills(id) ON DELETE SET NULL,
      message VARCHAR(500) NOT NULL,
      send_at TIMESTAMP NOT NULL,
      sent BOOLEAN NOT NULL DEFAULT FALSE,
      channel VARCHAR(20) NOT NULL DEFAULT 'email'
    );
    CREATE INDEX idx_reminders_due ON reminders(user_id, sent, send_at);
  END IF;
END $$;

CREATE TABLE IF NOT EXISTS audit_logs (
  id SERIAL PRIMARY KEY,
  user_id INT REFERENCES users(id) ON DELETE SET NULL,
  action VARCHAR(100) NOT NULL,
  created_at TIMESTAMP NOT NULL DEFAULT NOW()
);

-- Ids that follow time (UUID version 7), so that new rows are neighbours in every index; Postgres 18 has its own.
CREATE OR REPLACE FUNCTION finmind_uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
    PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
    52, 1), 53, 1), 'hex')::uuid
$$;

-- ---------------------------------------------------------------------------------------------------------------
-- Connections: one user's authorised link through a connector
-- ---------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS bank_connections (
  id UUID PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  connector_name VARCHAR(50) NOT NULL,
  display_name VARCHAR(200) NOT NULL,
  institution_name VARCHAR(200),
  institution_chosen BOOLEAN NOT NULL DEFAULT FALSE,
  outage_scope VARCHAR(200) NOT NULL DEFAULT '',
  login_ref VARCHAR(255),
  linked_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  webhook_url VARCHAR(2048),
  webhook_seen_at TIMESTAMPTZ,
  new_accounts_at TIMESTAMPTZ,
  status VARCHAR(20) NOT NULL DEFAULT 'active',
  status_code VARCHAR(40),
  status_message VARCHAR(500),
  config_encrypted BYTEA,
  config_version INTEGER NOT NULL DEFAULT 1,
  config_key_id VARCHAR(64),
  config_sealed_at TIMESTAMPTZ,
  options JSONB NOT NULL DEFAULT '{}',
  link_epoch INTEGER NOT NULL DEFAULT 1,
  cursor TEXT,
  refresh_interval INTERVAL DEFAULT INTERVAL '24 hours',
  refresh_from_hour SMALLINT,
  refresh_until_hour SMALLINT,
  next_refresh_at TIMESTAMPTZ,
  rate_limited_until TIMESTAMPTZ,
  rate_limit_code VARCHAR(40),
  consent_expires_at TIMESTAMPTZ,
  consent_warned_days SMALLINT,
  consecutive_failures INTEGER NOT NULL DEFAULT 0,
  last_failure_code VARCHAR(40),
  last_failure_at TIMESTAMPTZ,
  last_good_run_id UUID,
  last_good_at TIMESTAMPTZ,
  answer_digest BYTEA,
  answer_run_id UUID,
  problem_code VARCHAR(40),
  problem_message VARCHAR(1000),
  problem_since_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- an unknown status would never be scheduled and never be shown as broken
  CONSTRAINT ck_bank_connections_status
    CHECK (status IN ('active', 'needs_user', 'paused', 'error', 'disconnected')),
  -- a removed connection must not keep a way into the bank; a live one must have it
  CONSTRAINT ck_bank_connections_config
    CHECK ((config_encrypted IS NULL) = (status = 'disconnected')),
  -- a blob whose key is not named can be neither rotated nor found when the key is retired
  CONSTRAINT ck_bank_connections_key
    CHECK ((config_encrypted IS NULL) = (config_key_id IS NULL)),
  -- an answer that is known again must name the run whose record is repeated
  CONSTRAINT ck_bank_connections_answer
    CHECK ((answer_digest IS NULL) = (answer_run_id IS NULL)),
  -- a problem without a beginning could not be shown by its age, nor told from one that is mended
  CONSTRAINT ck_bank_connections_problem CHECK ((problem_code IS NULL) = (problem_since_at IS NULL)),
  -- a zero or negative interval would make the scheduler spin on this connection
  CONSTRAINT ck_bank_connections_refresh_interval
    CHECK (refresh_interval IS NULL OR refresh_interval >= INTERVAL '1 minute'),
  -- half an hour range would silently mean "never" or "always"
  CONSTRAINT ck_bank_connections_refresh_hours
    CHECK ((refresh_from_hour IS NULL) = (refresh_until_hour IS NULL)
           AND refresh_from_hour BETWEEN 0 AND 23 AND refresh_until_hour BETWEEN 0 AND 23)
);
CREATE INDEX IF NOT EXISTS idx_bank_connections_user ON bank_connections(user_id);
-- an operator looks at one bank
CREATE INDEX IF NOT EXISTS idx_bank_connections_bank ON bank_connections(institution_name, connector_name)
  WHERE institution_name IS NOT NULL;
-- the operator's list, the newest first, and the few connections that need somebody
CREATE INDEX IF NOT EXISTS idx_bank_connections_in_order ON bank_connections(created_at, id);
CREATE INDEX IF NOT EXISTS idx_bank_connections_trouble ON bank_connections(created_at, id)
  WHERE status IN ('needs_user', 'error') OR consecutive_failures > 0
    OR (problem_code IS NOT NULL AND status <> 'disconnected');
-- the dispatcher's question: which active connections of a connector are due, and since when
CREATE INDEX IF NOT EXISTS idx_bank_connections_ready
  ON bank_connections(connector_name, (GREATEST(next_refresh_at, rate_limited_until)), id)
  WHERE status = 'active' AND next_refresh_at IS NOT NULL;
-- a provider's webhook names its own id of the login
CREATE INDEX IF NOT EXISTS idx_bank_connections_login_ref ON bank_connections(connector_name, login_ref)
  WHERE login_ref IS NOT NULL;
-- "does any blob still need this key" must not scan the table
CREATE INDEX IF NOT EXISTS idx_bank_connections_key ON bank_connections(config_key_id)
  WHERE config_key_id IS NOT NULL;

-- the person's account, above what lists it: connections, statement files and aggregators are its sources
CREATE TABLE IF NOT EXISTS bank_accounts (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  name VARCHAR(200) NOT NULL,
  institution_name VARCHAR(200),
  account_type VARCHAR(20) NOT NULL DEFAULT 'unknown',
  mask VARCHAR(10),
  currency VARCHAR(10),
  -- what never changes of it, as each of its sources calls it (`iban:…`, `hash:…`, `plaid:…`)
  anchors TEXT[] NOT NULL DEFAULT '{}',
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS idx_bank_accounts_user ON bank_accounts(user_id);

CREATE TABLE IF NOT EXISTS bank_connection_accounts (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  connection_id UUID NOT NULL REFERENCES bank_connections(id) ON DELETE CASCADE,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  external_id VARCHAR(255) NOT NULL,
  former_external_ids TEXT[] NOT NULL DEFAULT '{}',
  anchor VARCHAR(100),
  id_class VARCHAR(12),
  name VARCHAR(200) NOT NULL,
  institution_name VARCHAR(200),
  account_type VARCHAR(20) NOT NULL DEFAULT 'unknown',
  mask VARCHAR(10),
  currency VARCHAR(10),
  status VARCHAR(20) NOT NULL DEFAULT 'active',
  status_code VARCHAR(40),
  included BOOLEAN NOT NULL DEFAULT TRUE,
  inverted BOOLEAN NOT NULL DEFAULT FALSE,
  problem_code VARCHAR(40),
  problem_message VARCHAR(1000),
  problem_since_at TIMESTAMPTZ,
  balance_amount NUMERIC,
  balance_kind VARCHAR(20),
  balance_at TIMESTAMPTZ,
  opening_amount NUMERIC,
  opening_on DATE,
  opening_balance NUMERIC,
  opening_balance_on DATE,
  opening_pending NUMERIC NOT NULL DEFAULT 0,
  -- what was posted in the last day before the opening balance, in the last two, and so on
  opening_last_days NUMERIC[],
  cursor TEXT,
  watermark_on DATE,
  history_from_on DATE,
  history_complete BOOLEAN NOT NULL DEFAULT FALSE,
  lateness_days INTEGER NOT NULL DEFAULT 0,
  -- only workers of the version before read it; it goes with the next release
  same_as_account_id BIGINT REFERENCES bank_connection_accounts(id) ON DELETE SET NULL,
  days_at TIME,
  bank_account_id BIGINT REFERENCES bank_accounts(id) ON DELETE SET NULL,
  leads_from_on DATE,
  -- days after the first one that was read which the bank gave no more when they were due
  unread_days DATEMULTIRANGE NOT NULL DEFAULT '{}',
  -- of rows that state no currency, while the bank stated none of the account either
  currency_assumed VARCHAR(3),
  -- so many days back an answer told a posted row
  longest_reach_days INTEGER,
  -- so many days back the answers reach since one came without all older rows
  shortest_reach_days INTEGER,
  last_seen_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- two rows for one account would import every transaction twice
  CONSTRAINT uq_bank_connection_accounts_external_id UNIQUE (connection_id, external_id),
  -- an account listed under two ids but with one anchor is one account (re-link); one IBAN may hold several currencies
  CONSTRAINT uq_bank_connection_accounts_anchor UNIQUE (connection_id, anchor, currency),
  -- an unknown status would be imported, or left out, without anybody having decided so
  CONSTRAINT ck_bank_connection_accounts_status CHECK (status IN ('active', 'waiting', 'missing', 'unsupported', 'closed')),
  -- an unknown class would be treated as a stable id and double rows
  CONSTRAINT ck_bank_connection_accounts_id_class
    CHECK (id_class IS NULL OR id_class IN ('stable', 'session', 'positional', 'delivery', 'none')),
  -- an opening amount without its day proves nothing
  CONSTRAINT ck_bank_connection_accounts_opening CHECK ((opening_amount IS NULL) = (opening_on IS NULL)),
  -- a problem without a beginning could not be told from one that is mended
  CONSTRAINT ck_bank_connection_accounts_problem CHECK ((problem_code IS NULL) = (problem_since_at IS NULL)),
  -- a negative lateness would shorten the overlap and miss late rows
  CONSTRAINT ck_bank_connection_accounts_lateness CHECK (lateness_days >= 0)
);
CREATE INDEX IF NOT EXISTS idx_bank_connection_accounts_same_as ON bank_connection_accounts(same_as_account_id)
  WHERE same_as_account_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_bank_connection_accounts_user ON bank_connection_accounts(user_id);
CREATE INDEX IF NOT EXISTS idx_bank_connection_accounts_bank_account ON bank_connection_accounts(bank_account_id);

CREATE TABLE IF NOT EXISTS bank_link_attempts (
  id UUID PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  connector_name VARCHAR(50) NOT NULL,
  connection_id UUID REFERENCES bank_connections(id) ON DELETE CASCADE,
  renews BOOLEAN NOT NULL DEFAULT FALSE,
  state_hash BYTEA NOT NULL,
  status VARCHAR(12) NOT NULL DEFAULT 'started',
  provider_ref VARCHAR(255),
  details JSONB NOT NULL DEFAULT '{}',
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  expires_at TIMESTAMPTZ NOT NULL,
  finished_at TIMESTAMPTZ,
  -- a state names one attempt: a redirect that was forged or belongs to somebody else finds none
  CONSTRAINT uq_bank_link_attempts_state UNIQUE (state_hash),
  -- `exchanging` is left only by its own end: a code whose answer was lost is spent and never sent again
  CONSTRAINT ck_bank_link_attempts_status CHECK (status IN ('started', 'exchanging', 'linked', 'failed')),
  -- a linked attempt leads to its connection, so that a redirect loaded twice finds it instead of linking again
  CONSTRAINT ck_bank_link_attempts_linked CHECK (status <> 'linked' OR connection_id IS NOT NULL),
  -- an end without its time could not be told from an attempt that still goes on
  CONSTRAINT ck_bank_link_attempts_finished CHECK ((status IN ('linked', 'failed')) = (finished_at IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS idx_bank_link_attempts_user ON bank_link_attempts(user_id);
CREATE INDEX IF NOT EXISTS idx_bank_link_attempts_connection ON bank_link_attempts(connection_id)
  WHERE connection_id IS NOT NULL;
-- a link that ends outside of the web app is named by the provider's reference
CREATE INDEX IF NOT EXISTS idx_bank_link_attempts_provider_ref ON bank_link_attempts(connector_name, provider_ref)
  WHERE provider_ref IS NOT NULL;

-- ---------------------------------------------------------------------------------------------------------------
-- Runs: the run row is the work; a Celery message is only a nudge that carries its id
-- ---------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS bank_import_runs (
  id UUID PRIMARY KEY,
  connection_id UUID NOT NULL REFERENCES bank_connections(id) ON DELETE CASCADE,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  kind VARCHAR(10) NOT NULL,
  trigger VARCHAR(12) NOT NULL,
  account_external_id VARCHAR(255),
  from_on DATE,
  to_on DATE,
  dry_run BOOLEAN NOT NULL DEFAULT FALSE,
  reimport BOOLEAN NOT NULL DEFAULT FALSE,
  target_run_id UUID REFERENCES bank_import_runs(id) ON DELETE CASCADE,
  scheduled_for TIMESTAMPTZ,
  status VARCHAR(10) NOT NULL DEFAULT 'queued',
  code VARCHAR(40),
  message VARCHAR(1000),
  attempt SMALLINT NOT NULL DEFAULT 0,
  queued_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  not_before TIMESTAMPTZ,
  dispatched_at TIMESTAMPTZ,
  dispatch_count INTEGER NOT NULL DEFAULT 0,
  started_at TIMESTAMPTZ,
  heartbeat_at TIMESTAMPTZ,
  finished_at TIMESTAMPTZ,
  cancel_requested_at TIMESTAMPTZ,
  lease_token UUID,
  lease_expires_at TIMESTAMPTZ,
  worker_name VARCHAR(200),
  accounts_total INTEGER NOT NULL DEFAULT 0,
  accounts_done INTEGER NOT NULL DEFAULT 0,
  pages INTEGER NOT NULL DEFAULT 0,
  fetched INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL DEFAULT 0,
  updated INTEGER NOT NULL DEFAULT 0,
  unchanged INTEGER NOT NULL DEFAULT 0,
  linked INTEGER NOT NULL DEFAULT 0,
  removed INTEGER NOT NULL DEFAULT 0,
  rejected INTEGER NOT NULL DEFAULT 0,
  suggested INTEGER NOT NULL DEFAULT 0,
  delivered INTEGER NOT NULL DEFAULT 0,
  accounted INTEGER NOT NULL DEFAULT 0,
  read_from_on DATE,
  read_to_on DATE,
  part_days INTEGER,
  report JSONB NOT NULL DEFAULT '{}',
  trace_context VARCHAR(512),
  claimed_at TIMESTAMPTZ,
  requests JSONB,
  earlier_attempts JSONB,
  -- that of the connection; an older version writes none
  connector_name VARCHAR(50),
  -- a kind no task handles would wait for ever
  CONSTRAINT ck_bank_import_runs_kind CHECK (kind IN ('import', 'refresh', 'revert', 'replay', 'unmatch', 'move', 'dismiss', 'answer')),
  -- an unknown trigger would land in no queue
  CONSTRAINT ck_bank_import_runs_trigger CHECK (trigger IN ('user', 'schedule', 'webhook', 'retry')),
  -- an unknown status would be neither waiting, nor running, nor closed: nobody would look at it again
  CONSTRAINT ck_bank_import_runs_status
    CHECK (status IN ('queued', 'running', 'succeeded', 'partial', 'deferred', 'failed', 'cancelled')),
  -- a running run without a lease could never be recovered; a closed one with a lease could still be written to
  CONSTRAINT ck_bank_import_runs_lease
    CHECK ((status = 'running') = (lease_token IS NOT NULL)
           AND (lease_token IS NULL) = (lease_expires_at IS NULL)),
  -- a closed run says when and why
  CONSTRAINT ck_bank_import_runs_closed
    CHECK ((status IN ('succeeded', 'partial', 'failed', 'cancelled')) = (finished_at IS NOT NULL)
           AND (finished_at IS NULL OR code IS NOT NULL)),
  -- a deferred run without a time would wait for ever
  CONSTRAINT ck_bank_import_runs_deferred CHECK (status <> 'deferred' OR not_before IS NOT NULL),
  -- reversed days would fetch nothing and call it a success
  CONSTRAINT ck_bank_import_runs_window CHECK (from_on IS NULL OR to_on IS NULL OR from_on <= to_on),
  -- only a revert and a replay are about another run
  CONSTRAINT ck_bank_import_runs_target CHECK (kind NOT IN ('revert', 'replay') OR target_run_id IS NOT NULL),
  -- two schedulers, or one that was restarted, must not make two runs for one slot
  CONSTRAINT uq_bank_import_runs_slot UNIQUE (connection_id, scheduled_for)
);
-- two workers on one connection would fetch, decide and write against each other
CREATE UNIQUE INDEX IF NOT EXISTS uq_bank_import_runs_running ON bank_import_runs(connection_id)
  WHERE status = 'running';
-- impatient clicks and late ticks must not pile up: one waiting run answers them all
CREATE UNIQUE INDEX IF NOT EXISTS uq_bank_import_runs_waiting ON bank_import_runs(connection_id)
  WHERE status IN ('queued', 'deferred');
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_connection ON bank_import_runs(connection_id, queued_at DESC);
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_user ON bank_import_runs(user_id, queued_at DESC);
-- the operator's list: the newest runs of everybody, a page at a time; in the order of time, read backwards, because new
-- rows at the end of an index fill its pages
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_in_order ON bank_import_runs(queued_at, id);
-- an operator looks for what went wrong, or for one code, among very many runs that found nothing new
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_trouble ON bank_import_runs(code, queued_at, id)
  WHERE code NOT IN ('ok', 'nothing_new');
-- an operator looks for imports, reverts and replays; most runs are refreshes
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_kind ON bank_import_runs(kind, queued_at, id) WHERE kind <> 'refresh';
-- an operator sorts by length and by what changed; most runs are short and change nothing, and stand in neither
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_longest
  ON bank_import_runs((EXTRACT(EPOCH FROM finished_at - started_at)), queued_at, id)
  WHERE EXTRACT(EPOCH FROM finished_at - started_at) > 5;
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_message ON bank_import_runs(queued_at, id) WHERE message IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_most_changed
  ON bank_import_runs((created + updated + linked + removed), queued_at, id)
  WHERE created + updated + linked + removed > 0;
-- the dispatcher's questions: which runs of each connector are due and not published, and which messages were lost
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_fronts
  ON bank_import_runs((CASE trigger WHEN 'schedule' THEN 0 ELSE 1 END), (COALESCE(connector_name, '')),
                      (COALESCE(not_before, queued_at)))
  WHERE status IN ('queued', 'deferred') AND dispatched_at IS NULL;
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_published ON bank_import_runs(dispatched_at)
  WHERE status IN ('queued', 'deferred') AND dispatched_at IS NOT NULL;
-- what runs: for the reaper, and for how much a user has under way; a renewed lease changes no index
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_running ON bank_import_runs(user_id)
  WHERE status = 'running';
-- what ended lately, for the figures of a day; and what is old enough to go
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_finished ON bank_import_runs(finished_at)
  WHERE finished_at IS NOT NULL;
-- what the next hours or months may remove: runs that changed nothing, reports of dry runs
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_quiet ON bank_import_runs(finished_at)
  WHERE finished_at IS NOT NULL AND created + updated + linked + removed + rejected + suggested = 0 AND NOT dry_run;
-- what runs asked their banks, to be forgotten when they are old, though a run that changed something stays for ever
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_told ON bank_import_runs(finished_at)
  WHERE requests IS NOT NULL OR earlier_attempts IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_dry ON bank_import_runs(finished_at) WHERE dry_run;
-- a run that another one is about stays
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_target ON bank_import_runs(target_run_id)
  WHERE target_run_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS bank_import_run_accounts (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  run_id UUID NOT NULL REFERENCES bank_import_runs(id) ON DELETE CASCADE,
  account_id BIGINT NOT NULL REFERENCES bank_connection_accounts(id) ON DELETE CASCADE,
  from_on DATE,
  to_on DATE,
  status VARCHAR(10) NOT NULL,
  code VARCHAR(40) NOT NULL,
  message VARCHAR(1000),
  pages INTEGER NOT NULL DEFAULT 0,
  fetched INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL DEFAULT 0,
  updated INTEGER NOT NULL DEFAULT 0,
  unchanged INTEGER NOT NULL DEFAULT 0,
  linked INTEGER NOT NULL DEFAULT 0,
  removed INTEGER NOT NULL DEFAULT 0,
  rejected INTEGER NOT NULL DEFAULT 0,
  suggested INTEGER NOT NULL DEFAULT 0,
  delivered INTEGER NOT NULL DEFAULT 0,
  accounted INTEGER NOT NULL DEFAULT 0,
  -- empty: nothing writes it, and only workers of 0.3.0 read it; the release after this one may drop it
  cursor_before TEXT,
  cursor_after TEXT,
  balance_proof JSONB,
  finished_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- an account's part is closed when its row is written; it cannot be anything else
  CONSTRAINT ck_bank_import_run_accounts_status CHECK (status IN ('succeeded', 'partial', 'failed')),
  -- a resumed run updates its row of an account instead of reporting the account twice
  CONSTRAINT uq_bank_import_run_accounts UNIQUE (run_id, account_id)
);
-- the latest balance proof of an account, for the status screen
CREATE INDEX IF NOT EXISTS idx_bank_import_run_accounts_latest ON bank_import_run_accounts(account_id, id);

-- runs whose exchanges with the bank are kept, scrubbed, so that they can be run again elsewhere
CREATE TABLE IF NOT EXISTS bank_recordings (
  run_id UUID PRIMARY KEY REFERENCES bank_import_runs(id) ON DELETE CASCADE,
  connection_id UUID NOT NULL REFERENCES bank_connections(id) ON DELETE CASCADE,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  -- the secret by which the exchanges are scrubbed, the same for all recordings of a connection
  scrub_key BYTEA NOT NULL,
  -- the recording's file, gzip, or why there is none
  content BYTEA,
  problem VARCHAR(200),
  requested_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  finished_at TIMESTAMPTZ,
  -- a recording that ended with neither its content nor a reason would be waited for without end
  CONSTRAINT ck_bank_recordings_finished
    CHECK ((finished_at IS NOT NULL) = ((content IS NULL) <> (problem IS NULL)))
);
CREATE INDEX IF NOT EXISTS idx_bank_recordings_connection ON bank_recordings(connection_id, requested_at DESC);
CREATE INDEX IF NOT EXISTS idx_bank_recordings_user ON bank_recordings(user_id);

-- ---------------------------------------------------------------------------------------------------------------
-- Transactions: what the bank said, and its thread to what the user sees
-- ---------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS bank_transactions (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY (CACHE 1000) PRIMARY KEY,
  account_id BIGINT NOT NULL REFERENCES bank_connection_accounts(id) ON DELETE CASCADE,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  identity BYTEA NOT NULL,
  external_id VARCHAR(255),
  content_key BYTEA NOT NULL,
  occurrence INTEGER NOT NULL DEFAULT 0,
  fingerprint BYTEA NOT NULL,
  state VARCHAR(10) NOT NULL,
  absent_since_at TIMESTAMPTZ,
  stated_on DATE,
  effective_on DATE NOT NULL,
  booking_on DATE,
  value_on DATE,
  transaction_on DATE,
  amount NUMERIC NOT NULL,
  currency VARCHAR(10) NOT NULL,
  description TEXT NOT NULL,
  counterparty VARCHAR(500),
  counterparty_account VARCHAR(100),
  kind VARCHAR(20),
  pending_external_id VARCHAR(255),
  reference VARCHAR(255),
  stated_amounts JSONB,
  transfer_peer_id BIGINT REFERENCES bank_transactions(id) ON DELETE SET NULL,
  twin_id BIGINT REFERENCES bank_transactions(id) ON DELETE SET NULL,
  raw JSONB,
  expense_id BIGINT REFERENCES expenses(id) ON DELETE SET NULL,
  expense_state VARCHAR(10) NOT NULL,
  base_amount NUMERIC(12,2),
  base_currency VARCHAR(10),
  base_type VARCHAR(20),
  base_notes VARCHAR(500),
  base_spent_on DATE,
  base_category_id INTEGER,
  -- of a leg: what was last written as the expense of what its transfer cost
  base_cost JSONB,
  first_run_id UUID,
  first_decision VARCHAR(12) NOT NULL,
  first_reason VARCHAR(40) NOT NULL,
  last_run_id UUID,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- the last guard against a doubled row: one identity per account, whoever writes, however often
  CONSTRAINT uq_bank_transactions_identity UNIQUE (account_id, identity),
  -- an unknown state would be neither replaceable nor countable in the balance proof
  CONSTRAINT ck_bank_transactions_state CHECK (state IN ('pending', 'posted', 'removed')),
  -- `own`: we wrote the expense; `linked`: it was the user's before; NULL expense_id under these = the user deleted it.
  -- Without an expense: `none` (zero amount, hidden pending row), `transfer` (a leg: its expense is what the transfer
  -- cost, if anything), `twin` (another row has it), `reverted` (taken back). An unknown state would let a deleted
  -- expense return.
  CONSTRAINT ck_bank_transactions_expense_state
    CHECK (expense_state IN ('none', 'own', 'linked', 'transfer', 'twin', 'reverted')),
  -- a line without an expense must not keep a thread to one
  CONSTRAINT ck_bank_transactions_expense CHECK (expense_id IS NULL OR expense_state IN ('own', 'linked', 'transfer'))
);
-- one expense stands for one bank line: no match may consume it twice
CREATE UNIQUE INDEX IF NOT EXISTS uq_bank_transactions_expense ON bank_transactions(expense_id)
  WHERE expense_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_bank_transactions_account_day ON bank_transactions(account_id, effective_on);
CREATE INDEX IF NOT EXISTS idx_bank_transactions_pending ON bank_transactions(account_id)
  WHERE state = 'pending';
-- how many posted rows stand of which the bank's answers come without is asked at the end of every run
CREATE INDEX IF NOT EXISTS idx_bank_transactions_absent ON bank_transactions(account_id)
  WHERE absent_since_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_bank_transactions_first_run ON bank_transactions(first_run_id);
-- looking for the other leg of a transfer: same user, same day, opposite amount
CREATE INDEX IF NOT EXISTS idx_bank_transactions_user_day ON bank_transactions(user_id, effective_on);
CREATE INDEX IF NOT EXISTS idx_bank_transactions_peer ON bank_transactions(transfer_peer_id)
  WHERE transfer_peer_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_bank_transactions_twin ON bank_transactions(twin_id) WHERE twin_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS bank_transaction_aliases (
  account_id BIGINT NOT NULL REFERENCES bank_connection_accounts(id) ON DELETE CASCADE,
  identity BYTEA NOT NULL,
  transaction_id BIGINT NOT NULL REFERENCES bank_transactions(id) ON DELETE CASCADE,
  external_id VARCHAR(255),
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- an identity a row had before belongs to that row for ever, so that an old id that returns finds it
  PRIMARY KEY (account_id, identity)
);
CREATE INDEX IF NOT EXISTS idx_bank_transaction_aliases_transaction ON bank_transaction_aliases(transaction_id);

-- lineage: what a run decided about a row, why, and how the row was before
CREATE TABLE IF NOT EXISTS bank_transaction_changes (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  run_id UUID NOT NULL REFERENCES bank_import_runs(id) ON DELETE CASCADE,
  account_id BIGINT REFERENCES bank_connection_accounts(id) ON DELETE CASCADE,
  transaction_id BIGINT REFERENCES bank_transactions(id) ON DELETE CASCADE,
  decision VARCHAR(12) NOT NULL,
  reason VARCHAR(40) NOT NULL,
  detail JSONB NOT NULL DEFAULT '{}',
  before_image JSONB,
  reverted_by_run_id UUID,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS idx_bank_transaction_changes_run ON bank_transaction_changes(run_id, id);
CREATE INDEX IF NOT EXISTS idx_bank_transaction_changes_transaction ON bank_transaction_changes(transaction_id, id);
CREATE INDEX IF NOT EXISTS idx_bank_transaction_changes_account ON bank_transaction_changes(account_id);

CREATE TABLE IF NOT EXISTS bank_import_rejections (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  run_id UUID NOT NULL REFERENCES bank_import_runs(id) ON DELETE CASCADE,
  connection_id UUID NOT NULL REFERENCES bank_connections(id) ON DELETE CASCADE,
  account_id BIGINT REFERENCES bank_connection_accounts(id) ON DELETE CASCADE,
  identity BYTEA NOT NULL,
  external_id VARCHAR(255),
  code VARCHAR(40) NOT NULL,
  message VARCHAR(1000) NOT NULL,
  raw TEXT NOT NULL,
  resolved_at TIMESTAMPTZ,
  resolved_run_id UUID,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  dismissed_at TIMESTAMPTZ,
  dismissed_by VARCHAR(100),
  dismissed_why VARCHAR(500),
  dismissed_run_id UUID,
  -- who decided to leave a row out, and when, is told of every such decision
  CONSTRAINT ck_bank_import_rejections_dismissed
    CHECK (num_nonnulls(dismissed_at, dismissed_by, dismissed_why, dismissed_run_id) IN (0, 4)),
  -- a row the bank delivers broken every day is one rejection, not one a day
  CONSTRAINT uq_bank_import_rejections_identity UNIQUE NULLS NOT DISTINCT (connection_id, account_id, identity)
);
CREATE INDEX IF NOT EXISTS idx_bank_import_rejections_run ON bank_import_rejections(run_id);
CREATE INDEX IF NOT EXISTS idx_bank_import_rejections_account ON bank_import_rejections(account_id);

CREATE TABLE IF NOT EXISTS bank_match_suggestions (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  kind VARCHAR(12) NOT NULL,
  transaction_id BIGINT REFERENCES bank_transactions(id) ON DELETE CASCADE,
  expense_id BIGINT REFERENCES expenses(id) ON DELETE CASCADE,
  other_transaction_id BIGINT REFERENCES bank_transactions(id) ON DELETE CASCADE,
  account_id BIGINT REFERENCES bank_connection_accounts(id) ON DELETE CASCADE,
  other_account_id BIGINT REFERENCES bank_connection_accounts(id) ON DELETE CASCADE,
  run_id UUID REFERENCES bank_import_runs(id) ON DELETE SET NULL,
  reason VARCHAR(40) NOT NULL,
  detail JSONB NOT NULL DEFAULT '{}',
  status VARCHAR(10) NOT NULL DEFAULT 'open',
  decided_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- what accepting it replaced, whole: undoing the answer writes it again
  replaced JSONB,
  -- a kind nobody can decide on would stay open for ever
  CONSTRAINT ck_bank_match_suggestions_kind CHECK (
    kind IN ('expense', 'transfer', 'account', 'category', 'twin', 'takeover', 'withdrawn', 'balance')),
  -- an unknown status would hide the suggestion without an answer
  CONSTRAINT ck_bank_match_suggestions_status CHECK (status IN ('open', 'accepted', 'declined', 'obsolete')),
  -- a declined suggestion must not come back with every refresh
  CONSTRAINT uq_bank_match_suggestions UNIQUE NULLS NOT DISTINCT
    (kind, transaction_id, expense_id, other_transaction_id, account_id, other_account_id)
);
CREATE INDEX IF NOT EXISTS idx_bank_match_suggestions_open ON bank_match_suggestions(user_id, created_at)
  WHERE status = 'open';
CREATE INDEX IF NOT EXISTS idx_bank_match_suggestions_expense ON bank_match_suggestions(expense_id);
-- a run that goes lets go of its suggestions without reading them all
CREATE INDEX IF NOT EXISTS idx_bank_match_suggestions_run ON bank_match_suggestions(run_id) WHERE run_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_bank_match_suggestions_other ON bank_match_suggestions(other_transaction_id);

-- ---------------------------------------------------------------------------------------------------------------
-- Provider allowances, circuits, health
-- ---------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS bank_quota_usage (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  connector_name VARCHAR(50) NOT NULL,
  connection_id UUID REFERENCES bank_connections(id) ON DELETE CASCADE,
  account_external_id VARCHAR(255),
  endpoint VARCHAR(50) NOT NULL,
  window_s INTEGER NOT NULL,
  window_started_at TIMESTAMPTZ NOT NULL,
  window_ends_at TIMESTAMPTZ NOT NULL,
  calls_limit INTEGER NOT NULL,
  calls_used INTEGER NOT NULL DEFAULT 0,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- two workers that meet a new window must count into one row
  CONSTRAINT uq_bank_quota_usage_window UNIQUE NULLS NOT DISTINCT
    (connector_name, connection_id, account_external_id, endpoint, window_s, window_started_at),
  -- a negative count would hand out more calls than the provider allows
  CONSTRAINT ck_bank_quota_usage_calls CHECK (calls_used >= 0 AND calls_limit >= 0),
  -- a window that ends before it begins would never be exhausted, or never be free again
  CONSTRAINT ck_bank_quota_usage_window CHECK (window_s > 0 AND window_ends_at > window_started_at)
);
CREATE INDEX IF NOT EXISTS idx_bank_quota_usage_connection ON bank_quota_usage(connection_id, window_ends_at);
-- what is old enough to go
CREATE INDEX IF NOT EXISTS idx_bank_quota_usage_ended ON bank_quota_usage(window_ends_at);

CREATE TABLE IF NOT EXISTS bank_connector_circuits (
  connector_name VARCHAR(50) NOT NULL,
  -- a bank or a server of one's own; empty: the provider itself
  scope VARCHAR(200) NOT NULL DEFAULT '',
  state VARCHAR(10) NOT NULL DEFAULT 'closed',
  consecutive_failures INTEGER NOT NULL DEFAULT 0,
  failed_users INTEGER[] NOT NULL DEFAULT '{}',
  opened_at TIMESTAMPTZ,
  open_until TIMESTAMPTZ,
  trips INTEGER NOT NULL DEFAULT 0,
  last_code VARCHAR(40),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- an unknown state would neither let calls through nor try again
  CONSTRAINT ck_bank_connector_circuits_state CHECK (state IN ('closed', 'open', 'half_open')),
  -- an open circuit without an end would never be tried again
  CONSTRAINT ck_bank_connector_circuits_open CHECK (state = 'closed' OR open_until IS NOT NULL),
  -- two circuits of one bank would open and close past each other
  CONSTRAINT pk_bank_connector_circuits PRIMARY KEY (connector_name, scope)
);

-- public keys with which providers sign their webhooks: known again when the API was restarted
CREATE TABLE IF NOT EXISTS provider_webhook_keys (
  connector_name VARCHAR(50) NOT NULL,
  key_id VARCHAR(100) NOT NULL,
  key JSONB NOT NULL,
  fetched_at TIMESTAMPTZ NOT NULL,
  -- two keys under one id would let the older one verify
  CONSTRAINT pk_provider_webhook_keys PRIMARY KEY (connector_name, key_id)
);

-- what providers report by webhook: written before the answer, turned into runs by the dispatcher
CREATE TABLE IF NOT EXISTS provider_notices (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  connector_name VARCHAR(50) NOT NULL,
  login_ref VARCHAR(255) NOT NULL,
  action VARCHAR(20) NOT NULL,
  code VARCHAR(100) NOT NULL,
  account_external_id VARCHAR(255),
  reason VARCHAR(40),
  repaired BOOLEAN NOT NULL DEFAULT FALSE,
  works_until TIMESTAMPTZ,
  delivery_digest BYTEA NOT NULL,
  issued_at TIMESTAMPTZ NOT NULL,
  received_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  not_before TIMESTAMPTZ NOT NULL DEFAULT now(),
  user_id INTEGER REFERENCES users(id) ON DELETE CASCADE,
  secret_encrypted BYTEA,
  secret_version INTEGER NOT NULL DEFAULT 1,
  secret_key_id VARCHAR(64),
  secret_sealed_at TIMESTAMPTZ,
  handled_at TIMESTAMPTZ,
  result VARCHAR(20),
  run_id UUID,
  -- a delivery that is sent again, or replayed by a stranger, is one notice
  CONSTRAINT uq_provider_notices_delivery UNIQUE (delivery_digest),
  -- an action that nobody handles would wait for ever
  CONSTRAINT ck_provider_notices_action CHECK (action IN
    ('refresh', 'needs_user', 'access_ending', 'new_accounts', 'account_revoked', 'link_finished', 'none')),
  -- an end without its outcome could not be told from one that was lost
  CONSTRAINT ck_provider_notices_handled CHECK ((handled_at IS NULL) = (result IS NULL)),
  -- a one-time token without its key cannot be opened; one whose user is not known is nobody's
  CONSTRAINT ck_provider_notices_secret CHECK ((secret_encrypted IS NULL) = (secret_key_id IS NULL)
    AND (secret_encrypted IS NULL OR user_id IS NOT NULL AND handled_at IS NULL))
);
-- the dispatcher's question: which notices wait, and since when
CREATE INDEX IF NOT EXISTS idx_provider_notices_waiting ON provider_notices(not_before)
  WHERE handled_at IS NULL;
-- how much of one kind waits for a login: so many are enough
CREATE INDEX IF NOT EXISTS idx_provider_notices_login ON provider_notices(connector_name, login_ref, action)
  WHERE handled_at IS NULL;
-- runs that webhooks asked for lately, and notices that are old enough to go
CREATE INDEX IF NOT EXISTS idx_provider_notices_handled ON provider_notices(handled_at)
  WHERE handled_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_provider_notices_user ON provider_notices(user_id) WHERE user_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_provider_notices_key ON provider_notices(secret_key_id) WHERE secret_key_id IS NOT NULL;

-- what is known of each bank, counted from the records of runs; nothing here names a person but their number
CREATE TABLE IF NOT EXISTS institution_weather (
  connector_name VARCHAR(50) NOT NULL,
  institution VARCHAR(200) NOT NULL,
  score DOUBLE PRECISION NOT NULL DEFAULT 0,
  failed_users INTEGER[] NOT NULL DEFAULT '{}',
  answered INTEGER NOT NULL DEFAULT 0,
  failing_since_at TIMESTAMPTZ,
  outage_since_at TIMESTAMPTZ,
  last_code VARCHAR(40),
  last_good_at TIMESTAMPTZ,
  connections INTEGER NOT NULL DEFAULT 0,
  users INTEGER NOT NULL DEFAULT 0,
  fresh INTEGER NOT NULL DEFAULT 0,
  lateness_days INTEGER,
  -- two rows for one bank would tell two people different things
  CONSTRAINT pk_institution_weather PRIMARY KEY (connector_name, institution)
);

CREATE TABLE IF NOT EXISTS institution_days (
  connector_name VARCHAR(50) NOT NULL,
  institution VARCHAR(200) NOT NULL,
  day_on DATE NOT NULL,
  -- runs whose bank the provider named, and how many of them were good
  runs INTEGER NOT NULL DEFAULT 0,
  good INTEGER NOT NULL DEFAULT 0,
  -- of all its runs, as in run_activity; written once the day has ended
  succeeded INTEGER,
  partial INTEGER,
  failed INTEGER,
  cancelled INTEGER,
  rows_changed BIGINT,
  wait_p95_s DOUBLE PRECISION,
  run_p50_s DOUBLE PRECISION,
  run_p95_s DOUBLE PRECISION,
  connections INTEGER,
  fresh INTEGER,
  -- a day that is counted in two rows would be counted twice
  CONSTRAINT pk_institution_days PRIMARY KEY (connector_name, institution, day_on)
);

-- one row: up to which run the banks were observed, and before which day days are counted
CREATE TABLE IF NOT EXISTS institution_weather_progress (
  id BOOLEAN PRIMARY KEY DEFAULT TRUE,
  until_at TIMESTAMPTZ NOT NULL,
  figures_at TIMESTAMPTZ,
  days_until_on DATE,
  -- two places to go on from would count runs twice
  CONSTRAINT ck_institution_weather_progress_one CHECK (id)
);

CREATE TABLE IF NOT EXISTS worker_heartbeats (
  component VARCHAR(100) PRIMARY KEY,
  detail JSONB NOT NULL DEFAULT '{}',
  seen_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- what happened in each hour, kept when runs are thinned out: the charts of operators
CREATE TABLE IF NOT EXISTS run_activity (
  hour_at TIMESTAMPTZ NOT NULL,
  -- empty: all connectors together
  connector_name VARCHAR(50) NOT NULL,
  succeeded INTEGER NOT NULL DEFAULT 0,
  partial INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0,
  rows_changed BIGINT NOT NULL DEFAULT 0,
  wait_p95_s DOUBLE PRECISION,
  run_p50_s DOUBLE PRECISION,
  run_p95_s DOUBLE PRECISION,
  connections INTEGER,
  fresh INTEGER,
  -- of all connectors together: how the runs of the hour ended, and how many took and waited how long
  outcomes JSONB,
  run_seconds JSONB,
  wait_seconds JSONB,
  -- two passes at once must not count an hour twice
  CONSTRAINT pk_run_activity PRIMARY KEY (hour_at, connector_name)
);

CREATE TABLE IF NOT EXISTS credential_audit (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  at TIMESTAMPTZ NOT NULL DEFAULT now(),
  actor VARCHAR(100) NOT NULL,
  action VARCHAR(20) NOT NULL,
  table_name VARCHAR(63) NOT NULL,
  row_id VARCHAR(64) NOT NULL,
  user_id INTEGER,
  key_id VARCHAR(64),
  detail JSONB NOT NULL DEFAULT '{}',
  -- an action outside the list would be missing from every report on credentials
  CONSTRAINT ck_credential_audit_action
    CHECK (action IN ('sealed', 'opened', 'replaced', 'rotated', 'removed', 'revoked', 'refused', 'operated', 'viewed'))
);
CREATE INDEX IF NOT EXISTS idx_credential_audit_subject ON credential_audit(row_id);
CREATE INDEX IF NOT EXISTS idx_credential_audit_age ON credential_audit USING brin (at);

-- the openings by runs that are to be counted by week
CREATE INDEX IF NOT EXISTS idx_credential_audit_openings ON credential_audit(row_id)
  WHERE action = 'opened' AND starts_with(actor, 'run:');

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

-- a count takes the place of lines that were removed: only the functions that remove them may write one
CREATE OR REPLACE FUNCTION credential_audit_counts_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
    RAISE EXCEPTION 'only the functions of credential_audit write counts' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER credential_audit_counts BEFORE INSERT ON credential_audit
  FOR EACH ROW WHEN (NEW.actor IN ('runs', 'database')) EXECUTE FUNCTION credential_audit_counts_only();

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
    'credential_audit_is_append_only()', 'credential_audit_stays_counted()', 'credential_audit_counts_only()',
    'fold_audit_of_gone_users(integer)',
    'forget_credential_openings(interval, integer)', 'fold_credential_openings(text, integer)'
  ] LOOP
    EXECUTE 'ALTER FUNCTION ' || name || ' SET search_path = pg_catalog, ' || quote_ident(current_schema()) || ', pg_temp';
  END LOOP;
END $$;

-- ---------------------------------------------------------------------------------------------------------------
-- Webhooks: events are written in the transaction that makes them true; deliveries follow from rows
-- ---------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS webhook_subscriptions (
  id UUID PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  url VARCHAR(2048) NOT NULL,
  description VARCHAR(500),
  event_types TEXT[] NOT NULL,
  api_version VARCHAR(20) NOT NULL,
  status VARCHAR(10) NOT NULL DEFAULT 'active',
  status_code VARCHAR(40),
  secret_encrypted BYTEA NOT NULL,
  secret_version INTEGER NOT NULL DEFAULT 1,
  secret_key_id VARCHAR(64) NOT NULL,
  secret_sealed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  rate_limit_per_s INTEGER,
  rate_next_at TIMESTAMPTZ,
  breaker_until TIMESTAMPTZ,
  breaker_trips INTEGER NOT NULL DEFAULT 0,
  consecutive_failures INTEGER NOT NULL DEFAULT 0,
  first_failure_at TIMESTAMPTZ,
  last_failure_at TIMESTAMPTZ,
  last_success_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- an unknown status would neither deliver nor be shown as stopped
  CONSTRAINT ck_webhook_subscriptions_status CHECK (status IN ('active', 'paused', 'disabled', 'removed')),
  -- a limit of nothing would hold deliveries for ever
  CONSTRAINT ck_webhook_subscriptions_rate CHECK (rate_limit_per_s IS NULL OR rate_limit_per_s > 0),
  -- a subscription to nothing is a mistake, not a way to pause
  CONSTRAINT ck_webhook_subscriptions_event_types CHECK (cardinality(event_types) > 0)
);
CREATE INDEX IF NOT EXISTS idx_webhook_subscriptions_user ON webhook_subscriptions(user_id);
CREATE INDEX IF NOT EXISTS idx_webhook_subscriptions_key ON webhook_subscriptions(secret_key_id);

CREATE TABLE IF NOT EXISTS webhook_events (
  id UUID PRIMARY KEY DEFAULT finmind_uuid7(),
  sequence BIGINT GENERATED BY DEFAULT AS IDENTITY UNIQUE,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  subscription_id UUID REFERENCES webhook_subscriptions(id) ON DELETE CASCADE,
  type VARCHAR(60) NOT NULL,
  api_version VARCHAR(20) NOT NULL,
  data JSONB NOT NULL,
  dedup_key VARCHAR(200),
  occurred_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  fanned_out_at TIMESTAMPTZ
);
-- a tick that runs twice, or a caller that retries, announces one thing once
CREATE UNIQUE INDEX IF NOT EXISTS uq_webhook_events_dedup_key ON webhook_events(user_id, type, dedup_key)
  WHERE dedup_key IS NOT NULL;
-- the relay's question: which events were not fanned out yet
CREATE INDEX IF NOT EXISTS idx_webhook_events_relay ON webhook_events(sequence) WHERE fanned_out_at IS NULL;
CREATE INDEX IF NOT EXISTS idx_webhook_events_user ON webhook_events(user_id, sequence);
-- pruning by age costs imports nothing: rows come in the order of time, so a block range index is enough
CREATE INDEX IF NOT EXISTS idx_webhook_events_age ON webhook_events USING brin (occurred_at);
CREATE INDEX IF NOT EXISTS idx_webhook_events_subscription ON webhook_events(subscription_id)
  WHERE subscription_id IS NOT NULL;

-- events of other programs: the sender writes the row in its own transaction, because a message can be forged
CREATE TABLE IF NOT EXISTS webhook_inbox (
  id UUID PRIMARY KEY DEFAULT finmind_uuid7(),
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  type VARCHAR(60) NOT NULL,
  data JSONB NOT NULL,
  dedup_key VARCHAR(200),
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  refused_reason VARCHAR(500)
);
CREATE INDEX IF NOT EXISTS idx_webhook_inbox_user ON webhook_inbox(user_id);
CREATE INDEX IF NOT EXISTS idx_webhook_inbox_waiting ON webhook_inbox(created_at) WHERE refused_reason IS NULL;

-- an import of many expenses writes its events as one row, which the relay unpacks into webhook_events
CREATE TABLE IF NOT EXISTS webhook_event_batches (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  type VARCHAR(60) NOT NULL,
  api_version VARCHAR(20) NOT NULL,
  items JSONB NOT NULL,
  occurred_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
-- kept for a second: compressing it would cost the import more than the disk
ALTER TABLE webhook_event_batches ALTER COLUMN items SET STORAGE EXTERNAL;
CREATE INDEX IF NOT EXISTS idx_webhook_event_batches_user ON webhook_event_batches(user_id);

CREATE TABLE IF NOT EXISTS webhook_deliveries (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  event_id UUID NOT NULL REFERENCES webhook_events(id) ON DELETE CASCADE,
  subscription_id UUID NOT NULL REFERENCES webhook_subscriptions(id) ON DELETE CASCADE,
  replay INTEGER NOT NULL DEFAULT 0,
  state VARCHAR(10) NOT NULL DEFAULT 'pending',
  attempt INTEGER NOT NULL DEFAULT 0,
  next_attempt_at TIMESTAMPTZ,
  lease_token UUID,
  lease_expires_at TIMESTAMPTZ,
  last_status_code SMALLINT,
  last_code VARCHAR(40),
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  finished_at TIMESTAMPTZ,
  -- two relays at once fan an event out once; a replay is a delivery of its own
  CONSTRAINT uq_webhook_deliveries_event UNIQUE (event_id, subscription_id, replay),
  -- an unknown state would be neither sent nor dead: a lost event
  CONSTRAINT ck_webhook_deliveries_state CHECK (state IN ('pending', 'leased', 'delivered', 'dead', 'cancelled')),
  -- a waiting delivery without a time would wait for ever
  CONSTRAINT ck_webhook_deliveries_due CHECK (state NOT IN ('pending', 'leased') OR next_attempt_at IS NOT NULL),
  -- a leased delivery without a token or an end could never be taken over; a free one with a token could be
  -- recorded twice
  CONSTRAINT ck_webhook_deliveries_lease
    CHECK ((state = 'leased') = (lease_token IS NOT NULL) AND (lease_token IS NULL) = (lease_expires_at IS NULL)),
  -- an end without a time, or a time without an end, would be pruned too early or never
  CONSTRAINT ck_webhook_deliveries_finished
    CHECK ((state IN ('delivered', 'dead', 'cancelled')) = (finished_at IS NOT NULL))
);
-- the dispatcher's question: which subscriptions have something waiting, and what is their oldest
CREATE INDEX IF NOT EXISTS idx_webhook_deliveries_turn ON webhook_deliveries(subscription_id, next_attempt_at, id)
  WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS idx_webhook_deliveries_leased ON webhook_deliveries(subscription_id, lease_expires_at)
  WHERE state = 'leased';
-- dead letters are few among very many that were delivered
CREATE INDEX IF NOT EXISTS idx_webhook_deliveries_dead ON webhook_deliveries(id) WHERE state = 'dead';
CREATE INDEX IF NOT EXISTS idx_webhook_deliveries_subscription ON webhook_deliveries(subscription_id, id DESC);

CREATE TABLE IF NOT EXISTS webhook_attempts (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  delivery_id BIGINT NOT NULL REFERENCES webhook_deliveries(id) ON DELETE CASCADE,
  -- that of the delivery, by which an attempt can lie in a partition; NULL in attempts of workers of the version before
  event_id UUID,
  attempt INTEGER NOT NULL,
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  finished_at TIMESTAMPTZ,
  status_code SMALLINT,
  code VARCHAR(40),
  duration_ms INTEGER,
  response_head TEXT
);
CREATE INDEX IF NOT EXISTS idx_webhook_attempts_delivery ON webhook_attempts(delivery_id, id);

CREATE TABLE IF NOT EXISTS reminder_deliveries (
  reminder_id INTEGER PRIMARY KEY REFERENCES reminders(id) ON DELETE CASCADE,
  state VARCHAR(10) NOT NULL DEFAULT 'pending',
  attempt INTEGER NOT NULL DEFAULT 0,
  next_attempt_at TIMESTAMPTZ,
  lease_token UUID,
  lease_expires_at TIMESTAMPTZ,
  last_code VARCHAR(40),
  sent_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- an unknown state would be neither sent nor dead: a lost reminder
  CONSTRAINT ck_reminder_deliveries_state CHECK (state IN ('pending', 'leased', 'sent', 'dead')),
  -- FinMind's `reminders.sent` follows this row and never runs ahead of it
  CONSTRAINT ck_reminder_deliveries_sent CHECK ((state = 'sent') = (sent_at IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS idx_reminder_deliveries_due ON reminder_deliveries(next_attempt_at)
  WHERE state IN ('pending', 'leased');

-- ---------------------------------------------------------------------------------------------------------------
-- The web app's door
-- ---------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS idempotency_keys (
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  key VARCHAR(255) NOT NULL,
  fingerprint BYTEA NOT NULL,
  status_code SMALLINT,
  headers JSONB,
  body JSONB,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- the same key sent twice at once is one request
  PRIMARY KEY (user_id, key)
);
CREATE INDEX IF NOT EXISTS idx_idempotency_keys_age ON idempotency_keys(created_at);

CREATE TABLE IF NOT EXISTS user_preferences (
  user_id INTEGER PRIMARY KEY REFERENCES users(id) ON DELETE CASCADE,
  timezone VARCHAR(64) NOT NULL DEFAULT 'UTC',
  warn_by_mail BOOLEAN NOT NULL DEFAULT TRUE,
  last_seen_at TIMESTAMPTZ,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- e-mails that warn a person of a consent that ends, or say that a bank needs them
CREATE TABLE IF NOT EXISTS connection_warnings (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  connection_id UUID NOT NULL REFERENCES bank_connections(id) ON DELETE CASCADE,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  kind VARCHAR(20) NOT NULL,
  cause VARCHAR(120) NOT NULL,
  consent_expires_at TIMESTAMPTZ,
  state VARCHAR(10) NOT NULL DEFAULT 'pending',
  attempt INTEGER NOT NULL DEFAULT 0,
  next_attempt_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  lease_token UUID,
  last_code VARCHAR(40),
  sent_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- a person is told of one cause once, however often it is met
  CONSTRAINT uq_connection_warnings_cause UNIQUE (connection_id, cause),
  -- a kind without words could not be sent
  CONSTRAINT ck_connection_warnings_kind CHECK (kind IN ('consent_ends', 'needs_user')),
  -- an unknown state would be neither sent nor given up
  CONSTRAINT ck_connection_warnings_state CHECK (state IN ('pending', 'leased', 'sent', 'dead', 'obsolete')),
  -- what was sent says when
  CONSTRAINT ck_connection_warnings_sent CHECK ((state = 'sent') = (sent_at IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS idx_connection_warnings_due ON connection_warnings(next_attempt_at)
  WHERE state IN ('pending', 'leased');
CREATE INDEX IF NOT EXISTS idx_connection_warnings_user ON connection_warnings(user_id);

-- ---------------------------------------------------------------------------------------------------------------
-- Partitions: idle until an operator runs `finmind-worker db partition` (docs/decisions/0018-partitions.md)
-- ---------------------------------------------------------------------------------------------------------------

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

-- ---------------------------------------------------------------------------------------------------------------
-- Storage: room for updates in place where rows are updated often, and vacuum before dead rows are a fifth of a table
-- ---------------------------------------------------------------------------------------------------------------

ALTER TABLE bank_connections SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE bank_connection_accounts SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE bank_import_runs SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE bank_import_run_accounts SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE bank_transactions SET (fillfactor = 95, autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE bank_quota_usage SET (fillfactor = 70);
ALTER TABLE worker_heartbeats SET (fillfactor = 50);
ALTER TABLE credential_audit SET (autovacuum_vacuum_scale_factor = 0.05,
  autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE webhook_events SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE webhook_deliveries SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
