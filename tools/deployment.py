"""A deployed copy of the checkout, and what a story needs to look at it."""

import json
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

API = "http://127.0.0.1:8400"
SERVICES = ("api", "beat", "flower", "worker-heavy", "worker-interactive", "worker-scheduled", "worker-webhooks")
PATIENCE_S = 900

_REVISION = '''"""A revision of the version after this one."""

from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    """Change the schema."""
    op.execute("{statement}")
'''


class StepError(Exception):
    """A step did not do what it must; the message says what was seen."""


@dataclass(slots=True)
class Deployment:
    """A copy of the checkout, deployed.

    Attributes:
        home: the copy.
        notes: what was seen, for the table; each step adds its own.
        expenses: how many expenses there were before something was done to them.
    """

    home: Path
    notes: list[str] = field(default_factory=list)
    expenses: int = 0

    def run(self, *command: str, check: bool = True, given: str | None = None) -> str:
        """Run a program in the copy and return what it printed. Raises: StepError when it fails."""
        done = subprocess.run(  # noqa: S603 - our own arguments
            command, cwd=self.home, capture_output=True, text=True, check=False, timeout=1200, input=given
        )
        if check and done.returncode:
            raise StepError(f"{' '.join(command[:6])}: exit code {done.returncode}\n{done.stdout}{done.stderr}"[-3000:])
        return done.stdout + ("" if check else done.stderr)

    def compose(self, *arguments: str) -> str:
        """Run `deploy/compose` and return what it printed."""
        return self.run("deploy/compose", *arguments)

    def worker(self, *arguments: str, service: str = "api") -> str:
        """Run the worker's command line in a container and return what it printed."""
        return self.compose("exec", "-T", service, "finmind-worker", *arguments)

    def sql(self, statement: str) -> str:
        """Run one statement and return its only value."""
        psql = ("psql", "--dbname", "finmind", "--tuples-only", "--no-align", "--quiet", "--command")
        return self.in_postgres(*psql, statement).strip()

    def in_postgres(self, program: str, *arguments: str) -> str:
        """Run one of Postgres' programs beside the server and return what it printed."""
        return self.compose("exec", "-T", "postgres", program, "--username", "finmind", *arguments)

    def containers(self) -> dict[str, str]:
        """Return the ids of the running containers of our services, with the services they belong to."""
        rows = [json.loads(line) for line in self.compose("ps", "--format", "json").splitlines()]
        return {row["ID"]: row["Service"] for row in rows if row["Service"] in SERVICES}

    def versions(self) -> set[str]:
        """Return the versions that the running containers of our services have."""
        label = '{{index .Config.Labels "org.opencontainers.image.version"}}'
        return set(self.run("docker", "inspect", "--format", label, *self.containers()).split())

    def connect(self, **config: object) -> str:
        """Connect user 1 to a made-up bank and return the connection's id."""
        add = ("connections", "add", "--user", "1", "--connector", "mock", "--config")
        return self.worker(*add, json.dumps(config)).split()[-1]

    def version_after(self, version: str, revision: str, before: str, statement: str) -> None:
        """Turn the copy into a later version with one more revision."""
        package = self.home / "worker" / "__init__.py"
        package.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', package.read_text()))
        text = _REVISION.format(revision=revision, before=before, statement=statement)
        (self.home / "worker" / "migrations" / "versions" / f"{revision}_later.py").write_text(text)


def until(says: str, condition: Callable[[], bool], *, timeout_s: float = PATIENCE_S) -> float:
    """Wait for a condition and return how long that took (s). Raises: StepError when it does not come true."""
    started_s = time.monotonic()
    while not condition():
        if time.monotonic() - started_s > timeout_s:
            raise StepError(f"{says}: not within {timeout_s:.0f} s")
        time.sleep(1)
    return time.monotonic() - started_s


def ask(path: str, token: str = "", *, body: bytes | None = None, kind: str = "application/json") -> tuple[int, str]:
    """Ask the API and return its status and its answer; status 0 when it does not answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
    asked = urllib.request.Request(API + path, data=body, headers=headers)  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own address
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


@contextmanager
def watched_api() -> Iterator[list[float]]:
    """Ask the API ten times a second meanwhile; the list has the lengths of its absences (s) at the end."""
    absences: list[float] = []
    over = threading.Event()

    def watch() -> None:
        since_s: float | None = None
        while not over.wait(0.1):
            answers = ask("/health")[0] == 200  # noqa: PLR2004 - the status
            if answers and since_s is not None:
                absences.append(time.monotonic() - since_s)
                since_s = None
            elif not answers and since_s is None:
                since_s = time.monotonic()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield absences
    finally:
        over.set()
        watcher.join()
