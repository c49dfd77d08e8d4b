"""Rounds of work under faults, each followed by the same questions: is it all there, once, and is every run closed?

`python -m tests.chaos.campaign --faults 200 --seed 7` is the long form (`make chaos`): it prints the seed and a table.
"""

import argparse
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import witness
from tests.chaos.bank import Bank
from tests.chaos.faults import AT_POINTS, AT_RANDOM, Fault, Strike
from tests.chaos.stack import HERE, Stack

RECOVERY_BOUND_S = 60.0
"""With a lease of 3 s, as the suite sets it. Most of it is Redis: a worker needs seconds to notice that it is back."""

WAYS = ("client", "by name", "clock")


@dataclass(slots=True)
class Tally:
    """What became of one kind of fault."""

    times: int = 0
    lost: int = 0
    doubled: int = 0
    recovery_s: list[float] = field(default_factory=list)


NEVER = {
    "two running runs of one connection": "SELECT connection_id FROM bank_import_runs WHERE status = 'running'"
    " GROUP BY 1 HAVING count(*) > 1",
    "a closed run without an end, or one that ended and is not closed": "SELECT id FROM bank_import_runs"
    " WHERE (status IN ('succeeded', 'partial', 'failed', 'cancelled')) <> (finished_at IS NOT NULL)"
    " OR (finished_at IS NOT NULL AND (code IS NULL OR lease_token IS NOT NULL))",
    "a run that waits and does not say why": "SELECT id FROM bank_import_runs"
    " WHERE status = 'deferred' AND (code IS NULL OR not_before IS NULL)",
    "a closed run that counts wrongly": "SELECT r.id FROM bank_import_runs r WHERE r.finished_at IS NOT NULL"
    " AND r.created + r.linked <> (SELECT count(*) FROM bank_transactions t WHERE t.first_run_id = r.id)",
    "a closed run that is not done with an account": "SELECT r.id FROM bank_import_runs r"
    " JOIN bank_import_run_accounts a ON a.run_id = r.id WHERE r.finished_at IS NOT NULL AND a.code = 'in_progress'",
    "a run that succeeded without all of its accounts": "SELECT r.id FROM bank_import_runs r"
    " JOIN bank_import_run_accounts a ON a.run_id = r.id WHERE r.status = 'succeeded' AND a.status <> 'succeeded'",
    "an expense of nobody": "SELECT e.id FROM expenses e WHERE NOT EXISTS"
    " (SELECT 1 FROM bank_transactions t WHERE t.expense_id = e.id)",
    "a hidden leg of a transfer without the other one": "SELECT t.id FROM bank_transactions t"
    " LEFT JOIN bank_transactions o ON o.id = t.transfer_peer_id"
    " WHERE t.expense_state = 'transfer' AND o.transfer_peer_id IS DISTINCT FROM t.id",
    "a twin of a row that has no expense of its own": "SELECT t.id FROM bank_transactions t"
    " JOIN bank_transactions o ON o.id = t.twin_id WHERE t.expense_state = 'twin' AND o.expense_state = 'twin'",
    "a purchase that one source states twice": "SELECT twin_id FROM bank_transactions"
    " WHERE expense_state = 'twin' AND state <> 'removed' GROUP BY account_id, twin_id HAVING count(*) > 1",
    "a defect": "SELECT id FROM bank_import_runs WHERE code = 'internal'",
}
"""What must hold whatever happened: each query finds offenders."""


