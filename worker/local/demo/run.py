"""Runs the demo: starts the stack, plays the story, shows tables, stops, and checks the claims."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import chdir
from typing import Any

from worker.client import WorkerClient
from worker.errors import WorkerError
from worker.local.demo import facts
from worker.local.demo.stage import Stage, stage, without_settings
from worker.local.demo.story import Claim, Story
from worker.local.demo.telling import Teller
from worker.runs.run_filter import RunFilter, RunOrder
from worker.runs.run_queries import list_runs
from worker.runtime import Runtime, runtime

_RUN_COLUMNS = ("bank", "kind", "trigger", "status", "code", "new", "known", "seconds")
_MONTH_COLUMNS = ("month", "currency", "rows", "spent", "earned")


class DemoError(WorkerError):
    """A claim of the demo does not hold."""


def run_demo() -> None:
    """Run the demo. Raises: DemoError naming every claim that does not hold."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    teller = Teller()
    with stage() as built:
        with teller.step("start Postgres, Redis, workers and beat"):
            built.wait()
        claims = _play(built, teller)
        with teller.step("stop everything"):
            wrong = built.strike()
    claims.append(Claim(words="everything stopped, nobody was left behind", holds=not wrong))
    _judge(teller, claims)


def _play(built: Stage, teller: Teller) -> list[Claim]:
    environment = {**without_settings(os.environ), **built.addresses()}
    os.environ.clear()
    os.environ.update(environment)
    # There, because a file `.env` where the demo was called may have settings as well.
    with chdir(built.directory), runtime(role="demo") as opened:
        client = WorkerClient(opened.settings.redis_url.get_secret_value())
        try:
            story = Story(runtime=opened, client=client, teller=teller, scratch=built.directory)
            claims = list(story.tell())
        finally:
            client.close()
        _show(opened, teller)
    return claims


def _show(opened: Runtime, teller: Teller) -> None:
    with opened.sessions() as session:
        runs = list_runs(session, RunFilter(order=RunOrder.OLDEST))
        months = facts.months(session)
    fields = ("connection_name", "kind", "trigger", "status", "code", "created", "unchanged")
    teller.table("runs", _RUN_COLUMNS, [(*(run[name] for name in fields), _seconds(run)) for run in runs])
    teller.table("expenses by month", _MONTH_COLUMNS, [tuple(month) for month in months])
    teller.say()


def _seconds(run: Mapping[str, Any]) -> float | None:
    """Return how long a run took from its request on."""
    return round((run["finished_at"] - run["queued_at"]).total_seconds(), 1) if run["finished_at"] else None


def _judge(teller: Teller, claims: Sequence[Claim]) -> None:
    teller.say()
    for claim in claims:
        teller.claim(claim.words, holds=claim.holds)
    failed = [claim.words for claim in claims if not claim.holds]
    if failed:
        raise DemoError(f"{len(failed)} of {len(claims)} claims do not hold: {'; '.join(failed)}")
    teller.say(f"\nall of it was checked in the database; it took {teller.elapsed_s():.0f} s")
