"""Moving an account of 20,000 rows to another source, and back, beside a bare COPY of its rows.

    python -m benchmarks.moving --rows 20000

Both connections list the same account, so that the second import makes twins. `joined` moves these; `doubled` first
detaches the second source, so that every purchase is two expenses, and moves the account then. Beside the seconds
there is the processor time of both the program and its Postgres, which other work on the machine changes less.
"""

import argparse
import json
import os
import statistics
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from sqlalchemy import text

from benchmarks.imports import Bench, database
from worker.bank_accounts.moving import MoveReport, move_account
from worker.bank_accounts.unmatching import detach
from worker.importer.engine import run
from worker.runs.lease import claim
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest

T = TypeVar("T")
Cost: TypeAlias = tuple[float, float]
"""Seconds, and seconds of processor time."""


class MovingBench(Bench):
    """A user with one account over two connections."""

    def source_of(self, connection_id: uuid.UUID) -> tuple[int, int]:
        """Return the account and the source of a connection."""
        query = text("SELECT bank_account_id, id FROM bank_connection_accounts WHERE connection_id = :id")
        with self.sessions() as session:
            row = session.execute(query, {"id": connection_id}).one()
        return row.bank_account_id, row.id

    def move(self, bank_account_id: int, to: uuid.UUID) -> MoveReport:
        """Move the account."""
        with self.sessions() as session:
            return move_account(session, bank_account_id, to, user_id=self.user_id)

    def measured(self, action: Callable[[], T]) -> tuple[T, Cost]:
        """Do something on tables at rest, as autovacuum leaves them; return what it returns, and what it took."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        start, processor = time.perf_counter(), self._processor_s()
        result = action()
        return result, (time.perf_counter() - start, self._processor_s() - processor)

    def _processor_s(self) -> float:
        with self.engine.connect() as connection:
            query = text("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
            pids = list(connection.execute(query).scalars())
        stats = [Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split() for pid in pids]
        return time.process_time() + sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")

    def detach(self, source_id: int) -> None:
        """Make the source an account of its own; what was declined does not move, so that is forgotten."""
        with self.sessions() as session:
            detach(session, source_id, user_id=self.user_id)
            session.execute(text("DELETE FROM bank_match_suggestions"))

    def revert(self, connection_id: uuid.UUID, run_id: uuid.UUID) -> None:
        """Take the move back, as a worker does."""
        with self.sessions() as session:
            asked = RunRequest(connection_id=connection_id, kind=RunKind.REVERT, target_run_id=run_id)
            reverting = request_run(session, asked)
        with self.sessions() as session:
            claimed = claim(session, reverting, worker_name="bench", lease_s=600)
        assert claimed is not None
        run(claimed, self._parts(None))  # type: ignore[arg-type]  # no bank is asked


def one_round(bench: MovingBench) -> dict[str, Cost]:
    """Measure both moves, their undo, and the floor once."""
    bench.empty()
    old, new = bench.connect(), bench.connect()
    bench.refresh(old)
    bench.refresh(new)
    account_id, _ = bench.source_of(old)
    _, source_id = bench.source_of(new)
    costs: dict[str, Cost] = {}
    for name in ("joined", "doubled"):
        if name == "doubled":
            _, costs["detach"] = bench.measured(partial(bench.detach, source_id))
        report, costs[f"{name}_move"] = bench.measured(partial(bench.move, account_id, new))
        assert report.run_id is not None
        assert report.moved == bench.rows, report.says
        _, costs[f"{name}_undo"] = bench.measured(partial(bench.revert, new, report.run_id))
    copies = bench.take_out(old)
    bench.empty_tables()
    _, costs["floor"] = bench.measured(partial(bench.copy_in, copies))
    return costs


def times_the_floor(measured: Sequence[Mapping[str, Cost]], place: int) -> dict[str, float]:
    """Return the medians of what everything took beside the floor of its round."""
    return {
        name: round(statistics.median(one[name][place] / one["floor"][place] for one in measured), 2)
        for name in measured[0]
        if name != "floor"
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with database() as engine:
        bench = MovingBench(engine, options.rows)
        measured = [one_round(bench) for _ in range(options.rounds)]
    medians = {name: statistics.median(one[name][0] for one in measured) for name in measured[0]}
    ratios = {
        "times_the_floor": times_the_floor(measured, 0),
        "times_its_processor_time": times_the_floor(measured, 1),
    }
    print(json.dumps({"rows": options.rows, "median_s": medians} | ratios, indent=2))


if __name__ == "__main__":
    main()