class Campaign:
    """Works through rounds of faults on one stack and keeps the tallies."""

    def __init__(self, stack: Stack, bank: Bank, seed: int, *, users: int = 6) -> None:
        self.stack = stack
        self.bank = bank
        self.chance = random.Random(seed)
        self.tallies: dict[str, Tally] = defaultdict(Tally)
        self.latest_s = 0.0
        self.connections: dict[str, uuid.UUID] = {}
        for number in range(users):
            user = f"user-{number}"
            bank.add_user(user, 60)
            self.connections[user] = stack.add_connection(user)

    def round(self, faults: dict[str, Fault]) -> None:
        """Let things happen at the bank, ask for refreshes, strike while they run, and wait for the truth."""
        for user, connection_id in self.connections.items():
            self.bank.happen(user, self.chance.randint(5, 40))
            self.stack.ask(connection_id, self.chance.choice(WAYS))
        struck_s = time.monotonic()
        undone: list[tuple[float, Strike]] = []
        for fault in faults.values():
            time.sleep(self.chance.uniform(0, 0.4))  # the moment of the strike is the point of it
            strike = fault(self.stack, self.chance)
            if strike is not None:
                undone.append((time.monotonic() + strike.after_s, strike))
        self._settle(undone)
        recovery_s = self.latest_s = time.monotonic() - struck_s
        lost, doubled = self._differences()
        for name in faults:
            tally = self.tallies[name]
            tally.times += 1
            tally.lost += lost
            tally.doubled += doubled
            tally.recovery_s.append(recovery_s)

    def _settle(self, undone: list[tuple[float, Strike]]) -> None:
        """Wait until nothing is left to do, taking faults back as their time comes and restarting what died."""
        deadline_s = time.monotonic() + 3 * RECOVERY_BOUND_S
        asked_again_s = time.monotonic() + 5
        while time.monotonic() < deadline_s:
            for due_s, strike in [entry for entry in undone if entry[0] <= time.monotonic()]:
                undone.remove((due_s, strike))
                assert strike.undo is not None
                strike.undo()
            self.stack.supervise()
            if not undone and self.is_done() and not self._armed() and self._differences()[0] == 0:
                return
            if time.monotonic() > asked_again_s and self.is_done():
                # A task sent by name may be lost with Redis before it wrote its row; the next refresh makes it good.
                self._ask_again()
                asked_again_s = time.monotonic() + 5
            time.sleep(0.1)
        raise AssertionError(f"not settled: {self._open_runs()}")

    def _ask_again(self) -> None:
        for connection_id in self.connections.values():
            self.stack.ask(connection_id, "clock")

    def is_done(self) -> bool:
        """Say whether nothing is due, nothing waits and nothing runs."""
        due = self.stack.rows(
            "SELECT 1 FROM bank_connections WHERE status = 'active' AND next_refresh_at <= now() LIMIT 1"
        )
        return not due and not self._open_runs()

    def _armed(self) -> bool:
        return any(self.stack.faults.iterdir())

    def _open_runs(self) -> list[object]:
        return self.stack.rows(
            "SELECT id, status, code, attempt, dispatch_count, not_before, lease_expires_at FROM bank_import_runs"
            " WHERE finished_at IS NULL"
        )

    def _differences(self) -> tuple[int, int]:
        """Compare the ledger with the truth: transactions missing, and transactions or expenses too many."""
        lost = doubled = 0
        for user, connection_id in self.connections.items():
            found = self.stack.rows(
                "SELECT t.external_id, count(*) AS times, count(t.expense_id) AS expenses"
                " FROM bank_transactions t JOIN bank_connection_accounts a ON a.id = t.account_id"
                " WHERE a.connection_id = :id GROUP BY 1",
                id=connection_id,
            )
            known = {row.external_id: row for row in found}
            lost += sum(1 for row in self.bank.truth[user] if row["id"] not in known)
            doubled += sum(row.times - 1 + abs(row.expenses - row.times) for row in found)
        ((rows, expenses),) = self.stack.rows("SELECT (SELECT count(*) FROM bank_transactions), count(*) FROM expenses")
        return lost, doubled + abs(expenses - rows)

    def broken_rules(self) -> list[str]:
        """Return what must never be true, whatever happened."""
        broken = [rule for rule, query in NEVER.items() if self.stack.rows(query)]
        broken += witness.offences(self.stack.sessions)
        if self.tallies and self.slowest_s > RECOVERY_BOUND_S:
            broken.append(f"a recovery of {self.slowest_s:.0f} s, and the bound is {RECOVERY_BOUND_S:.0f} s")
        return broken

    def endings(self) -> str:
        """Return how many runs ended how, and how many claims the witness of writes saw."""
        rows = self.stack.rows("SELECT status, code, count(*) AS n FROM bank_import_runs GROUP BY 1, 2 ORDER BY 3 DESC")
        runs = ", ".join(f"{row.n} {row.status} ({row.code})" for row in rows)
        return f"runs: {runs}; claims: {witness.claims(self.stack.sessions)}"

    @property
    def slowest_s(self) -> float:
        """The slowest recovery so far."""
        return max(max(tally.recovery_s) for tally in self.tallies.values())

    def table(self) -> str:
        """Return the table of faults as text."""
        lines = [f"{'fault':<42} {'times':>5} {'lost':>5} {'doubled':>8} {'p50':>6} {'p95':>6} {'max':>6}"]
        for name, tally in sorted(self.tallies.items()):
            times = sorted(tally.recovery_s)
            p95 = times[min(len(times) - 1, round(0.95 * (len(times) - 1)))]
            lines.append(
                f"{name:<42} {tally.times:>5} {tally.lost:>5} {tally.doubled:>8}"
                f" {statistics.median(times):>5.1f}s {p95:>5.1f}s {times[-1]:>5.1f}s"
            )
        total = sum(tally.times for tally in self.tallies.values())
        lines.append(f"{'all':<42} {total:>5} {self.lost:>5} {self.doubled:>8} {'':>13} {self.slowest_s:>5.1f}s")
        return "\n".join(lines)

    @property
    def lost(self) -> int:
        return sum(tally.lost for tally in self.tallies.values())

    @property
    def doubled(self) -> int:
        return sum(tally.doubled for tally in self.tallies.values())


