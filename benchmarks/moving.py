"""Moving an account of 20,000 rows to another source, and back, beside a bare COPY of its rows.

    python -m benchmarks.moving --rows 20000

Both connections list the same account, so that the second import makes twins. `joined` moves these; `doubled` first
detaches the second source, so that every purchase is two expenses, and moves the account then.
"""

import argparse
import json
import statistics
import time
import uuid
from functools import partial
from typing import Any

from sqlalchemy import text

from benchmarks.imports import Bench, database, timed
from worker.bank_accounts.moving import MoveReport, move_account
from worker.bank_accounts.unmatching import detach
from worker.importer.engine import run
from worker.runs.lease import claim
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest


class MovingBench(Bench):
    """A user with one account over two connections."""

    def source_of(self, connection_id: uuid.UUID) -> tuple[int, int]:
        """Return the account and the source of a connection."""
        query = text("SELECT bank_account_id, id FROM bank_connection_accounts WHERE connection_id = :id")
        with self.sessions() as session:
            row = session.execute(query, {"id": connection_id}).one()
        return row.bank_account_id, row.id

    def timed_move(self, bank_account_id: int, to: uuid.UUID) -> tuple[MoveReport, float]:
        """Move the account, and return how long it took (s)."""
        start = time.perf_counter()
        with self.sessions() as session:
            report = move_account(session, bank_account_id, to, user_id=self.user_id)
        return report, time.perf_counter() - start

    def revert(self, connection_id: uuid.UUID, run_id: uuid.UUID) -> None:
        """Take the move back, as a worker does."""
        with self.sessions() as session:
            asked = RunRequest(connection_id=connection_id, kind=RunKind.REVERT, target_run_id=run_id)
            reverting = request_run(session, asked)
        with self.sessions() as session:
            claimed = claim(session, reverting, worker_name="bench", lease_s=600)
        assert claimed is not None
        run(claimed, self._parts(None))  # type: ignore[arg-type]  # no bank is asked


def one_round(bench: MovingBench) -> dict[str, float]:
    """Measure both moves, their undo, and the floor once."""
    bench.empty()
    old, new = bench.connect(), bench.connect()
    bench.refresh(old)
    bench.refresh(new)
    account_id, _ = bench.source_of(old)
    _, source_id = bench.source_of(new)
    seconds: dict[str, float] = {}
    for name in ("joined", "doubled"):
        if name == "doubled":
            with bench.sessions() as session:
                detach(session, source_id, user_id=bench.user_id)
                session.execute(text("DELETE FROM bank_match_suggestions"))  # what was declined does not move
        report, seconds[f"{name}_move_s"] = bench.timed_move(account_id, new)
        assert report.run_id is not None
        assert report.moved == bench.rows, report.says
        seconds[f"{name}_undo_s"] = timed(partial(bench.revert, new, report.run_id))
    copies = bench.take_out(old)
    bench.empty_tables()
    seconds["floor_s"] = timed(lambda: bench.copy_in(copies))
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with database() as engine:
        bench = MovingBench(engine, options.rows)
        measured = [one_round(bench) for _ in range(options.rounds)]
    medians = {name: statistics.median(one[name] for one in measured) for name in measured[0]}
    ratios: dict[str, Any] = {
        name: round(statistics.median(one[name] / one["floor_s"] for one in measured), 2)
        for name in medians
        if name != "floor_s"
    }
    print(json.dumps({"rows": options.rows, "median_s": medians, "times_the_floor": ratios}, indent=2))


if __name__ == "__main__":
    main()
