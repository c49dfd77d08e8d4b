"""How soon an outage of a bank is noticed, and how often wrongly: by records of runs, by the circuit, by a threshold.

    python -m benchmarks.bank_outages [--banks 200] [--days 60]

A fleet of simulated banks: from 3 to 3,000 connections that are refreshed four times a day, each bank with a share of
failures of its own (0.2 to 20 in 100) and now and then a minute of failures for everybody; about once a month it is
really down for 20 minutes to 12 hours, and then nine of ten requests fail. Up to two users of each bank have trouble
of their own: for them every request fails.
"""

import argparse
import math
import random
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.results import print_and_keep
from worker.runs.providers.bank_outages import DOWN_FAILS, BankState, RunResult, after, usual_failures
from worker.runs.providers.circuit import (
    FAILURES_FORGOTTEN_AFTER,
    FAILURES_TO_OPEN,
    FEWEST_USERS_TO_OPEN,
    USERS_TO_OPEN,
)

START = datetime(2026, 10, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedBank:
    """One bank of the fleet. outages: begin and end of each, in minutes. broken: users for whom everything fails."""

    users: int
    broken: int
    fails: float
    outages: list[tuple[float, float]]
    glitches: list[float]

    def is_down(self, minute: float) -> bool:
        return any(begin <= minute < end for begin, end in self.outages)


def make_bank(chance: random.Random, days: int) -> SimulatedBank:
    """Draw a bank."""
    minutes = days * 1440
    outages, at = [], chance.expovariate(1 / 43_200)
    while at < minutes:
        length = math.exp(chance.uniform(math.log(20), math.log(720)))
        outages.append((at, at + length))
        at += length + 1440 + chance.expovariate(1 / 43_200)
    return SimulatedBank(
        users=round(math.exp(chance.uniform(math.log(3), math.log(3000)))),
        broken=chance.randint(0, 2),
        fails=math.exp(chance.uniform(math.log(0.002), math.log(0.2))),
        outages=outages,
        glitches=[chance.uniform(0, minutes) for _ in range(chance.randint(0, days // 10))],
    )


def results_of(bank: SimulatedBank, chance: random.Random, days: int) -> Iterator[tuple[float, RunResult]]:
    """Yield how runs ended at a bank, in order."""
    gap, at = 1440 / (4 * bank.users), 0.0
    while (at := at + chance.expovariate(1 / gap)) < days * 1440:
        fails = DOWN_FAILS if bank.is_down(at) or any(g <= at < g + 1 for g in bank.glitches) else bank.fails
        user_id = chance.randrange(bank.users)
        code = "bank_down" if user_id < bank.broken or chance.random() < fails else None
        yield at, RunResult(at=START + timedelta(minutes=at), user_id=user_id, code=code)


class PlainThreshold:
    """Down after five failures in a row for more than one user, until the next answer."""

    def __init__(self, _bank: SimulatedBank) -> None:
        self.users: list[int] = []

    def is_down_after(self, result: RunResult) -> bool:
        self.users = [] if result.code is None else [*self.users, result.user_id]
        return len(self.users) >= 5 and len(set(self.users)) > 1


class CircuitRule:
    """When circuits open: five failures without an answer between, those of one user in a row counted once, and of
    five users or of all that the bank has."""

    def __init__(self, bank: SimulatedBank) -> None:
        self.users: list[int] = []
        self.needed = max(FEWEST_USERS_TO_OPEN, min(USERS_TO_OPEN, bank.users))
        self.last_at = START

    def is_down_after(self, result: RunResult) -> bool:
        if result.code is None:
            self.users = []
            return False
        if result.at - self.last_at > FAILURES_FORGOTTEN_AFTER:
            self.users = []
        self.last_at = result.at
        if self.users[-1:] != [result.user_id]:
            self.users.append(result.user_id)
        return len(self.users) >= FAILURES_TO_OPEN and len(set(self.users)) >= self.needed


class Sequential:
    """The worker's own test, which learns how often the bank fails as it usually does."""

    def __init__(self, _bank: SimulatedBank) -> None:
        self.state, self.runs, self.good = BankState(), 0, 0

    def is_down_after(self, result: RunResult) -> bool:
        self.state = after(self.state, [result], usual_failures(self.runs, self.good))
        self.runs, self.good = self.runs + 1, self.good + (result.code is None)
        return self.state.outage_since_at is not None


def measure(banks: int, days: int, seed: int = 7) -> dict[str, object]:
    """Run the fleet and compare."""
    figures: dict[str, object] = {"banks": banks, "days": days}
    for name, kind in (("plain", PlainThreshold), ("circuit", CircuitRule), ("sequential", Sequential)):
        chance = random.Random(seed)
        delays: list[float] = []
        missed = false_alarms = results_until = 0
        for _ in range(banks):
            bank = make_bank(chance, days)
            detector, noticed, was_down = kind(bank), set(), False
            for at, result in results_of(bank, chance, days):
                is_down = detector.is_down_after(result)
                if is_down and not was_down:
                    place = next((n for n, (begin, end) in enumerate(bank.outages) if begin <= at < end + 30), None)
                    if place is None:
                        false_alarms += 1
                    elif place not in noticed:
                        noticed.add(place)
                        delays.append(at - bank.outages[place][0])
                was_down = is_down
            missed += len(bank.outages) - len(noticed)
            results_until += len(noticed)
        delays.sort()
        figures[name] = {
            "outages_noticed": len(delays),
            "outages_missed": missed,
            "delay_min_p50": round(statistics.median(delays), 1),
            "delay_min_p90": round(delays[int(0.9 * len(delays))], 1),
            "false_alarms_per_bank_month": round(false_alarms / banks / days * 30, 3),
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--banks", type=int, default=200)
    parser.add_argument("--days", type=int, default=60)
    options = parser.parse_args()
    figures = measure(options.banks, options.days)
    print_and_keep("bank_outages", figures)


if __name__ == "__main__":
    main()
