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

-- ---------------------------------------------------------------------------------------------------------------
-- Connections: one user's authorised link through a connector
-- ---------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS bank_connections (
  id UUID PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  connector_name VARCHAR(50) NOT NULL,
  display_name VARCHAR(200) NOT NULL,
  institution_name VARCHAR(200),
  outage_scope VARCHAR(200) NOT NULL DEFAULT '',
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
-- the dispatcher's question: which active connections of a connector are due, and since when
CREATE INDEX IF NOT EXISTS idx_bank_connections_ready
  ON bank_connections(connector_name, (GREATEST(next_refresh_at, rate_limited_until)), id)
  WHERE status = 'active' AND next_refresh_at IS NOT NULL;
-- "does any blob still need this key" must not scan the table
CREATE INDEX IF NOT EXISTS idx_bank_connections_key ON bank_connections(config_key_id)
  WHERE config_key_id IS NOT NULL;

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
  cursor TEXT,
  watermark_on DATE,
  history_from_on DATE,
  history_complete BOOLEAN NOT NULL DEFAULT FALSE,
  lateness_days INTEGER NOT NULL DEFAULT 0,
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
CREATE INDEX IF NOT EXISTS idx_bank_connection_accounts_user ON bank_connection_accounts(user_id);

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
-- a provider's webhook names its own id of the login
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
  report JSONB NOT NULL DEFAULT '{}',
  trace_context VARCHAR(512),
  -- a kind no task handles would wait for ever
  CONSTRAINT ck_bank_import_runs_kind CHECK (kind IN ('import', 'refresh', 'revert', 'replay')),
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
  CONSTRAINT ck_bank_import_runs_target CHECK (kind IN ('import', 'refresh') OR target_run_id IS NOT NULL),
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
-- the operator's list: the newest runs of everybody, a page at a time
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_newest ON bank_import_runs(queued_at DESC, id DESC);
-- the dispatcher's questions: which runs are due and not published, and which messages were lost
CREATE INDEX IF NOT EXISTS idx_bank_import_runs_due
  ON bank_import_runs((CASE trigger WHEN 'schedule' THEN 0 ELSE 1 END), (COALESCE(not_before, queued_at)))
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
  expense_id INTEGER REFERENCES expenses(id) ON DELETE SET NULL,
  expense_state VARCHAR(10) NOT NULL,
  base_amount NUMERIC(12,2),
  base_currency VARCHAR(10),
  base_type VARCHAR(20),
  base_notes VARCHAR(500),
  base_spent_on DATE,
  base_category_id INTEGER,
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
  -- Without an expense: `none` (zero amount, hidden pending row), `transfer` (a leg), `twin` (another connection has
  -- it), `reverted` (taken back). An unknown state would let a deleted expense return.
  CONSTRAINT ck_bank_transactions_expense_state
    CHECK (expense_state IN ('none', 'own', 'linked', 'transfer', 'twin', 'reverted')),
  -- a line without an expense must not keep a thread to one
  CONSTRAINT ck_bank_transactions_expense CHECK (expense_id IS NULL OR expense_state IN ('own', 'linked'))
);
-- one expense stands for one bank line: no match may consume it twice
CREATE UNIQUE INDEX IF NOT EXISTS uq_bank_transactions_expense ON bank_transactions(expense_id)
  WHERE expense_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_bank_transactions_account_day ON bank_transactions(account_id, effective_on);
CREATE INDEX IF NOT EXISTS idx_bank_transactions_pending ON bank_transactions(account_id)
  WHERE state = 'pending';
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
  expense_id INTEGER REFERENCES expenses(id) ON DELETE CASCADE,
  other_transaction_id BIGINT REFERENCES bank_transactions(id) ON DELETE CASCADE,
  account_id BIGINT REFERENCES bank_connection_accounts(id) ON DELETE CASCADE,
  other_account_id BIGINT REFERENCES bank_connection_accounts(id) ON DELETE CASCADE,
  run_id UUID REFERENCES bank_import_runs(id) ON DELETE SET NULL,
  reason VARCHAR(40) NOT NULL,
  detail JSONB NOT NULL DEFAULT '{}',
  status VARCHAR(10) NOT NULL DEFAULT 'open',
  decided_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- a kind nobody can decide on would stay open for ever
  CONSTRAINT ck_bank_match_suggestions_kind CHECK (kind IN ('expense', 'transfer', 'account', 'category')),
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

CREATE TABLE IF NOT EXISTS worker_heartbeats (
  component VARCHAR(100) PRIMARY KEY,
  detail JSONB NOT NULL DEFAULT '{}',
  seen_at TIMESTAMPTZ NOT NULL DEFAULT now()
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
CREATE INDEX IF NOT EXISTS idx_credential_audit_row ON credential_audit(table_name, row_id, id);
CREATE INDEX IF NOT EXISTS idx_credential_audit_age ON credential_audit USING brin (at);

-- who touched a credential must stay on record, whatever a later bug or intruder would prefer; only that a credential
-- was opened, which every refresh does, may be forgotten, after 90 days at the earliest
CREATE OR REPLACE FUNCTION credential_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.action = 'opened' AND OLD.at < now() - INTERVAL '90 days' THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION 'credential_audit is append-only';
END $$;
CREATE OR REPLACE TRIGGER credential_audit_append_only BEFORE UPDATE OR DELETE ON credential_audit
  FOR EACH ROW EXECUTE FUNCTION credential_audit_is_append_only();
CREATE OR REPLACE TRIGGER credential_audit_not_truncated BEFORE TRUNCATE ON credential_audit
  FOR EACH STATEMENT EXECUTE FUNCTION credential_audit_is_append_only();

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
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
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
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
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
CREATE INDEX IF NOT EXISTS idx_webhook_deliveries_subscription ON webhook_deliveries(subscription_id, id DESC);

CREATE TABLE IF NOT EXISTS webhook_attempts (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  delivery_id BIGINT NOT NULL REFERENCES webhook_deliveries(id) ON DELETE CASCADE,
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
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
