"""Runs the demo: starts the stack, plays the story, shows tables, stops, and checks the claims."""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import chdir

from worker.client import WorkerClient
from worker.errors import WorkerError
from worker.local.demo import facts
from worker.local.demo.stage import Stage, stage, without_settings
from worker.local.demo.story import Claim, Story
from worker.local.demo.telling import Teller
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
        teller.table("runs", _RUN_COLUMNS, [tuple(run) for run in facts.all_runs(session)])
        months = facts.months(session)
    rows = [(month.month, month.currency, month.rows, month.spent, month.earned) for month in months]
    teller.table("expenses by month", _MONTH_COLUMNS, rows)
    teller.say()


def _judge(teller: Teller, claims: Sequence[Claim]) -> None:
    teller.say()
    for claim in claims:
        teller.claim(claim.words, holds=claim.holds)
    failed = [claim.words for claim in claims if not claim.holds]
    if failed:
        raise DemoError(f"{len(failed)} of {len(claims)} claims do not hold: {'; '.join(failed)}")
    teller.say(f"\nall of it was checked in the database; it took {teller.elapsed_s():.0f} s")
