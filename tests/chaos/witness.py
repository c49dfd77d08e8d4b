"""A witness inside the database: it knows who holds each run, and notes every write that somebody else commits.

A holder is the process whose claim gave the run its present lease. The witness looks in the writing transaction itself:
what is rolled back is no offence, and nothing depends on the fence of the product.
"""

from sqlalchemy import Engine, text

from worker.db.engine import Sessions

_INSTALL = """
CREATE TABLE chaos_holders (run_id uuid PRIMARY KEY, holder text NOT NULL, claims int NOT NULL DEFAULT 1);
CREATE TABLE chaos_offences (run_id uuid, holder text, writer text, what text, at timestamptz DEFAULT now());

CREATE FUNCTION chaos_judge(of_run uuid, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos_offences (run_id, holder, writer, what)
  SELECT h.run_id, h.holder, current_setting('application_name'), what FROM chaos_holders h
  WHERE h.run_id = of_run AND h.holder <> current_setting('application_name');
END $$;

CREATE FUNCTION chaos_claimed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos_holders (run_id, holder) VALUES (NEW.id, current_setting('application_name'))
  ON CONFLICT (run_id) DO UPDATE SET holder = excluded.holder, claims = chaos_holders.claims + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_claimed AFTER UPDATE ON bank_import_runs FOR EACH ROW
  WHEN (NEW.lease_token IS NOT NULL AND NEW.lease_token IS DISTINCT FROM OLD.lease_token)
  EXECUTE FUNCTION chaos_claimed();

-- The reaper may end a lease that ran out, and nobody else's.
CREATE FUNCTION chaos_released() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM chaos_judge(NEW.id, 'ended a lease that was not its own');
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_released AFTER UPDATE ON bank_import_runs FOR EACH ROW
  WHEN (OLD.lease_token IS NOT NULL AND NEW.lease_token IS NULL AND OLD.lease_expires_at >= now())
  EXECUTE FUNCTION chaos_released();

CREATE FUNCTION chaos_wrote() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM chaos_judge(coalesce(NEW.last_run_id, NEW.first_run_id), 'wrote a transaction');
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_created AFTER INSERT ON bank_transactions FOR EACH ROW EXECUTE FUNCTION chaos_wrote();
CREATE TRIGGER chaos_changed AFTER UPDATE ON bank_transactions FOR EACH ROW
  WHEN (NEW.last_run_id IS DISTINCT FROM OLD.last_run_id) EXECUTE FUNCTION chaos_wrote();

CREATE FUNCTION chaos_accounted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM chaos_judge(NEW.run_id, 'wrote an account of the run');
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_accounted AFTER INSERT OR UPDATE ON bank_import_run_accounts
  FOR EACH ROW EXECUTE FUNCTION chaos_accounted();
"""


def install(engine: Engine) -> None:
    """Put the witness into a database that has the schema and no runs yet."""
    with engine.begin() as connection:
        connection.execute(text(_INSTALL.replace(":", r"\:")))


def offences(sessions: Sessions) -> list[str]:
    """Return every committed write for a run by a process that did not hold it."""
    with sessions() as session:
        rows = session.execute(text("SELECT * FROM chaos_offences ORDER BY at"))
        return [f"{row.writer} {row.what} of {row.run_id}, held by {row.holder}" for row in rows]


def claims(sessions: Sessions) -> int:
    """Return how many claims the witness saw."""
    with sessions() as session:
        return int(session.execute(text("SELECT coalesce(sum(claims), 0) FROM chaos_holders")).scalar_one())
