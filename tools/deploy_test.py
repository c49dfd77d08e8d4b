"""The deployment, tried on the Docker engine of this machine: from nothing to a restored backup, as one story.

python -m tools.deploy_test    prints a table of what was done, and exits with 1 at the first step that fails

It works on a copy of the checkout with secrets of its own, and refuses to run where the worker is deployed already.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.deployment import SERVICES, Deployment, StepError, ask, until, watched_api
from worker.migrations.chain import open_chain

ROOT = Path(__file__).resolve().parent.parent
UPLOADS = 3
UPLOAD_BYTES = 32 * 1024 * 1024 - 4096
ROW_BYTES = 2000
BACKUP = "/var/lib/postgresql/backup"
# Whoever asks while a server starts or ends is told so as FATAL; the healthcheck does.
_POSTGRES_ERROR = re.compile(r"\b(ERROR|FATAL|PANIC):  (?!the database system is (starting up|shutting down))")


def deploy(deployment: Deployment) -> None:
    """`make deploy` from nothing: image, secrets, schema, nine healthy containers."""
    deployment.run("deploy/up")
    size = int(deployment.run("docker", "image", "inspect", "--format", "{{.Size}}", "finmind-worker:latest"))
    deployment.notes.append(f"image {size / 1e6:.0f} MB with its base")
    if set(deployment.containers().values()) != set(SERVICES):
        raise StepError(f"running: {deployment.containers()}")
    deployment.notes.append(f"{len(SERVICES) + 2} containers are healthy")


def import_a_bank(deployment: Deployment) -> None:
    """A user of FinMind connects a made-up bank and imports it; the run is followed to its end."""
    users = "SELECT number || '@example.test', 'x' FROM generate_series(1, 9) AS number"
    deployment.sql(f"INSERT INTO users (email, password_hash) {users}")
    told = deployment.worker("import", deployment.connect(), "--wait")
    deployment.notes.append(told.strip().splitlines()[-1])
    if "all is well" not in (told := deployment.worker("status")):
        raise StepError(told)


def upload_files(deployment: Deployment) -> None:
    """Three people upload files just below the limit at once."""
    rows = UPLOAD_BYTES // ROW_BYTES - 1
    tokens = [deployment.worker("token", "--user", str(2 + number)).strip() for number in range(UPLOADS)]
    before = int(deployment.sql("SELECT count(*) FROM expenses"))

    def upload(number: int) -> int:
        named = f'Content-Disposition: form-data; name="file"; filename="{number}.csv"'
        form = f"--part\r\n{named}\r\n\r\n{statement(number, rows)}\r\n--part--\r\n".encode()
        return ask("/bank-connections/files", tokens[number], body=form, kind="multipart/form-data; boundary=part")[0]

    with ThreadPoolExecutor(UPLOADS) as people:
        answers = list(people.map(upload, range(UPLOADS)))
    deployment.notes.append(f"answers {answers}")
    if set(answers) != {202}:
        raise StepError(f"answers: {answers}")
    waiting = "SELECT count(*) FROM bank_import_runs WHERE status IN ('queued', 'running', 'deferred') AND NOT dry_run"
    took_s = until("the uploads are imported", lambda: deployment.sql(waiting) == "0")
    ends = deployment.sql("SELECT string_agg(DISTINCT status || ' ' || code, ', ') FROM bank_import_runs")
    imported = int(deployment.sql("SELECT count(*) FROM expenses")) - before
    deployment.notes.append(f"{imported} rows imported in {took_s:.0f} s; runs: {ends}")
    if imported < UPLOADS * rows or "failed" in ends:
        raise StepError(f"{imported} rows; runs ended as {ends}")


def statement(number: int, rows: int) -> str:
    """Return a CSV file of so many rows, each ROW_BYTES long and unlike any other."""
    lines = (
        f"2026-01-{row % 28 + 1:02},Shop {number} {row} ".ljust(ROW_BYTES - 13, "x")
        + f",-{row % 900 + 100}.{row % 100:02},EUR\n"
        for row in range(rows)
    )
    return "Date,Description,Amount,Currency\n" + "".join(lines)


def kill_a_worker(deployment: Deployment) -> None:
    """A worker is killed in the middle of an import; the run goes on and ends with every row."""
    connection = deployment.connect(mode="large", rows=40_000, accounts=1)
    run = deployment.worker("import", connection).split()[-1]
    status = f"SELECT status FROM bank_import_runs WHERE id = '{run}'"  # noqa: S608 - our own id
    until("the import runs", lambda: deployment.sql(status) == "running", timeout_s=60)
    kill = "import os, signal; os.kill(int(open('/proc/1/task/1/children').read().split()[0]), signal.SIGKILL)"
    deployment.compose("exec", "-T", "worker-interactive", "python", "-c", kill)
    took_s = until("the run ends", lambda: deployment.sql(status) not in {"running", "queued"})
    deployment.notes.append(f"the run ended as {deployment.sql(status)} {took_s:.0f} s after the kill")
    if deployment.sql(status) != "succeeded":
        raise StepError(deployment.worker("runs", "show", run))


def upgrade(deployment: Deployment) -> None:
    """An upgrade during an import: a migration, a changed secret, a scaled service."""
    deployment.compose("up", "--detach", "--no-deps", "--wait", "--scale", "worker-scheduled=2", "worker-scheduled")
    connection = deployment.connect(mode="large", rows=80_000, accounts=1, seed="upgrade")
    run = deployment.worker("import", connection).split()[-1]
    (deployment.home / "deploy" / "secrets" / "jwt_secret").write_text(
        "another secret of more than thirty-two characters\n"
    )
    deployment.version_after("90.1.0", "r9001", open_chain().head, "ALTER TABLE bank_connections ADD COLUMN later TEXT")
    with watched_api() as absences:
        deployment.run("deploy/up")
    told = list(deployment.containers().values())
    deployment.notes.append(
        f"the API was away for {sum(absences):.0f} s; worker-scheduled: {told.count('worker-scheduled')}"
    )
    secret = deployment.compose("exec", "-T", "api", "cat", "/run/secrets/jwt_secret")
    if deployment.versions() != {"90.1.0"} or told.count("worker-scheduled") != 2 or "another" not in secret:  # noqa: PLR2004
        raise StepError(f"versions {deployment.versions()}, containers {told}")
    status = f"SELECT status FROM bank_import_runs WHERE id = '{run}'"  # noqa: S608 - our own id
    until("the import ends", lambda: deployment.sql(status) not in {"running", "queued"})
    deployment.notes.append(f"import {deployment.sql(status)}")
    if deployment.sql(status) != "succeeded":
        raise StepError(deployment.worker("runs", "show", run))


def fail_to_upgrade(deployment: Deployment) -> None:
    """A version whose migration fails leaves the version before serving, untouched."""
    before = deployment.containers()
    deployment.version_after("90.2.0", "r9002", "r9001", "SELECT 1 / 0")
    with watched_api() as absences:
        told = deployment.run("deploy/up", check=False)
    if "the migration failed" not in told or deployment.containers() != before or absences:
        raise StepError(f"absences {absences}, containers {deployment.containers()}\n{told[-2000:]}")
    deployment.notes.append("the API answered throughout; no container was touched")
    (deployment.home / "worker" / "migrations" / "versions" / "r9002_later.py").unlink()


def roll_back(deployment: Deployment) -> None:
    """`make rollback` goes back to the version before, on the newer schema."""
    deployment.run("deploy/up", "--rollback")
    (version,) = deployment.versions()
    deployment.notes.append(f"version {version} runs")
    if version == "90.1.0":
        raise StepError("the newer version still runs")
    told = deployment.worker("import", deployment.connect(seed="rollback"), "--wait")
    deployment.notes.append(told.strip().splitlines()[-1])


def restore(deployment: Deployment) -> None:
    """A backup of the database is restored into an empty one; every expense is there and imports go on."""
    deployment.expenses = int(deployment.sql("SELECT count(*) FROM expenses"))
    deployment.in_postgres("pg_dump", "--format", "custom", "--file", BACKUP, "finmind")
    deployment.compose("stop", *SERVICES)
    sessions = "SELECT string_agg(application_name, ', ') FROM pg_stat_activity WHERE usename <> current_user"
    if left := deployment.sql(sessions):
        raise StepError(f"sessions of stopped services: {left}")
    deployment.in_postgres("dropdb", "finmind")
    deployment.in_postgres("createdb", "finmind")
    deployment.in_postgres("pg_restore", "--dbname", "finmind", "--exit-on-error", BACKUP)
    check = ("finmind-worker", "db", "check", "--after-restore")
    deployment.compose("run", "--rm", "--no-deps", "worker-interactive", *check)
    deployment.run("deploy/up")
    found = int(deployment.sql("SELECT count(*) FROM expenses"))
    deployment.notes.append(f"{found} of {deployment.expenses} expenses")
    if found != deployment.expenses:
        raise StepError(f"{found} of {deployment.expenses} expenses")
    deployment.worker("import", deployment.connect(seed="restored"), "--wait")


def read_the_logs(deployment: Deployment) -> None:
    """Every line of every process is a JSON object, and Postgres has no errors in its log."""
    lines = [line for container in deployment.containers() for line in _log(deployment, container)]
    plain = [line for line in lines if not line.startswith("{")]
    (postgres,) = deployment.compose("ps", "--quiet", "postgres").split()
    errors = [line for line in _log(deployment, postgres) if _POSTGRES_ERROR.search(line)]
    deployment.notes.append(f"{len(lines)} lines, {len(plain)} not JSON; {len(errors)} errors of Postgres")
    if plain or errors:
        raise StepError("\n".join([*plain[:5], *errors[:5]]))


def take_down(deployment: Deployment) -> None:
    """Everything stops within the grace it is given, and nothing is left."""
    deployment.compose("--profile", "*", "down", "--volumes", "--timeout", "120")
    left = deployment.run(
        "docker", "ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project=finmind-worker"
    )
    if left.split():
        raise StepError(f"left: {left}")


def _log(deployment: Deployment, container: str) -> list[str]:
    return [line for line in deployment.run("docker", "logs", container, check=False).splitlines() if line.strip()]


STEPS = (
    deploy,
    import_a_bank,
    read_the_logs,
    upload_files,
    kill_a_worker,
    upgrade,
    fail_to_upgrade,
    roll_back,
    restore,
    take_down,
)


def reason_to_skip() -> str | None:
    """Return why the story cannot be played on this machine; None when it can."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    asked = ("docker", "ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project=finmind-worker")
    found = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - ours
    if found.returncode:
        return f"no Docker engine answers ({found.stderr.strip().splitlines()[-1]})"
    return "the worker is deployed on this machine" if found.stdout.strip() else None


