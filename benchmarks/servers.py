"""Starts what the programs measure with: Postgres, Redis and processes, which end when the program does."""

import base64
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from worker.db.engine import open_engine
from worker.local.postgres import EmbeddedPostgres
from worker.local.redis import EmbeddedRedis
from worker.schema.apply import apply_schema


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Servers of this machine, and a folder that is removed with them.

    Attributes:
        processes: What `start` started; it is stopped first.
    """

    home: Path
    postgres: EmbeddedPostgres
    redis_url: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, command: Sequence[str], log: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a process that writes to a file of this name in the folder.

        Args:
            variables: Further variables of its environment.
        """
        with (self.home / log).open("wb") as written:
            environment = os.environ | variables
            self.processes.append(subprocess.Popen(command, stdout=written, stderr=written, env=environment))
        return self.processes[-1]


@contextmanager
def servers(*, durable: bool = True, **variables: str) -> Iterator[Servers]:
    """Start Postgres with the schema in its default database, and Redis; both are in the environment with a key.

    Args:
        durable: Whether Postgres waits for the disk, as in production.
        variables: Further variables of the environment.
    """
    with tempfile.TemporaryDirectory(prefix="finmind-bench-", ignore_cleanup_errors=True) as folder, ExitStack() as end:
        home = Path(folder)
        home.chmod(0o755)  # as root the servers run as a system user of their own
        postgres = EmbeddedPostgres(home / "postgres", durable=durable)
        end.callback(postgres.stop)
        redis = EmbeddedRedis(home / "redis")
        end.callback(redis.stop)
        own = {
            "DATABASE_URL": postgres.url,
            "REDIS_URL": redis.url,
            "CREDENTIAL_KEYS": f"bench:{base64.b64encode(os.urandom(32)).decode()}",
            "FINMIND_HEALTH_DIR": str(home / "health"),
            "LOG_LEVEL": "WARNING",
        }
        os.environ |= own | variables
        engine = open_engine(postgres.url, role="bench")
        apply_schema(engine)
        engine.dispose()
        started = Servers(home=home, postgres=postgres, redis_url=redis.url)
        end.callback(_stop, started.processes)
        yield started


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(60)
