"""Every fault there is: what it does to the stack, and how it is taken back."""

import os
import random
import signal
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil
import redis
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.chaos.stack import LEASE_S, Stack
from worker.process.fault_injection import POINTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """What a fault left to be taken back, so many seconds later."""

    undo: Callable[[], None] | None = None
    after_s: float = 0.0


Fault = Callable[[Stack, random.Random], Strike | None]


def kill_child(stack: Stack, chance: random.Random) -> None:
    _each(stack, chance, signal.SIGKILL)


def stop_child(stack: Stack, chance: random.Random) -> Strike:
    """A child stands still for longer than its lease, then goes on as if nothing had happened: the zombie."""
    stopped = _each(stack, chance, signal.SIGSTOP)
    return Strike(undo=lambda: _signal(stopped, signal.SIGCONT), after_s=2 * LEASE_S)


def kill_worker(stack: Stack, _chance: random.Random) -> None:
    stack.restart("worker")


def stop_worker(stack: Stack, _chance: random.Random) -> Strike:
    group = stack.processes["worker"].pid
    _signal_group(group, signal.SIGSTOP)
    return Strike(undo=lambda: _signal_group(group, signal.SIGCONT), after_s=1.5 * LEASE_S)


def term_worker(stack: Stack, _chance: random.Random) -> None:
    stack.processes["worker"].terminate()


def kill_beat(stack: Stack, _chance: random.Random) -> None:
    stack.restart("beat")


def second_beat(stack: Stack, _chance: random.Random) -> Strike | None:
    if "beat-2" in stack.processes:
        return None
    stack.start("beat-2")
    return Strike(undo=lambda: stack.kill("beat-2"), after_s=5)


def flush_redis(stack: Stack, _chance: random.Random) -> None:
    with suppress(redis.RedisError), stack.redis_client() as client:
        client.flushall()


def freeze_redis(stack: Stack, _chance: random.Random) -> Strike:
    _signal([psutil.Process(stack.redis.pid)], signal.SIGSTOP)
    return Strike(undo=stack.resume_redis, after_s=3)


def restart_redis(stack: Stack, _chance: random.Random) -> None:
    stack.resume_redis()
    stack.restart_redis()


def crash_postgres(stack: Stack, _chance: random.Random) -> None:
    stack.crash_postgres()


def terminate_sessions(stack: Stack, _chance: random.Random) -> None:
    """End every session of the worker, in the middle of a COPY or a COMMIT if that is where it is."""
    with suppress(DBAPIError), stack.sessions() as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'finmind-worker-%'"
            )
        )


def double_messages(stack: Stack, _chance: random.Random) -> None:
    for row in stack.rows("SELECT id FROM bank_import_runs WHERE finished_at IS NULL"):
        stack.send(row.id)
        stack.send(row.id)


def late_messages(stack: Stack, _chance: random.Random) -> None:
    """Messages for runs that are closed."""
    for row in stack.rows("SELECT id FROM bank_import_runs WHERE finished_at IS NOT NULL ORDER BY random() LIMIT 5"):
        stack.send(row.id)


def ghost_message(stack: Stack, _chance: random.Random) -> None:
    """A message for a run that does not exist."""
    stack.send(uuid.uuid4())


def bank_says_429(stack: Stack, _chance: random.Random) -> None:
    stack.bank.refuse(429, 2, **{"Retry-After": "1"})


def bank_says_503(stack: Stack, _chance: random.Random) -> None:
    stack.bank.refuse(503, 1)


def _strike_point(name: str) -> Fault:
    def arm(stack: Stack, _chance: random.Random) -> None:
        (stack.faults / f"{name}.kill").touch()
        if name == "after_reap":
            (stack.faults / "after_claim.kill").touch()  # something has to be reaped

    return arm


AT_POINTS: dict[str, Fault] = {f"kill at {name}": _strike_point(name) for name in POINTS}
"""Every point there is. A round ends only once its point was struck."""

AT_RANDOM: dict[str, Fault] = {
    "kill -9 child": kill_child,
    "stop child past its lease": stop_child,
    "kill -9 worker": kill_worker,
    "stop worker past its leases": stop_worker,
    "TERM worker": term_worker,
    "kill -9 beat": kill_beat,
    "second beat": second_beat,
    "flush Redis": flush_redis,
    "freeze Redis": freeze_redis,
    "restart Redis": restart_redis,
    "crash Postgres": crash_postgres,
    "end all sessions": terminate_sessions,
    "double messages": double_messages,
    "late messages": late_messages,
    "ghost message": ghost_message,
    "bank says 429": bank_says_429,
    "bank says 503": bank_says_503,
}


def _each(stack: Stack, chance: random.Random, number: int) -> list[psutil.Process]:
    children = stack.children()
    struck = [child for child in children if chance.random() < 0.7] or children[:1]
    _signal(struck, number)
    return struck


def _signal(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            process.send_signal(number)


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