def copy_of_checkout(home: Path) -> None:
    """Copy what Git knows of the checkout, without secrets and data."""
    listed = subprocess.run(
        ("git", "ls-files", "--cached", "--others", "--exclude-standard"),  # noqa: S607 - whichever Git there is
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).exists():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, home / name)


def main() -> int:
    """Play the story and return its exit code."""
    if reason := reason_to_skip():
        print(f"skipped: {reason}")
        return 0
    with tempfile.TemporaryDirectory(prefix="finmind-deploy-", dir=os.environ.get("DEPLOY_TEST_DIR")) as directory:
        deployment = Deployment(home=Path(directory))
        copy_of_checkout(deployment.home)
        print("| step | took | seen |\n|---|---|---|")
        try:
            for step in STEPS:
                started_s, deployment.notes = time.monotonic(), []
                step(deployment)
                says = (step.__doc__ or "").strip().splitlines()[0].rstrip(".")
                print(f"| {says} | {time.monotonic() - started_s:.0f} s | {'; '.join(deployment.notes)} |", flush=True)
        except StepError as error:
            print(f"\n{step.__name__}: {error}", file=sys.stderr)  # type: ignore[possibly-undefined]  # it is a step's
            return 1
        finally:
            deployment.run("deploy/compose", "--profile", "*", "down", "--volumes", check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
