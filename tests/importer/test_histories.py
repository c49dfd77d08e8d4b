"""Lives of people with several banks, through the real engine: what is right in the ledger, and what runs say of it."""

import os
import random

import pytest

from tests.importer.simulation.history import draw, draw_mixed, live
from tests.importer.simulation.life import Behaviour
from tests.importer.simulation.oracle import Figures

FRESH = "FRESH_HISTORIES" in os.environ
"""Set it to a number to try a hundredth as many of each behaviour that were never tried before."""
HISTORIES = max(1, int(os.environ.get("FRESH_HISTORIES", "400")) // 100)
FIRST_SEED = random.SystemRandom().randrange(10**6) if FRESH else 0


def judge(histories, sessions):
    figures = Figures()
    for history in histories:
        verdict = live(history, sessions)
        figures.add(verdict.figures)
        assert not verdict.findings, f"{verdict}\nThis command looks for the smallest history that fails so."
    assert figures.right == figures.owed == figures.held


def test_an_everyday_life(sessions):
    judge([draw(FIRST_SEED + number, []) for number in range(HISTORIES)], sessions)


@pytest.mark.parametrize("behaviour", [pytest.param(behaviour, id=behaviour.name.lower()) for behaviour in Behaviour])
def test_a_life_with(behaviour, sessions):
    judge([draw(FIRST_SEED + number, [behaviour]) for number in range(HISTORIES)], sessions)


def test_lives_in_which_several_behaviours_meet(sessions):
    judge([draw_mixed(FIRST_SEED + number) for number in range(6 * HISTORIES)], sessions)