def main() -> int:
    parser = argparse.ArgumentParser(description="Strike a whole worker at random and compare its ledger with the bank")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--pool", default="prefork")
    options = parser.parse_args()
    sys.path.insert(0, str(HERE / "loopbank"))
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="finmind-chaos-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        with Bank(options.seed) as bank, Stack(Path(directory), bank, pool=options.pool) as stack:
            code = _run(Campaign(stack, bank, options.seed), options.faults)
            if code:
                print(f"logs: {_keep_logs(Path(directory))}", flush=True)
            return code


def _keep_logs(directory: Path) -> Path:
    """Copy what the processes logged to a directory that stays, and return it."""
    kept = Path(tempfile.mkdtemp(prefix="finmind-chaos-logs-"))
    for log in directory.rglob("*.log"):
        shutil.copy(log, kept)
    return kept


def _run(campaign: Campaign, faults: int) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the table of what was done so far, then too
    started_s = time.monotonic()
    settled, struck = False, ""
    try:
        for name, fault in AT_POINTS.items():
            struck = name
            campaign.round({name: fault})
            _report(campaign, started_s, name)
        done = 0
        while done < faults:
            names = campaign.chance.sample(sorted(AT_RANDOM), k=campaign.chance.randint(2, 7))
            struck = ", ".join(names)
            campaign.round({name: AT_RANDOM[name] for name in names})
            done += len(names)
            _report(campaign, started_s, f"{done}/{faults} {struck}")
        settled = True
    except KeyboardInterrupt:
        print("broken off", flush=True)
    except AssertionError as error:
        print(f"{error}, after {struck}", flush=True)
    broken = campaign.broken_rules()
    print(campaign.table(), campaign.endings(), *(f"BROKEN: {rule}" for rule in broken), sep="\n", flush=True)
    return 0 if settled and not (broken or campaign.lost or campaign.doubled) else 1


def _report(campaign: Campaign, started_s: float, struck: str) -> None:
    print(f"{time.monotonic() - started_s:6.0f} s  recovered in {campaign.latest_s:4.1f} s  {struck}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
