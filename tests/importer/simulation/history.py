"""Histories: lives that are drawn from a seed, replayed, and shrunk to the smallest one that still goes wrong."""

import random
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import text

from tests.importer.simulation.life import EVERYDAY_VERBS, VERBS, Behaviour, Life
from tests.importer.simulation.oracle import Figures, Finding, Oracle
from worker.db.engine import Sessions

STEPS = 14


@dataclass(frozen=True)
class Step:
    """One verb of a life, and the seed of what it draws."""

    verb: str
    seed: int

    def __str__(self) -> str:
        return f"{self.verb}:{self.seed}"


@dataclass(frozen=True, kw_only=True)
class History:
    """A life that can be lived again: the same switches, the same beginning, the same steps."""

    seed: int
    behaviours: frozenset[Behaviour]
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        switches = ",".join(behaviour.name for behaviour in sorted(self.behaviours))
        options = f"--seed {self.seed} --behaviours {switches or 'NONE'} --steps {' '.join(map(str, self.steps))}"
        return f"python -m tests.importer.simulation {options}"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the oracle found in a history."""

    history: History
    findings: Sequence[Finding]
    figures: Figures

    def __str__(self) -> str:
        return "\n".join([*map(str, self.findings), str(self.history)])


def draw(seed: int, behaviours: Iterable[Behaviour]) -> History:
    """Return the history of a seed."""
    switches = frozenset(behaviours)
    chance = random.Random(seed ^ zlib.crc32("".join(sorted(switches)).encode()))
    special = [verb for behaviour in sorted(switches) for verb in VERBS.get(behaviour, ())]
    steps = [Step("buy", chance.randrange(10**6)) for _ in range(3)] + [Step("refresh_all", 0)]
    for _ in range(STEPS):
        rare = special and chance.random() < 0.3
        steps.append(Step(chance.choice(special if rare else EVERYDAY_VERBS), chance.randrange(10**6)))
    return History(seed=seed, behaviours=switches, steps=tuple(steps))


def draw_mixed(seed: int) -> History:
    """Return a history in which three behaviours meet."""
    return draw(seed, random.Random(seed).sample(list(Behaviour), 3))


def live(history: History, sessions: Sessions) -> Verdict:
    """Live a history as a new user and judge it."""
    with sessions() as session:
        user_id = session.execute(
            text(
                "INSERT INTO users (email, password_hash, preferred_currency)"
                " VALUES (gen_random_uuid() || '@example.test', 'x', 'EUR') RETURNING id"
            )
        ).scalar_one()
    life = Life(sessions, user_id, history.behaviours, random.Random(history.seed))
    oracle = Oracle(life)
    try:
        for step in history.steps:
            getattr(life, step.verb)(random.Random(step.seed))
        life.settle()
        oracle.judge_settled()
    except Exception as error:  # noqa: BLE001 - whatever it is, the history ends there
        oracle.judge_crash(error)
    return Verdict(history=history, findings=oracle.findings, figures=oracle.figures)


def smallest(verdict: Verdict, sessions: Sessions) -> Verdict:
    """Return the verdict on the smallest history that shows the first fault of this one."""
    fault = verdict.findings[0].fault

    def is_failure(history: History) -> bool:
        return any(finding.fault == fault for finding in live(history, sessions).findings)

    return live(shrink(verdict.history, is_failure), sessions)


def shrink(history: History, is_failure: Callable[[History], bool]) -> History:
    """Leave out as many steps and switches as can be left out of a failing history."""
    size = max(1, len(history.steps) // 2)
    while True:
        shorter = _without_some_steps(history, size, is_failure)
        if shorter is not None:
            history = shorter
        elif size > 1:
            size //= 2
        else:
            break
    for behaviour in sorted(history.behaviours):
        fewer = replace(history, behaviours=history.behaviours - {behaviour})
        if is_failure(fewer):
            history = fewer
    return history


def _without_some_steps(history: History, size: int, is_failure: Callable[[History], bool]) -> History | None:
    for start in range(0, len(history.steps), size):
        shorter = replace(history, steps=history.steps[:start] + history.steps[start + size :])
        if is_failure(shorter):
            return shorter
    return None
