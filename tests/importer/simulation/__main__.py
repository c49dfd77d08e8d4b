"""Try histories beyond those of the tests, or replay one: `python -m tests.importer.simulation --help`."""

import argparse
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from tests.importer.simulation.history import History, Step, Verdict, draw, draw_mixed, live, smallest
from tests.importer.simulation.life import Behaviour
from tests.importer.simulation.oracle import Figures
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.local.postgres import EmbeddedPostgres
from worker.schema.apply import apply_schema


def main() -> int:
    """Return 0 when the oracle found nothing."""
    parser = argparse.ArgumentParser(description="Live histories against the engine on a Postgres of their own")
    parser.add_argument("--histories", type=int, default=20, help="how many of each behaviour, and of mixtures")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--behaviours", help="names with commas; NONE, MIXED, or EACH by itself (the default)")
    parser.add_argument("--steps", nargs="*", help="replay these steps, each as verb:seed")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with _database() as sessions:
        if options.steps is not None:
            verdict = live(_given(options), sessions)
            print(smallest(verdict, sessions) if verdict.findings else "nothing is wrong")
            return bool(verdict.findings)
        print(f"seed {options.seed}", flush=True)
        seeds = range(options.seed, options.seed + options.histories)
        names = [options.behaviours] if options.behaviours else ["NONE", *(b.name for b in Behaviour), "MIXED"]
        return max([_try(name, _drawn(name, seeds), sessions) for name in names])


@contextmanager
def _database() -> Iterator[Sessions]:
    with tempfile.TemporaryDirectory(prefix="finmind-histories-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)  # as root the database server runs as a system user of its own
        server = EmbeddedPostgres(Path(directory) / "postgres", durable=False)
        try:
            engine = open_engine(server.url, role="test")
            apply_schema(engine)
            yield open_sessions(engine)
            engine.dispose()
        finally:
            server.stop()


def _behaviours(names: str) -> frozenset[Behaviour]:
    return frozenset(Behaviour[name] for name in names.split(",") if name != "NONE")


def _given(options: argparse.Namespace) -> History:
    pairs = [step.split(":") for step in options.steps]
    return History(
        seed=options.seed,
        behaviours=_behaviours(options.behaviours or "NONE"),
        steps=tuple(Step(verb, int(seed)) for verb, seed in pairs),
    )


def _drawn(name: str, seeds: Iterable[int]) -> list[History]:
    return [draw_mixed(seed) if name == "MIXED" else draw(seed, _behaviours(name)) for seed in seeds]


def _try(name: str, histories: list[History], sessions: Sessions) -> int:
    started_s = time.monotonic()
    figures, faults, failed = Figures(), Counter[str](), list[Verdict]()
    for history in histories:
        verdict = live(history, sessions)
        figures.add(verdict.figures)
        faults.update({finding.fault.name for finding in verdict.findings})
        failed += [verdict] if verdict.findings else []
    print(f"{name}: {len(histories)} in {time.monotonic() - started_s:.0f} s; {figures}", flush=True)
    if failed:
        print(f"  seeds that fail: {', '.join(str(verdict.history.seed) for verdict in failed)}", flush=True)
        print(f"  {dict(faults)}; the smallest history of the first:\n{smallest(failed[0], sessions)}", flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
