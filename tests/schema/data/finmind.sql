-- A FinMind database that lived a while: its schema.sql, the columns its releases added, tables of its own, and rows.
CREATE TYPE recurring_cadence AS ENUM ('DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY');
CREATE TYPE bill_cadence AS ENUM ('MONTHLY', 'WEEKLY', 'YEARLY', 'ONCE');

CREATE TABLE users (
  id SERIAL PRIMARY KEY,
  email VARCHAR(255) UNIQUE NOT NULL,
  password_hash VARCHAR(255) NOT NULL,
  preferred_currency VARCHAR(10) NOT NULL DEFAULT 'USD',
  role VARCHAR(20) NOT NULL DEFAULT 'USER',
  created_at TIMESTAMP NOT NULL DEFAULT NOW(),
  phone VARCHAR(30)
);
CREATE TABLE categories (
  id SERIAL PRIMARY KEY,
  user_id INT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  name VARCHAR(100) NOT NULL,
  created_at TIMESTAMP NOT NULL DEFAULT NOW(),
  colour VARCHAR(7) NOT NULL DEFAULT '#888888',
  UNIQUE (user_id, name)
);
CREATE TABLE recurring_expenses (
  id SERIAL PRIMARY KEY,
  user_id INT NOT NULL REFERENCES users(id),
  category_id INT REFERENCES categories(id),
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
CREATE TABLE expenses (
  id SERIAL PRIMARY KEY,
  user_id INT NOT NULL REFERENCES users(id),
  category_id INT REFERENCES categories(id),
  amount NUMERIC(12,2) NOT NULL,
  currency VARCHAR(10) NOT NULL DEFAULT 'INR',
  expense_type VARCHAR(20) NOT NULL DEFAULT 'EXPENSE',
  notes VARCHAR(500),
  spent_at DATE NOT NULL DEFAULT CURRENT_DATE,
  source_recurring_id INT REFERENCES recurring_expenses(id),
  created_at TIMESTAMP NOT NULL DEFAULT NOW(),
  receipt_url TEXT,
  split_share NUMERIC(5,2) NOT NULL DEFAULT 100,
  CONSTRAINT expenses_amount_is_positive CHECK (amount >= 0)
);
CREATE INDEX ix_expenses_notes ON expenses(user_id, notes);
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
CREATE TABLE reminders (
  id SERIAL PRIMARY KEY,
  user_id INT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  bill_id INT REFERENCES bills(id) ON DELETE SET NULL,
  message VARCHAR(500) NOT NULL,
  send_at TIMESTAMP NOT NULL,
  sent BOOLEAN NOT NULL DEFAULT FALSE,
  channel VARCHAR(20) NOT NULL DEFAULT 'email'
);
CREATE TABLE audit_logs (
  id SERIAL PRIMARY KEY,
  user_id INT REFERENCES users(id) ON DELETE SET NULL,
  action VARCHAR(100) NOT NULL,
  created_at TIMESTAMP NOT NULL DEFAULT NOW(),
  details JSONB
);
CREATE TABLE ad_impressions (id SERIAL PRIMARY KEY, user_id INT REFERENCES users(id), placement VARCHAR(100) NOT NULL);
CREATE TABLE subscription_plans (id SERIAL PRIMARY KEY, name VARCHAR(50) NOT NULL, price_cents INT NOT NULL);

INSERT INTO users (email, password_hash, preferred_currency)
  VALUES ('ada@example.test', 'x', 'EUR'), ('bo@example.test', 'y', 'INR');
INSERT INTO categories (user_id, name) VALUES (1, 'Food'), (1, 'Rent'), (2, 'Food');
INSERT INTO recurring_expenses (user_id, category_id, amount, notes, cadence, start_date)
  VALUES (1, 2, 900, 'Rent', 'MONTHLY', '2026-01-01');
INSERT INTO expenses (user_id, category_id, amount, currency, expense_type, notes, spent_at, source_recurring_id)
  VALUES (1, 1, 3.80, 'EUR', 'EXPENSE', 'Coffee', '2026-10-01', NULL), (1, 2, 900, 'EUR', 'EXPENSE', 'Rent', '2026-10-01', 1),
         (2, NULL, 50000, 'INR', 'INCOME', 'Salary', '2026-10-31', NULL);
INSERT INTO bills (user_id, name, amount, next_due_date, cadence) VALUES (1, 'Power', 60, '2026-12-01', 'MONTHLY');
INSERT INTO reminders (user_id, bill_id, message, send_at) VALUES (1, 1, 'Power is due', '2026-11-30 09:00');
INSERT INTO audit_logs (user_id, action) VALUES (1, 'login');
INSERT INTO ad_impressions (user_id, placement) VALUES (1, 'dashboard');
INSERT INTO subscription_plans (name, price_cents) VALUES ('free', 0);
